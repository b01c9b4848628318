#include "runtime/cmd/list_resource.h"

#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 24 };
#define COLUMNS (COLUMN_FAILCNT + 1)

static const char letters[COLUMNS + 1] = " mblf";

static bool is_beancounter(enum resource_id id)
{
	return id < BEANCOUNTERS;
}

bool list_resource_has(enum resource_id id, enum list_column column)
{
	return resource_table[id].heading && column < (is_beancounter(id) ? COLUMNS : 1);
}

bool list_resource_find(const char *name, enum resource_id *id, enum list_column *column)
{
	for (int i = 0; i < RESOURCE_COUNT; i++)
		for (enum list_column c = COLUMN_HELD; list_resource_has(i, c); c++)
			if (!strcmp(list_resource_name(i, c), name)) {
				*id = i;
				*column = c;
				return true;
			}
	return false;
}

bool list_resource_is_counted(enum resource_id id, enum list_column column)
{
	return is_beancounter(id) && column != COLUMN_BARRIER && column != COLUMN_LIMIT;
}

const char *list_resource_name(enum resource_id id, enum list_column column)
{
	static char names[RESOURCE_COUNT][COLUMNS][NAME_SIZE];
	char *name = names[id][column];
	snprintf(name, NAME_SIZE, column ? "%s.%c" : "%s", resource_table[id].name,
		 letters[column]);
	return name;
}

const char *list_resource_heading(enum resource_id id, enum list_column column)
{
	static char headings[RESOURCE_COUNT][COLUMNS][NAME_SIZE];
	char *heading = headings[id][column];
	snprintf(heading, NAME_SIZE, column ? "%s.%c" : "%s", resource_table[id].heading,
		 letters[column] - 'a' + 'A');
	return heading;
}

int64_t list_resource_number(const struct list_ve *ve, enum resource_id id, enum list_column column)
{
	const struct resource_value *value = &ve->resources.values[id];
	uint64_t bounds[2];
	if (ve->mistake && !list_resource_is_counted(id, column))
		return -1;
	if (!is_beancounter(id)) /* of which 0 is no limit */
		return !value->set                          ? -1
		       : value->limit == RESOURCE_UNLIMITED ? 0
							    : (int64_t)value->limit;
	usage_bounds(&ve->resources, id, &bounds[0], &bounds[1]);
	switch (column) {
	case COLUMN_BARRIER:
		return (int64_t)bounds[0];
	case COLUMN_LIMIT:
		return (int64_t)bounds[1];
	case COLUMN_MAXHELD:
		return ve->counted ? ve->usage[id].maxheld : -1;
	case COLUMN_FAILCNT:
		return ve->counted ? ve->usage[id].failcnt : -1;
	case COLUMN_HELD:
		break;
	}
	return id == RESOURCE_NUMPROC ? ve->processes : ve->counted ? ve->usage[id].held : -1;
}

const char *list_resource_text(const struct list_ve *ve, enum resource_id id)
{
	const struct resource_value *value = &ve->resources.values[id];
	return value->list ? value->list : value->set ? "all" : NULL;
}

json_t *list_resource_json(const struct list_ve *ve, enum resource_id id)
{
	static const char *const keys[] = { "held", "maxheld", "barrier", "limit", "failcnt" };
	json_t *object = json_object();
	for (enum list_column c = COLUMN_HELD; c < COLUMNS; c++) {
		int64_t number = list_resource_number(ve, id, c);
		json_object_set_new(object, keys[c],
				    number < 0 ? json_null() : json_integer(number));
	}
	return object;
}
