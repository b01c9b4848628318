/* VEs as a table, and as OpenVZ's JSON. */
#pragma once

#include "base/strbuf.h"
#include "runtime/cmd/list_field.h"
#include "runtime/cmd/list_ve.h"

/* Columns are as wide as what is in them; of the last one, no blanks follow. */
void list_print_table(const struct list *list, const struct list_fields *fields, bool heading,
		      struct strbuf *text);

/* An array of objects, whose keys are the names of the fields as they were asked for. */
void list_print_json(const struct list *list, const struct list_fields *fields,
		     struct strbuf *text);
