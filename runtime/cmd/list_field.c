#include "runtime/cmd/list_field.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/option.h"
#include "base/text.h"
#include "runtime/net/address.h"

enum value_kind { VALUE_NONE, VALUE_TEXT, VALUE_NUMBER, VALUE_BOOL, VALUE_WORDS, VALUE_SPAN };

struct value {
	enum value_kind kind;
	const char *text;
	int64_t number;
	const struct strvec *words;
};

struct field_row {
	const char *name, *heading;
	struct value (*get)(const struct list_ve *ve); /* NULL: what CTID.conf has for `key` */
	const char *key;
	unsigned flags;
};

enum field_flags {
	FIELD_NUMBER = 1, /* to the right */
	FIELD_ALIAS = 2, /* another name of the one before */
	FIELD_ADDRESS = 4,
	FIELD_TRAFFIC = 8,
};

/* ---- where values come from --------------------------------------------------------------------------- */

static struct value of_text(const char *text)
{
	return (struct value){ .kind = text && *text ? VALUE_TEXT : VALUE_NONE, .text = text };
}

static struct value of_number(enum value_kind kind, int64_t number)
{
	return (struct value){ .kind = number < 0 ? VALUE_NONE : kind, .number = number };
}

static struct value of_words(const struct strvec *words)
{
	return (struct value){ .kind = VALUE_WORDS, .words = words };
}

/* Of a configuration with a mistake, what has a default is not known. */
static struct value of_bool(const struct list_ve *ve, bool value)
{
	return (struct value){ .kind = ve->mistake ? VALUE_NONE : VALUE_BOOL, .number = value };
}

static struct value get_ctid(const struct list_ve *ve)
{
	return of_number(VALUE_NUMBER, ve->ctid);
}

static struct value get_processes(const struct list_ve *ve)
{
	return of_number(VALUE_NUMBER, ve->processes);
}

static struct value get_uptime(const struct list_ve *ve)
{
	return of_number(VALUE_SPAN, ve->uptime_s);
}

static struct value get_status(const struct list_ve *ve)
{
	return of_text(ve->status);
}

static struct value get_addresses(const struct list_ve *ve)
{
	return of_words(&ve->addresses);
}

static struct value get_space(const struct list_ve *ve)
{
	return of_number(VALUE_NUMBER, ve->disk_kb);
}

static struct value get_inodes(const struct list_ve *ve)
{
	return of_number(VALUE_NUMBER, ve->disk_inodes);
}

static struct value of_limit(uint64_t limit, unsigned unit)
{
	return of_number(VALUE_NUMBER, limit ? (int64_t)(limit / unit) : -1);
}

static struct value get_space_soft(const struct list_ve *ve)
{
	return of_limit(ve->limits.space.soft, 1024);
}

static struct value get_space_hard(const struct list_ve *ve)
{
	return of_limit(ve->limits.space.hard, 1024);
}

static struct value get_inodes_soft(const struct list_ve *ve)
{
	return of_limit(ve->limits.inodes.soft, 1);
}

static struct value get_inodes_hard(const struct list_ve *ve)
{
	return of_limit(ve->limits.inodes.hard, 1);
}

static struct value of_traffic(const struct list_ve *ve, uint64_t number)
{
	return of_number(VALUE_NUMBER, ve->has_traffic ? (int64_t)number : -1);
}

static struct value get_in(const struct list_ve *ve)
{
	return of_traffic(ve, ve->traffic.in_bytes);
}

static struct value get_in_packets(const struct list_ve *ve)
{
	return of_traffic(ve, ve->traffic.in_packets);
}

static struct value get_out(const struct list_ve *ve)
{
	return of_traffic(ve, ve->traffic.out_bytes);
}

static struct value get_out_packets(const struct list_ve *ve)
{
	return of_traffic(ve, ve->traffic.out_packets);
}

static struct value get_layout(const struct list_ve *ve)
{
	return of_text(ve->mistake ? NULL : ve_layout_name(ve->config.layout));
}

static struct value get_layer(const struct list_ve *ve)
{
	return of_text(ve->config.layer);
}

