#include "base/conf_edit.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/file.h"
#include "base/strbuf.h"

enum { CONF_LIMIT = 1 << 20 };

/* Which of the changes this line is about, or `count`. The file has been parsed, so a line that begins
 * with a word and "=" is a setting. */
static size_t find_change(const char *line, size_t length, const struct conf_change *changes,
			  size_t count)
{
	const char *end = line + length;
	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	size_t i = 0;
	for (; i < count; i++) {
		size_t key = strlen(changes[i].key);
		if ((size_t)(end - line) > key && !memcmp(line, changes[i].key, key) &&
		    line[key] == '=')
			break;
	}
	return i;
}

/* Scripts of administrators have a shell read such files, in which "$" and "`" would do something. */
static void add_setting(struct strbuf *text, const struct conf_change *change)
{
	strbuf_addf(text, "%s=\"", change->key);
	for (const char *c = change->value; *c; c++) {
		if (strchr("\"\\$`", *c))
			strbuf_addc(text, '\\');
		strbuf_addc(text, *c);
	}
	strbuf_adds(text, "\"\n");
}

/* Each key stands where it stood last, since the last one counts. */
static void rewrite(const struct strbuf *old, const struct conf_change *changes, size_t count,
		    struct strbuf *text)
{
	const char *end = old->text + old->length;
	for (const char *line = old->text, *next; line < end; line = next) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		next = newline ? newline + 1 : end;
		if (find_change(line, (size_t)(next - line), changes, count) < count)
			continue;
		strbuf_add(text, line, (size_t)(next - line));
		if (!newline)
			strbuf_addc(text, '\n');
	}
	for (size_t i = 0; i < count; i++)
		if (changes[i].value)
			add_setting(text, &changes[i]);
}

static int check_value(const struct conf_change *change, const char *path, struct error *err)
{
	for (const char *c = change->value ?: ""; *c; c++)
		if (iscntrl((unsigned char)*c))
			return error_set(err, ERROR_VALUE,
					 "%s cannot be set in %s: it holds a control character",
					 change->key, path);
	return 0;
}

int conf_edit(int dirfd, const char *path, const struct conf_change *changes, size_t count,
	      struct error *err)
{
	AUTO(strbuf_release) struct strbuf old = STRBUF_INIT, text = STRBUF_INIT;
	AUTO(conf_release) struct conf parsed = CONF_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;
	for (size_t i = 0; i < count; i++)
		if (check_value(&changes[i], path, err) < 0)
			return -1;
	if (file_read(dirfd, path, CONF_LIMIT, &old, &why) < 0 && why.kind != ERROR_NO_FILE) {
		error_move(err, &why);
		return -1;
	}
	if (conf_parse(&parsed, path, old.text, old.length, err) < 0)
		return -1;
	rewrite(&old, changes, count, &text);
	if (text.length == old.length && !memcmp(text.text, old.text, old.length))
		return 0;
	return file_write_atomic(dirfd, path, 0644, text.text, text.length, err);
}
