/*
 * A command that does the same to several templates, several at a time: each by a run of this program, with its own signals, locks and
 * limits. One that fails does not stop the others.
 */
#pragma once

#include "vzpkg/app.h"
#include "vzpkg/cmd/command.h"

struct side_by_side {
	struct app *app;
	const struct strvec *names; /* of templates */
	const struct strvec *words; /* the command and its options */
	unsigned jobs; /* runs at a time */
	const char *phase; /* "refreshing templates" */
	void (*print)(const json_t *row, struct strbuf *text); /* what a run gave, for people */
	/* Of each, in the order of the names; `row` is NULL if it failed. May be NULL. */
	void (*ended)(const char *name, const json_t *row, const struct error *why);
};

/* As many as the host has CPUs, and no more than one for each GiB of memory that is free. */
unsigned side_by_side_jobs(void);

/*
 * Fills in the result: "templates" is an array of the runs' own, in the order of the names. Their warnings and errors are those of this
 * program too. ERROR_PARTIAL if some fail. At ERROR_INTERRUPTED the runs have been told to end, and take away themselves what they have
 * made.
 */
int side_by_side_run(const struct side_by_side *job, struct command_result *ret, struct error *err);
