/* What can be shown of a VE: vzlist's fields, with OpenVZ's names and headings. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "runtime/cmd/list_resource.h"
#include "runtime/cmd/list_ve.h"

struct list_field {
	const struct field_row *row; /* NULL: it is of a resource */
	enum resource_id resource;
	enum list_column column;
	const char *name; /* as it was asked for; static */
};

struct list_fields {
	struct list_field *fields;
	size_t count, capacity;
};

#define LIST_FIELDS_INIT ((struct list_fields){ 0 })

/* "ctid,status,hostname"; NULL: every field once. ERROR_USAGE for one that is not there. */
int list_fields_parse(const char *text, struct list_fields *ret, struct error *err);
void list_fields_release(struct list_fields *fields);

const char *list_field_heading(const struct list_field *field);
bool list_field_is_number(const struct list_field *field);

/* Whether what each VE has of resources is to be counted for them (list_request). `json`: they are whole objects there. */
bool list_fields_count(const struct list_fields *fields, bool json);

/* Whether one is of a VE's traffic. */
bool list_fields_traffic(const struct list_fields *fields);

/* One line without control characters; "-" for nothing. Several words have blanks between them in the `last` column, and
 * commas in others, so that columns can be told apart. */
char *list_field_text(const struct list_field *field, const struct list_ve *ve, bool last);
json_t *list_field_json(const struct list_field *field, const struct list_ve *ve);

/* Numbers by value, addresses as numbers, the rest as text; nothing comes first. */
int list_field_compare(const struct list_field *field, const struct list_ve *a,
		       const struct list_ve *b);

/* For --list: name and heading a line. */
void list_fields_show(struct strbuf *text);
