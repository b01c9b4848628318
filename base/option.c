#include "base/option.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"

enum { NEAREST_WORD_MAX = 40, NAMES_MAX = 160 };

struct parser {
	const struct option_row *tables[2];
	char **argv;
	int argc, at; /* the next argument to be looked at */
};

static const struct option_row *find_name(const struct parser *parser, const char *name,
					  size_t length)
{
	for (size_t t = 0; t < 2; t++)
		for (const struct option_row *row = parser->tables[t]; row && row->name; row++)
			if (strlen(row->name) == length && memcmp(row->name, name, length) == 0)
				return row;
	return NULL;
}

static const struct option_row *find_letter(const struct parser *parser, char letter)
{
	for (size_t t = 0; t < 2; t++)
		for (const struct option_row *row = parser->tables[t]; row && row->name; row++)
			if (row->letter == letter)
				return row;
	return NULL;
}

static int set_number(const struct option_row *row, const char *value, struct error *err)
{
	char *end;
	errno = 0;
	unsigned long number = strtoul(value, &end, 10);
	if (errno || *end || !isdigit((unsigned char)*value) || number > UINT_MAX)
		return error_set(err, ERROR_USAGE, "--%s takes a number and not \"%s\"", row->name,
				 value);
	*(unsigned *)row->target = (unsigned)number;
	return 0;
}

static const char *take_secret(const char *value)
{
	const char *copy = xstrdup(value);
	memset((char *)(uintptr_t)value, '*', strlen(value));
	return copy;
}

static int set(const struct option_row *row, const char *value, struct error *err)
{
	switch (row->type) {
	case OPTION_FLAG:
		*(bool *)row->target = true;
		return 0;
	case OPTION_STRING:
		*(const char **)row->target = value;
		return 0;
	case OPTION_NUMBER:
		return set_number(row, value, err);
	case OPTION_SECRET:
		*(const char **)row->target = take_secret(value);
		return 0;
	case OPTION_LIST:
		strvec_push(row->target, value);
		return 0;
	}
	return 0;
}

static int unknown(const struct parser *parser, const char *name, size_t length, struct error *err)
{
	const char *names[NAMES_MAX + 1] = { NULL };
	size_t count = 0;
	autofree char *word = xstrndup(name, length);

	for (size_t t = 0; t < 2; t++)
		for (const struct option_row *row = parser->tables[t]; row && row->name; row++)
			if (row->help && count < NAMES_MAX)
				names[count++] = row->name;
	const char *near = nearest_word(word, names);
	error_set(err, ERROR_USAGE, "unknown option --%s", word);
	if (near)
		return error_hint(err, "did you mean --%s?", near);
	return error_hint(err, "--help lists the options");
}

static int missing_value(const struct option_row *row, struct error *err)
{
	error_set(err, ERROR_USAGE, "--%s needs a value", row->name);
	return error_hint(err, "write --%s=%s", row->name, row->argument ?: "VALUE");
}

static int parse_long(struct parser *parser, const char *text, struct error *err)
{
	const char *equals = strchr(text, '=');
	size_t length = equals ? (size_t)(equals - text) : strlen(text);
	const struct option_row *row = find_name(parser, text, length);

	if (!row)
		return unknown(parser, text, length, err);
	if (row->type == OPTION_FLAG) {
		if (equals)
			return error_set(err, ERROR_USAGE, "--%s takes no value", row->name);
		return set(row, NULL, err);
	}
	if (equals)
		return set(row, equals + 1, err);
	if (parser->at >= parser->argc)
		return missing_value(row, err);
	return set(row, parser->argv[parser->at++], err);
}

/* "-qf", "-p NAME", "-pNAME" */
static int parse_letters(struct parser *parser, const char *letters, struct error *err)
{
	for (; *letters; letters++) {
		const struct option_row *row = find_letter(parser, *letters);
		if (!row) {
			error_set(err, ERROR_USAGE, "unknown option -%c", *letters);
			return error_hint(err, "--help lists the options");
		}
		if (row->type == OPTION_FLAG) {
			if (set(row, NULL, err) < 0)
				return -1;
			continue;
		}
		if (letters[1])
			return set(row, letters + 1, err);
		if (parser->at >= parser->argc)
			return missing_value(row, err);
		return set(row, parser->argv[parser->at++], err);
	}
	return 0;
}

