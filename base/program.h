/* What the main files of our programs have in common. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/report.h"

/* From kinds of errors to exit statuses; ends with an entry of kind ERROR_NONE. */
struct exit_code {
	enum error_kind kind;
	int code;
	const char *meaning; /* one line, as in the man page */
};

/* The first of that kind; that of ERROR_SYSTEM for a kind that is not in the table. */
int exit_code_find(const struct exit_code *table, enum error_kind kind);

/* Standard descriptors that are open, a locale, a umask, and handlers of signals. */
void program_begin(void);

/* Options that every program has. */
struct program_options {
	bool json, quiet, verbose;
	const char *progress_fd; /* a number as text, or NULL: VZ_PROGRESS_FD */
};

/* A report as the options and the terminal want it. `command` may be NULL. */
struct report *program_report(const char *program, const char *command,
			      const struct program_options *options);
