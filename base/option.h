/*
 * Command line options as rows: type, target, help. The parser, --help, the man page check and the
 * shell completions all read the same rows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strvec.h"

enum option_type {
	OPTION_FLAG, /* bool *: set to true */
	OPTION_STRING, /* const char **: borrowed from argv */
	OPTION_NUMBER, /* unsigned *: decimal */
	OPTION_LIST, /* struct strvec *: each use appends */
	OPTION_SECRET, /* const char **: a copy, never freed; in argv, which ps(1) shows, it is covered */
};

struct option_row {
	const char *name; /* long name without "--"; NULL ends a table */
	char letter; /* short form, or 0 */
	enum option_type type;
	void *target;
	const char *argument; /* its name in the help: "FILE"; NULL for a flag */
	const char *help; /* one line; NULL: accepted, not shown (an old spelling) */
};

/*
 * Parses argv[0..argc), which holds no program name, against up to two tables (`common` may be
 * NULL). Options and operands may be mixed; "--" ends options; "--name=value" and "--name value",
 * grouped letters. Operands are appended to `operands`. An unknown option is ERROR_USAGE and
 * names the nearest one.
 */
int options_parse(const struct option_row *table, const struct option_row *common, int argc,
		  char **argv, struct strvec *operands, struct error *err);

/* The index of the first word from argv[at] on that is neither an option nor the value of one; argc if there is none. */
int options_skip(const struct option_row *table, const struct option_row *common, int argc,
		 char **argv, int at);

/* Appends the rows as aligned help lines to stdout-bound text. */
struct strbuf;
void options_help(const struct option_row *table, struct strbuf *text);

/* The nearest of `names` (NULL-terminated) to a mistyped word, or NULL if none is near. */
const char *nearest_word(const char *word, const char *const *names);
