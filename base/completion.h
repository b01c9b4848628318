/*
 * Completion scripts for shells, from the tables by which a program parses its command line: bash (complete in bash(1)),
 * zsh (zshcompsys(1)), fish (complete(1)).
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/option.h"
#include "base/strbuf.h"

/* What an operand is; one of several if they are added up. */
enum completion_words {
	COMPLETE_NOTHING = 0,
	COMPLETE_FILES = 1,
	COMPLETE_TEMPLATES = 2, /* as "vzpkg list -O" prints them */
	COMPLETE_VES = 4, /* numbers and names, as vzlist does */
	COMPLETE_SEVERAL = 8, /* … with commas between them */
};

struct completion_command {
	const char *name, *summary;
	const struct option_row *options; /* may be NULL */
	unsigned operands; /* COMPLETE_… */
};

struct completion {
	const char *program;
	const struct option_row *common;
	const struct completion_command *commands; /* none: `operands` are the program's own */
	size_t count;
	unsigned operands;
};

/* Appends the script. ERROR_USAGE for another shell. What an option's argument is follows from its name in the table: FILE, DIR,
 * TEMPLATE, VE, "VE,…" (several) or CTID; rows without a help text are left out. */
int completion_script(const struct completion *completion, const char *shell, struct strbuf *ret,
		      struct error *err);
