#include <string.h>

#include "vzpkg/cmd/refresh.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

bool refresh_had_work(const json_t *row)
{
	return json_object_get(row, "changes");
}

static void print_change(const json_t *change, struct strbuf *text)
{
	const char *name = text_of(change, "name"), *now = text_of(change, "version");
	const char *before = text_of(change, "version_before");

	if (!*now)
		strbuf_addf(text, "  - %s %s\n", name, before);
	else if (!*before)
		strbuf_addf(text, "  + %s %s\n", name, now);
	else
		strbuf_addf(text, "    %s %s, before %s\n", name, now, before);
}

static void print_paths(const json_t *paths, const char *words, struct strbuf *text)
{
	enum { SHOWN = 10 };
	size_t count = json_array_size(paths);

	for (size_t i = 0; i < count && i < SHOWN; i++)
		strbuf_addf(text, "  drift: /%s %s\n", json_string_value(json_array_get(paths, i)),
			    words);
	if (count > SHOWN)
		strbuf_addf(text, "  drift: %zu more\n", count - SHOWN);
}

void refresh_print(const json_t *row, struct strbuf *text)
{
	const json_t *drift = json_object_get(row, "drift");
	const json_t *changes = json_object_get(row, "changes");

	strbuf_addf(text, "%s: %s\n", text_of(row, "template"), text_of(row, "message"));
	for (size_t i = 0; i < json_array_size(changes); i++)
		print_change(json_array_get(changes, i), text);
	print_paths(json_object_get(drift, "left"),
		    "was there, and a build from nothing does not make it", text);
	print_paths(json_object_get(drift, "missed"),
		    "was not there, and a build from nothing makes it", text);
}
