/*
 * Files that both kinds of trees have in much the same form: lists of packages, texts, scripts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "vzpkg/import/reader.h"

/* ---- lists of packages -------------------------------------------------------------------------------------- */

struct list {
	struct reader *reader;
	const char *file;
	unsigned line;
	struct strvec wanted, excluded;
	struct strbuf text;
};

static void list_release(struct list *list)
{
	strvec_release(&list->wanted);
	strvec_release(&list->excluded);
	strbuf_release(&list->text);
}

/* Packages of OpenVZ and Virtuozzo, which no distribution has. */
static const struct {
	const char *begins, *why;
} own_packages[] = {
	{ "dummy-", "it stood for packages that a VE does without; here they are not asked for" },
	{ "vzdummy-", "it stood for packages that a VE does without; here they are not asked for" },
	{ "vz-dummy-",
	  "it stood for packages that a VE does without; here they are not asked for" },
	{ "ct-preset-", "it set up Virtuozzo's VEs; what is wanted of it goes into post-install" },
	{ "vz-preset-", "it set up Virtuozzo's VEs; what is wanted of it goes into post-install" },
	{ "vzdev", "it made device nodes; a VE's /dev is there when it starts" },
};

static const char *own_package(const char *name)
{
	for (size_t i = 0; i < sizeof(own_packages) / sizeof(own_packages[0]); i++) {
		size_t length = strlen(own_packages[i].begins);
		bool whole = own_packages[i].begins[length - 1] != '-';
		if (strncmp(name, own_packages[i].begins, length) == 0 && (!whole || !name[length]))
			return own_packages[i].why;
	}
	return NULL;
}

static void add_package(struct list *list, const char *name, bool exclude)
{
	struct reader *reader = list->reader;
	struct strvec *same = exclude ? &list->excluded : &list->wanted;
	struct strvec *other = exclude ? &list->wanted : &list->excluded;
	autofree char *line = xasprintf("%s%s", exclude ? "-" : "", name);
	autofree char *mistake = package_mistake(reader, name);
	const char *why = exclude ? NULL : own_package(name);

	if (why)
		note_left(reader, list->file, list->line, why, "%s", name);
	else if (mistake)
		note_left(reader, list->file, list->line, mistake, "%s", line);
	else if (!exclude && strvec_contains(&reader->excluded, name))
		note_left(reader, list->file, list->line, "exclude= of yum.conf keeps it out", "%s",
			  name);
	else if (strvec_contains(other, name))
		note_left(reader, list->file, list->line, "it is both wanted and excluded", "%s",
			  line);
	else if (strvec_contains(same, name))
		note_left(reader, list->file, list->line, "it is named twice", "%s", line);
	else {
		strvec_push(same, name);
		strbuf_addf(&list->text, "%s\n", line);
	}
}

static void read_package(struct list *list, char *line, bool old)
{
	size_t length = strlen(line);

	for (char *hash = strchr(line, '#'); hash; hash = strchr(hash + 1, '#'))
		if (hash > line && (hash[-1] == ' ' || hash[-1] == '\t')) {
			length = (size_t)(hash - line);
			break;
		}
	while (length && (line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	line[length] = '\0';
	bool minus = *line == '-';
	bool behind = !minus && old && length > 1 && line[length - 1] == '-';
	if (behind)
		line[length - 1] = '\0';
	add_package(list, line + minus, minus || behind);
}

/* yum's exclude= was for all sets. */
static void exclude_all(struct list *list)
{
	const struct strvec *names = &list->reader->excluded;
	for (size_t i = 0; i < names->count; i++)
		if (!strvec_contains(&list->excluded, names->items[i]))
			strbuf_addf(&list->text, "-%s\n", names->items[i]);
}

bool take_list(struct reader *reader, const char *file, const char *path, bool old)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(list_release)
	struct list list = { .reader = reader, .file = file, .text = STRBUF_INIT };
	char *line;

	if (!read_text(reader, file, &text))
		return false;
	for (struct source_lines lines = source_lines(&text); source_line(&lines, &line);) {
		list.line = lines.number;
		if (line)
			read_package(&list, line, old);
		else
			note_left(reader, file, lines.number, "it is not text", "a line");
		free(line);
	}
	if (!list.wanted.count) {
		note_left(reader, file, 0, "no package is left in it", "the list");
		return false;
	}
	exclude_all(&list);
	add_file(reader, path, 0644, list.text.text, list.text.length);
	note_taken(reader, file, 0, NULL, "%s: %zu package%s", path, list.wanted.count,
		   list.wanted.count == 1 ? "" : "s");
	return true;
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

void addresses_release(struct addresses *addresses)
{
	strbuf_release(&addresses->repositories);
	strbuf_release(&addresses->mirrorlist);
	strbuf_release(&addresses->guest);
}

static void add_lines(struct reader *reader, const char *prefix, const char *name,
		      const struct strbuf *lines)
{
	autofree char *path = xasprintf("%s%s", prefix, name);
	if (lines->length)
		add_file(reader, path, 0644, lines->text, lines->length);
}

void add_addresses(struct reader *reader, const struct addresses *addresses, const char *prefix)
{
	add_lines(reader, prefix, "repositories", &addresses->repositories);
	add_lines(reader, prefix, "mirrorlist", &addresses->mirrorlist);
	/* What the guest's own package manager is pointed at is the OS template's affair. */
	if (strncmp(prefix, "app/", 4) != 0)
		add_lines(reader, prefix, "guest-repositories", &addresses->guest);
}

/* ---- texts ------------------------------------------------------------------------------------------------------ */

bool take_text_file(struct reader *reader, const char *file, const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	char *line;

	if (!read_text(reader, file, &text))
		return false;
	for (struct source_lines lines = source_lines(&text); source_line(&lines, &line);) {
		if (line)
			strbuf_addf(&out, "%s\n", line);
		else
			note_left(reader, file, lines.number, "it is not text", "a line");
		free(line);
	}
	if (!out.length)
		return false;
	add_file(reader, path, 0644, out.text, out.length);
	note_taken(reader, file, 0, NULL, "%s", path);
	return true;
}

bool take_environment_file(struct reader *reader, const char *file)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	char *line;

	if (!read_text(reader, file, &text))
		return false;
	for (struct source_lines lines = source_lines(&text); source_line(&lines, &line);) {
		AUTO(conf_release) struct conf conf = CONF_INIT;
		if (line && conf_parse(&conf, file, line, strlen(line), NULL) == 0)
			strbuf_addf(&out, "%s\n", line);
		else
			note_left(reader, file, lines.number, "it is not KEY=value", "%s",
				  line ?: "a line");
		free(line);
	}
	if (!out.length)
		return false;
	add_file(reader, "environment", 0644, out.text, out.length);
	note_taken(reader, file, 0, NULL, "environment");
	return true;
}

bool take_script(struct reader *reader, const char *file, const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (!read_source(reader, file, SOURCE_FILE_LIMIT, &text))
		return false;
	const char *why = NULL;
	if (strncmp(text.text, "#!", 2) != 0)
		why = "it does not begin with \"#!\"";
	else if (memchr(text.text, '\r', strcspn(text.text, "\n")))
		why = "its lines end in CR LF";
	if (why) {
		note_left(reader, file, 0, why, "the script");
		return false;
	}
	add_file(reader, path, 0755, text.text, text.length);
	note_taken(reader, file, 0,
		   "as it is, to be run in the VE; it gets no arguments: look whether it fits",
		   "%s", path);
	return true;
}
