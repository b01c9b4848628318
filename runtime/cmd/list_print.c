#include "runtime/cmd/list_print.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strvec.h"

/* Characters of UTF-8; the terminal's own idea of wide ones is left to it. */
static size_t width_of(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static void add_blanks(struct strbuf *text, size_t count)
{
	while (count--)
		strbuf_addc(text, ' ');
}

/* Row after row, the heading first. */
static void fill(const struct list *list, const struct list_fields *fields, bool heading,
		 struct strvec *cells)
{
	size_t columns = fields->count;
	for (size_t i = 0; heading && i < columns; i++)
		strvec_push(cells, list_field_heading(&fields->fields[i]));
	for (size_t ve = 0; ve < list->count; ve++)
		for (size_t i = 0; i < columns; i++)
			strvec_take(cells, list_field_text(&fields->fields[i], &list->ves[ve],
							   i == columns - 1));
}

static void add_cell(struct strbuf *text, const char *cell, size_t width, bool right, bool last)
{
	size_t blanks = width - width_of(cell);
	if (right)
		add_blanks(text, blanks);
	strbuf_adds(text, cell);
	if (!right && !last)
		add_blanks(text, blanks);
	strbuf_addc(text, last ? '\n' : ' ');
}

void list_print_table(const struct list *list, const struct list_fields *fields, bool heading,
		      struct strbuf *text)
{
	AUTO(strvec_release) struct strvec cells = STRVEC_INIT;
	size_t columns = fields->count;
	autofree size_t *widths = xcalloc(columns, sizeof(*widths));

	fill(list, fields, heading, &cells);
	for (size_t i = 0; i < cells.count; i++) {
		size_t width = width_of(cells.items[i]);
		if (width > widths[i % columns])
			widths[i % columns] = width;
	}
	for (size_t i = 0; i < cells.count; i++) {
		size_t column = i % columns;
		/* A column alone is read by scripts. */
		bool right = columns > 1 && list_field_is_number(&fields->fields[column]);
		add_cell(text, cells.items[i], widths[column], right, column == columns - 1);
	}
}

void list_print_json(const struct list *list, const struct list_fields *fields, struct strbuf *text)
{
	json_t *array = json_array();
	for (size_t ve = 0; ve < list->count; ve++) {
		json_t *object = json_object();
		for (size_t i = 0; i < fields->count; i++)
			json_object_set_new(object, fields->fields[i].name,
					    list_field_json(&fields->fields[i], &list->ves[ve]));
		json_array_append_new(array, object);
	}
	char *dump = json_dumps(array, JSON_INDENT(2));
	strbuf_addf(text, "%s\n", dump ? dump : "[]");
	free(dump);
	json_decref(array);
}