int options_parse(const struct option_row *table, const struct option_row *common, int argc,
		  char **argv, struct strvec *operands, struct error *err)
{
	struct parser parser = { .tables = { table, common }, .argv = argv, .argc = argc };
	bool only_operands = false;

	while (parser.at < argc) {
		const char *word = argv[parser.at++];
		int ret = 0;
		if (only_operands || word[0] != '-' || !word[1])
			strvec_push(operands, word);
		else if (strcmp(word, "--") == 0)
			only_operands = true;
		else if (word[1] == '-')
			ret = parse_long(&parser, word + 2, err);
		else
			ret = parse_letters(&parser, word + 1, err);
		if (ret < 0)
			return -1;
	}
	return 0;
}

/* Whether the word after this option is its value. */
static bool wants_next(const struct parser *parser, const char *word)
{
	const struct option_row *row = NULL;

	if (word[1] == '-') {
		row = strchr(word, '=') ? NULL : find_name(parser, word + 2, strlen(word + 2));
		return row && row->type != OPTION_FLAG;
	}
	for (word++; *word; word++) {
		row = find_letter(parser, *word);
		if (row && row->type != OPTION_FLAG)
			return !word[1];
	}
	return false;
}

int options_skip(const struct option_row *table, const struct option_row *common, int argc,
		 char **argv, int at)
{
	const struct parser parser = { .tables = { table, common } };

	while (at < argc && argv[at][0] == '-' && argv[at][1])
		at += wants_next(&parser, argv[at]) ? 2 : 1;
	return at < argc ? at : argc;
}

static void option_text(const struct option_row *row, struct strbuf *text)
{
	if (row->letter)
		strbuf_addf(text, "-%c, ", row->letter);
	else
		strbuf_adds(text, "    ");
	strbuf_addf(text, "--%s", row->name);
	if (row->argument)
		strbuf_addf(text, " %s", row->argument);
}

void options_help(const struct option_row *table, struct strbuf *text)
{
	size_t width = 0;

	for (const struct option_row *row = table; row->name; row++) {
		AUTO(strbuf_release) struct strbuf option = STRBUF_INIT;
		option_text(row, &option);
		if (row->help && option.length > width)
			width = option.length;
	}
	for (const struct option_row *row = table; row->name; row++) {
		AUTO(strbuf_release) struct strbuf option = STRBUF_INIT;
		option_text(row, &option);
		if (row->help)
			strbuf_addf(text, "  %-*s  %s\n", (int)width, option.text, row->help);
	}
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

/* Edits (a letter more, less, other, or two exchanged) between two words: the optimal string
 * alignment distance. Both are shorter than NEAREST_WORD_MAX. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][NEAREST_WORD_MAX + 1];
	size_t length_a = strlen(a), length_b = strlen(b);
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= length_b; j++)
		last[j] = before[j] = j;
	for (size_t i = 1; i <= length_a; i++) {
		row[0] = i;
		for (size_t j = 1; j <= length_b; j++) {
			size_t other = last[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = min3(last[j] + 1, row[j - 1] + 1, other);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		size_t *oldest = before;
		before = last;
		last = row;
		row = oldest;
	}
	return last[length_b];
}

const char *nearest_word(const char *word, const char *const *names)
{
	const char *best = NULL;
	size_t length = strlen(word);
	size_t best_distance = length / 3 + 2;

	if (length >= NEAREST_WORD_MAX)
		return NULL;
	for (; *names; names++) {
		if (strlen(*names) >= NEAREST_WORD_MAX)
			continue;
		size_t edits = distance(word, *names);
		if (edits < best_distance && edits < strlen(*names)) {
			best_distance = edits;
			best = *names;
		}
	}
	return best;
}
