#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "runtime/area/snapshot.h"
#include "runtime/cmd/command.h"

static const char *output, *id;
static bool no_header, list;

static const struct option_row options[] = {
	{ "no-header", 'H', OPTION_FLAG, &no_header, NULL, "print no headings" },
	{ "output", 'o', OPTION_STRING, &output, "FIELDS",
	  "print these fields, with commas between" },
	{ "id", 0, OPTION_STRING, &id, "UUID", "print this one, and those that it came from" },
	{ "uuid", 0, OPTION_STRING, &id, "UUID", NULL },
	{ "list", 'L', OPTION_FLAG, &list, NULL, "print which fields there are" },
	{ NULL },
};

/* OpenVZ's, with the widths of its columns. */
static const struct field {
	const char *name, *heading, *key;
	int width;
} fields[] = {
	{ "uuid", "UUID", "UUID", 38 }, { "parent_uuid", "PARENT_UUID", "PARENT", 38 },
	{ "current", "C", NULL, 1 },    { "date", "DATE", "DATE", 19 },
	{ "name", "NAME", "NAME", 32 }, { "desc", "DESC", "DESCRIPTION", 32 },
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]), SHOWN_MAX = 32 };

struct table {
	const struct snapshots *all;
	const char *current; /* may be NULL */
	const struct field *shown[SHOWN_MAX];
	size_t count;
};

static int parse_fields(struct table *table, struct error *err)
{
	autofree char *text = xstrdup(output ?: "parent_uuid,current,uuid,date,name");
	char *rest = text;
	for (char *name; (name = strsep(&rest, ","));) {
		size_t i = 0;
		while (i < FIELD_COUNT && strcasecmp(name, fields[i].name) != 0)
			i++;
		if (i == FIELD_COUNT || table->count == SHOWN_MAX) {
			error_set(err, ERROR_VALUE, "there is no field \"%s\"", name);
			return error_hint(err, "\"vzctl snapshot-list CTID -L\" shows which there "
					       "are");
		}
		table->shown[table->count++] = &fields[i];
	}
	return 0;
}

/* To be freed. */
static char *value(const struct table *table, const struct snapshot *one, const struct field *field)
{
	if (field->key)
		return text_clean(conf_get_default(&one->info, field->key, ""));
	return xstrdup(table->current && !strcmp(table->current, one->id) ? "*" : "");
}

static void add_cell(struct strbuf *text, const struct table *table, size_t column,
		     const char *content)
{
	bool last = column + 1 == table->count;
	strbuf_addf(text, "%-*s%s", last ? 0 : table->shown[column]->width, content,
		    last ? "\n" : " ");
}

static void print(const struct table *table, const bool *wanted, struct strbuf *text)
{
	for (size_t i = 0; !no_header && i < table->count; i++)
		add_cell(text, table, i, table->shown[i]->heading);
	for (size_t row = 0; row < table->all->count; row++)
		for (size_t i = 0; wanted[row] && i < table->count; i++) {
			autofree char *content =
				value(table, &table->all->items[row], table->shown[i]);
			add_cell(text, table, i, content);
		}
}

static json_t *describe(const struct table *table, const bool *wanted)
{
	json_t *array = json_array();
	for (size_t row = 0; row < table->all->count; row++) {
		if (!wanted[row])
			continue;
		json_t *object = json_object();
		for (size_t i = 0; i < FIELD_COUNT; i++) {
			autofree char *content = value(table, &table->all->items[row], &fields[i]);
			json_object_set_new(object, fields[i].name,
					    fields[i].key ? json_string(content)
							  : json_boolean(*content));
		}
		json_array_append_new(array, object);
	}
	return array;
}

/* All; or one with its ancestors. */
static int select_rows(const struct snapshots *all, bool *wanted, struct error *err)
{
	char wanted_id[SNAPSHOT_ID_SIZE];
	if (!id) {
		memset(wanted, true, all->count);
		return 0;
	}
	if (snapshot_id_parse(id, wanted_id, err) < 0)
		return -1;
	const struct snapshot *one = snapshots_find(all, wanted_id);
	if (!one)
		return error_set(err, ERROR_VALUE, "there is no snapshot %s", wanted_id);
	while (one && !wanted[one - all->items]) {
		wanted[one - all->items] = true;
		one = snapshots_find(all, conf_get_default(&one->info, "PARENT", ""));
	}
	return 0;
}

static int show(const struct ve_config *config, struct command_result *ret, struct error *err)
{
	AUTO(snapshots_release) struct snapshots all = SNAPSHOTS_INIT;
	struct table table = { .all = &all, .current = conf_get(&config->conf, SNAPSHOT_CURRENT) };
	if (snapshots_read(config->private_area, &all, err) < 0) {
		if (err->kind == ERROR_SYSTEM)
			err->kind = ERROR_SNAPSHOT_LIST;
		return -1;
	}
	autofree bool *wanted = xcalloc(all.count + 1, sizeof(*wanted));
	if (parse_fields(&table, err) < 0 || select_rows(&all, wanted, err) < 0)
		return -1;
	print(&table, wanted, &ret->text);
	ret->json = describe(&table, wanted);
	return 0;
}

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	(void)operands;
	if (list) {
		for (size_t i = 0; i < FIELD_COUNT; i++)
			strbuf_addf(&ret->text, "%-15s %s\n", fields[i].name, fields[i].heading);
		return 0;
	}
	return ve_config_load(&vzctl->host, ctid, &config, err) < 0 ? -1 : show(&config, ret, err);
}

const struct command command_snapshot_list = {
	.name = "snapshot-list",
	.operands = "",
	.summary = "Prints which snapshots of a VE there are",
	.options = options,
	.run = run,
};