static struct value get_private(const struct list_ve *ve)
{
	return of_text(ve->config.private_area);
}

static struct value get_root(const struct list_ve *ve)
{
	return of_text(ve->config.root);
}

static struct value get_onboot(const struct list_ve *ve)
{
	return ve->config.onboot == ONBOOT_AUTO ? of_text("auto")
						: of_bool(ve, ve->config.onboot == ONBOOT_YES);
}

static struct value get_bootorder(const struct list_ve *ve)
{
	return of_number(VALUE_NUMBER, ve->config.conf.count ? ve->config.bootorder : -1);
}

static struct value get_disabled(const struct list_ve *ve)
{
	return of_bool(ve, ve->config.disabled);
}

static struct value get_nameservers(const struct list_ve *ve)
{
	return of_words(&ve->config.nameservers);
}

static struct value get_searchdomains(const struct list_ve *ve)
{
	return of_words(&ve->config.searchdomains);
}

/* In the order of --json and --list. */
static const struct field_row rows[] = {
	{ "ctid", "CTID", get_ctid, NULL, FIELD_NUMBER },
	{ "veid", "CTID", get_ctid, NULL, FIELD_NUMBER | FIELD_ALIAS },
	{ "vpsid", "CTID", get_ctid, NULL, FIELD_NUMBER | FIELD_ALIAS },
	{ "private", "PRIVATE", get_private },
	{ "root", "ROOT", get_root },
	{ "hostname", "HOSTNAME", NULL, "HOSTNAME" },
	{ "name", "NAME", NULL, "NAME" },
	{ "description", "DESCRIPTION", NULL, "DESCRIPTION" },
	{ "ostemplate", "OSTEMPLATE", NULL, "OSTEMPLATE" },
	{ "origin_sample", "ORIGIN_SAMPLE", NULL, "ORIGIN_SAMPLE" },
	{ "ip", "IP_ADDR", get_addresses, NULL, FIELD_ADDRESS },
	{ "ip_addr", "IP_ADDR", get_addresses, NULL, FIELD_ADDRESS | FIELD_ALIAS },
	{ "nameserver", "NAMESERVER", get_nameservers },
	{ "searchdomain", "SEARCHDOMAIN", get_searchdomains },
	{ "status", "STATUS", get_status },
	{ "nproc", "NPROC", get_processes, NULL, FIELD_NUMBER | FIELD_ALIAS },
	{ "uptime", "UPTIME", get_uptime, NULL, FIELD_NUMBER },
	{ "diskspace", "DQBLOCKS", get_space, NULL, FIELD_NUMBER },
	{ "diskspace.s", "DQBLOCKS.S", get_space_soft, NULL, FIELD_NUMBER },
	{ "diskspace.h", "DQBLOCKS.H", get_space_hard, NULL, FIELD_NUMBER },
	{ "diskinodes", "DQINODES", get_inodes, NULL, FIELD_NUMBER },
	{ "diskinodes.s", "DQINODES.S", get_inodes_soft, NULL, FIELD_NUMBER },
	{ "diskinodes.h", "DQINODES.H", get_inodes_hard, NULL, FIELD_NUMBER },
	{ "netin", "NETIN", get_in, NULL, FIELD_NUMBER | FIELD_TRAFFIC },
	{ "netinpkts", "NETINPKTS", get_in_packets, NULL, FIELD_NUMBER | FIELD_TRAFFIC },
	{ "netout", "NETOUT", get_out, NULL, FIELD_NUMBER | FIELD_TRAFFIC },
	{ "netoutpkts", "NETOUTPKTS", get_out_packets, NULL, FIELD_NUMBER | FIELD_TRAFFIC },
	{ "layout", "LAYOUT", get_layout },
	{ "layer", "LAYER", get_layer },
	{ "onboot", "ONBOOT", get_onboot },
	{ "bootorder", "BOOTORDER", get_bootorder, NULL, FIELD_NUMBER },
	{ "disabled", "DISABLED", get_disabled },
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static struct value get(const struct list_field *field, const struct list_ve *ve)
{
	const struct field_row *row = field->row;
	if (!row && resource_table[field->resource].unit == UNIT_LIST)
		return of_text(list_resource_text(ve, field->resource));
	if (!row)
		return of_number(VALUE_NUMBER,
				 list_resource_number(ve, field->resource, field->column));
	return row->get ? row->get(ve) : of_text(conf_get(&ve->config.conf, row->key));
}

/* ---- which fields ------------------------------------------------------------------------------------- */

static void add(struct list_fields *fields, struct list_field field)
{
	fields->fields =
		xgrow(fields->fields, fields->count, &fields->capacity, sizeof(*fields->fields));
	fields->fields[fields->count++] = field;
}

static int unknown(const char *name, struct error *err)
{
	const char *names[ROW_COUNT + RESOURCE_COUNT + 1] = { NULL };
	for (size_t i = 0; i < ROW_COUNT; i++)
		names[i] = rows[i].name;
	for (size_t i = 0; i < RESOURCE_COUNT; i++)
		names[ROW_COUNT + i] = resource_table[i].name;
	const char *near = nearest_word(name, names);
	error_set(err, ERROR_USAGE, "there is no field \"%s\"", name);
	if (near)
		return error_hint(err, "did you mean \"%s\"?", near);
	return error_hint(err, "\"vzlist --list\" shows which there are");
}

static int add_name(struct list_fields *fields, const char *name, struct error *err)
{
	struct list_field field = { 0 };
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (!strcmp(rows[i].name, name)) {
			add(fields, (struct list_field){ .row = &rows[i], .name = rows[i].name });
			return 0;
		}
	if (!list_resource_find(name, &field.resource, &field.column))
		return unknown(name, err);
	field.name = list_resource_name(field.resource, field.column);
	add(fields, field);
	return 0;
}

int list_fields_parse(const char *text, struct list_fields *ret, struct error *err)
{
	if (!text) {
		for (size_t i = 0; i < ROW_COUNT; i++)
			if (!(rows[i].flags & FIELD_ALIAS))
				add(ret,
				    (struct list_field){ .row = &rows[i], .name = rows[i].name });
		for (int i = 0; i < RESOURCE_COUNT; i++)
			if (resource_table[i].heading)
				add(ret, (struct list_field){ .name = resource_table[i].name,
							      .resource = i });
		return 0;
	}
	autofree char *copy = xstrdup(text);
	char *rest = copy;
	for (char *name; (name = strsep(&rest, ","));)
		if (add_name(ret, name, err) < 0)
			return -1;
	return 0;
}

void list_fields_release(struct list_fields *fields)
{
	free(fields->fields);
	*fields = LIST_FIELDS_INIT;
}

const char *list_field_heading(const struct list_field *field)
{
	return field->row ? field->row->heading
			  : list_resource_heading(field->resource, field->column);
}

bool list_field_is_number(const struct list_field *field)
{
	return field->row ? field->row->flags & FIELD_NUMBER
			  : resource_table[field->resource].unit != UNIT_LIST;
}

bool list_fields_count(const struct list_fields *fields, bool json)
{
	for (size_t i = 0; i < fields->count; i++) {
		const struct list_field *field = &fields->fields[i];
		bool cheap = !json && field->resource == RESOURCE_NUMPROC &&
			     field->column == COLUMN_HELD;
		if (!field->row && list_resource_is_counted(field->resource, field->column) &&
		    !cheap)
			return true;
	}
	return false;
}

bool list_fields_traffic(const struct list_fields *fields)
{
	for (size_t i = 0; i < fields->count; i++)
		if (fields->fields[i].row && fields->fields[i].row->flags & FIELD_TRAFFIC)
			return true;
	return false;
}

void list_fields_show(struct strbuf *text)
{
	for (size_t i = 0; i < ROW_COUNT; i++)
		strbuf_addf(text, "%-15s %s\n", rows[i].name, rows[i].heading);
	for (int i = 0; i < RESOURCE_COUNT; i++)
		for (enum list_column c = COLUMN_HELD; list_resource_has(i, c); c++)
			strbuf_addf(text, "%-15s %s\n", list_resource_name(i, c),
				    list_resource_heading(i, c));
}

/* ---- how they are shown ------------------------------------------------------------------------------- */

static void add_words(struct strbuf *text, const struct strvec *words, const char *between)
{
	for (size_t i = 0; i < words->count; i++)
		strbuf_addf(text, "%s%s", i ? between : "", words->items[i]);
}

/* "3d04h:05m:06s" */
static void add_span(struct strbuf *text, int64_t seconds)
{
	strbuf_addf(text, "%" PRId64 "d%02dh:%02dm:%02ds", seconds / 86400,
		    (int)(seconds / 3600 % 24), (int)(seconds / 60 % 60), (int)(seconds % 60));
}

char *list_field_text(const struct list_field *field, const struct list_ve *ve, bool last)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct value value = get(field, ve);
	switch (value.kind) {
	case VALUE_TEXT:
		strbuf_adds(&text, value.text);
		break;
	case VALUE_NUMBER:
		strbuf_addf(&text, "%" PRId64, value.number);
		break;
	case VALUE_SPAN:
		add_span(&text, value.number);
		break;
	case VALUE_BOOL:
		strbuf_adds(&text, value.number ? "yes" : "no");
		break;
	case VALUE_WORDS:
		add_words(&text, value.words, last ? " " : ",");
		break;
	case VALUE_NONE:
		break;
	}
	char *clean = text_clean(text.length ? text.text : "-");
	for (char *c = clean; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	return clean;
}

static json_t *json_text(const char *text)
{
	autofree char *clean = text_clean(text);
	return json_string(clean);
}

static json_t *json_words(const struct strvec *words)
{
	json_t *array = json_array();
	for (size_t i = 0; i < words->count; i++)
		json_array_append_new(array, json_text(words->items[i]));
	return array;
}

json_t *list_field_json(const struct list_field *field, const struct list_ve *ve)
{
	struct value value = get(field, ve);
	if (!field->row && field->resource < BEANCOUNTERS && field->column == COLUMN_HELD)
		return list_resource_json(ve, field->resource);
	switch (value.kind) {
	case VALUE_TEXT:
		return json_text(value.text);
	case VALUE_NUMBER:
	case VALUE_SPAN:
		return json_integer(value.number);
	case VALUE_BOOL:
		return json_boolean(value.number);
	case VALUE_WORDS:
		return json_words(value.words);
	case VALUE_NONE:
		break;
	}
	return json_null();
}

/* ---- which comes first -------------------------------------------------------------------------------- */

static int compare_addresses(const struct list_ve *a, const struct list_ve *b)
{
	for (size_t i = 0; i < a->config.address_count && i < b->config.address_count; i++) {
		const struct address *x = &a->config.addresses[i], *y = &b->config.addresses[i];
		if (x->family != y->family)
			return x->family < y->family ? -1 : 1;
		int order = x->family == AF_INET ? memcmp(&x->v4, &y->v4, sizeof(x->v4))
						 : memcmp(&x->v6, &y->v6, sizeof(x->v6));
		if (order)
			return order;
	}
	return (a->config.address_count > b->config.address_count) -
	       (a->config.address_count < b->config.address_count);
}

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

int list_field_compare(const struct list_field *field, const struct list_ve *a,
		       const struct list_ve *b)
{
	if (field->row && field->row->flags & FIELD_ADDRESS)
		return compare_addresses(a, b);
	struct value x = get(field, a), y = get(field, b);
	bool both = x.kind == y.kind && x.kind != VALUE_NONE;
	if (both && (x.kind == VALUE_NUMBER || x.kind == VALUE_SPAN || x.kind == VALUE_BOOL))
		return compare_numbers(x.number, y.number);
	if (x.kind == VALUE_NONE || y.kind == VALUE_NONE)
		return (x.kind != VALUE_NONE) - (y.kind != VALUE_NONE);
	autofree char *left = list_field_text(field, a, true),
		      *right = list_field_text(field, b, true);
	return strcmp(left, right);
}
