#include "vzpkg/import/reader.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "vzpkg/template_parse.h"
#include "vzpkg/template_repository.h"

/* ---- notes ------------------------------------------------------------------------------------------------ */

/* Longer ones are of no use to who reads them. */
enum { SHOWN_MAX = 300 };

static char *shown(const char *text)
{
	autofree char *start = xstrndup(text, SHOWN_MAX);
	char *clean = text_clean(start);
	for (char *c = clean; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	return clean;
}

static void note(struct reader *reader, bool taken, const char *file, unsigned line,
		 const char *why, const char *what)
{
	struct import *import = reader->import;

	import->notes = xgrow(import->notes, import->note_count, &import->note_capacity,
			      sizeof(*import->notes));
	import->notes[import->note_count++] = (struct import_note){
		.file = shown(file),
		.line = line,
		.taken = taken,
		.what = shown(what),
		.why = why ? shown(why) : NULL,
	};
}

void note_taken(struct reader *reader, const char *file, unsigned line, const char *why,
		const char *what, ...)
{
	va_list args;
	va_start(args, what);
	autofree char *text = xvasprintf(what, args);
	va_end(args);
	note(reader, true, file, line, why, text);
}

void note_left(struct reader *reader, const char *file, unsigned line, const char *why,
	       const char *what, ...)
{
	va_list args;
	va_start(args, what);
	autofree char *text = xvasprintf(what, args);
	va_end(args);
	note(reader, false, file, line, why, text);
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

bool has_file(const struct reader *reader, const char *path)
{
	for (size_t i = 0; i < reader->import->file_count; i++)
		if (strcmp(reader->import->files[i].path, path) == 0)
			return true;
	return false;
}

void add_file(struct reader *reader, const char *path, mode_t mode, const void *text, size_t size)
{
	struct import *import = reader->import;

	if (has_file(reader, path))
		return;
	import->files = xgrow(import->files, import->file_count, &import->file_capacity,
			      sizeof(*import->files));
	import->files[import->file_count++] = (struct import_file){
		.path = xstrdup(path),
		.mode = mode,
		.text = xmemdup(text, size),
		.size = size,
	};
}

bool read_source(struct reader *reader, const char *file, size_t limit, struct strbuf *text)
{
	autofree char *why = NULL;
	bool read = source_read(&reader->source, file, limit, text, &why);
	if (why)
		note_left(reader, file, 0, why, "the file");
	return read;
}

bool read_text(struct reader *reader, const char *file, struct strbuf *text)
{
	if (!read_source(reader, file, SOURCE_TEXT_LIMIT, text))
		return false;
	if (!memchr(text->text, '\0', text->length))
		return true;
	note_left(reader, file, 0, "it is not text", "the file");
	return false;
}

bool is_plain_name(const char *name)
{
	if (!isalnum((unsigned char)*name) || strlen(name) > 100)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("-._+", *name))
			return false;
	return true;
}

/* ---- what the loader of templates would say ---------------------------------------------------------------------- */

static void keep_first(bool is_error, const char *file, unsigned line, const char *text, void *data)
{
	char **first = data;
	(void)is_error;
	(void)file;
	(void)line;
	if (!*first)
		*first = xstrdup(text);
}

static char *mistake_of(const struct reader *reader, config_take *take, const char *line)
{
	AUTO(template_freep) struct template *scratch = xcalloc(1, sizeof(*scratch));
	struct template_source source = { .variables = reader->request->variables };
	struct metadata_line one = { .text = (char *)line, .number = 1 };
	struct metadata_file file = { .path = (char *)"", .lines = &one, .count = 1 };
	char *first = NULL;
	struct loader loader = {
		.source = &source,
		.template = scratch,
		.found = keep_first,
		.found_data = &first,
	};

	scratch->format = reader->import->format;
	scratch->arch_word = "x86_64";
	scratch->name.release = xstrdup(reader->import->release);
	take(&loader, &file);
	return first;
}

char *package_mistake(const struct reader *reader, const char *line)
{
	return mistake_of(reader, take_packages, line);
}

char *repository_mistake(const struct reader *reader, const char *line)
{
	return mistake_of(reader, take_repositories, line);
}

char *mirrorlist_mistake(const struct reader *reader, const char *line)
{
	return mistake_of(reader, take_mirrorlist, line);
}
