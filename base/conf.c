#include "base/conf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

enum { CONF_LIMIT = 1 << 20, QUOTE_MAX = 200 };

/* A value as it is read: `at` walks over the text of one line, which ends at `end`. */
struct reader {
	const char *at, *end;
	const char *start; /* of the line */
	const char *name; /* of the file */
	unsigned line;
	struct strbuf *value;
};

static int mistake(const struct reader *reader, const char *what, struct error *err)
{
	size_t length = (size_t)(reader->end - reader->start);
	error_set(err, ERROR_PARSE, "%s:%u: %s: %.*s", reader->name, reader->line, what,
		  (int)(length < QUOTE_MAX ? length : QUOTE_MAX), reader->start);
	return error_subject(err, "%s:%u", reader->name, reader->line);
}

static bool is_key_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static void skip_blanks(struct reader *reader)
{
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t'))
		reader->at++;
}

static int read_quoted(struct reader *reader, struct error *err)
{
	char quote = *reader->at++;
	for (; reader->at < reader->end; reader->at++) {
		char c = *reader->at;
		if (c == quote) {
			reader->at++;
			return 0;
		}
		if (c == '\\' && quote == '"' && reader->at + 1 < reader->end)
			c = *++reader->at;
		strbuf_addc(reader->value, c);
	}
	return mistake(reader, "a quote is not closed", err);
}

static int read_value(struct reader *reader, struct error *err)
{
	const char *begin = reader->at;
	skip_blanks(reader);
	/* As in a shell, "#" begins a comment only after a blank: http://x/#y is a whole word. */
	if (reader->at > begin && reader->at < reader->end && *reader->at == '#')
		return 0;
	while (reader->at < reader->end && !strchr(" \t", *reader->at)) {
		char c = *reader->at;
		if (c == '"' || c == '\'') {
			if (read_quoted(reader, err) < 0)
				return -1;
			continue;
		}
		strbuf_addc(reader->value, c);
		reader->at++;
	}
	skip_blanks(reader);
	if (reader->at < reader->end && *reader->at != '#')
		return mistake(reader, "there is more after the value; put it in quotes", err);
	return 0;
}

static void put(struct conf *conf, const char *key, size_t key_length, const char *value,
		unsigned line)
{
	for (size_t i = 0; i < conf->count; i++) {
		struct conf_entry *entry = &conf->entries[i];
		if (strlen(entry->key) == key_length && memcmp(entry->key, key, key_length) == 0) {
			char *old = entry->value;
			entry->value = xstrdup(value);
			entry->line = line;
			free(old);
			return;
		}
	}
	conf->entries = xgrow(conf->entries, conf->count, &conf->capacity, sizeof(*conf->entries));
	conf->entries[conf->count++] = (struct conf_entry){
		.key = xstrndup(key, key_length),
		.value = xstrdup(value),
		.line = line,
	};
}

static int parse_line(struct conf *conf, struct reader *reader, struct error *err)
{
	skip_blanks(reader);
	if (reader->at == reader->end || *reader->at == '#')
		return 0;

	const char *key = reader->at;
	while (reader->at < reader->end && is_key_char(*reader->at))
		reader->at++;
	size_t length = (size_t)(reader->at - key);
	if (!length || isdigit((unsigned char)*key) || reader->at == reader->end ||
	    *reader->at != '=')
		return mistake(reader, "this is not of the form KEY=\"value\"", err);
	reader->at++;
	strbuf_truncate(reader->value, 0);
	if (read_value(reader, err) < 0)
		return -1;
	put(conf, key, length, reader->value->text, reader->line);
	return 0;
}

/* The next line, without its end; false if there is none. */
static bool next_line(struct reader *reader, const char **at, const char *end)
{
	if (*at >= end)
		return false;
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));
	reader->at = reader->start = *at;
	reader->end = newline ?: end;
	reader->line++;
	*at = reader->end + 1;
	return true;
}

static int take_line(struct conf *conf, struct reader *reader, struct error *err)
{
	if (memchr(reader->at, '\0', (size_t)(reader->end - reader->at)))
		return mistake(reader, "the line holds a NUL byte", err);
	if (reader->end > reader->at && reader->end[-1] == '\r')
		reader->end--;
	return parse_line(conf, reader, err);
}

int conf_parse(struct conf *conf, const char *name, const char *text, size_t length,
	       struct error *err)
{
	AUTO(strbuf_release) struct strbuf value = STRBUF_INIT;
	struct reader reader = { .name = name, .value = &value };
	const char *at = text;

	while (next_line(&reader, &at, text + length))
		if (take_line(conf, &reader, err) < 0)
			return -1;
	return 0;
}

void conf_parse_all(struct conf *conf, const char *name, const char *text, size_t length,
		    void (*mistaken)(unsigned line, const struct error *why, void *data),
		    void *data)
{
	AUTO(strbuf_release) struct strbuf value = STRBUF_INIT;
	struct reader reader = { .name = name, .value = &value };
	const char *at = text;

	while (next_line(&reader, &at, text + length)) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		if (take_line(conf, &reader, &why) < 0)
			mistaken(reader.line, &why, data);
	}
}

int conf_read(struct conf *conf, int dirfd, const char *path, bool optional, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (file_read(dirfd, path, CONF_LIMIT, &text, &why) < 0) {
		if (optional && why.kind == ERROR_NO_FILE)
			return 0;
		error_move(err, &why);
		return -1;
	}
	free(conf->path);
	conf->path = xstrdup(path);
	return conf_parse(conf, path, text.text, text.length, err);
}

const char *conf_get(const struct conf *conf, const char *key)
{
	for (size_t i = 0; i < conf->count; i++)
		if (strcmp(conf->entries[i].key, key) == 0)
			return conf->entries[i].value;
	return NULL;
}

const char *conf_get_default(const struct conf *conf, const char *key, const char *otherwise)
{
	return conf_get(conf, key) ?: otherwise;
}

void conf_set(struct conf *conf, const char *key, const char *value)
{
	put(conf, key, strlen(key), value, 0);
}

void conf_release(struct conf *conf)
{
	for (size_t i = 0; i < conf->count; i++) {
		free(conf->entries[i].key);
		free(conf->entries[i].value);
	}
	free(conf->entries);
	free(conf->path);
	*conf = CONF_INIT;
}
