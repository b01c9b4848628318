/*
 * What the program tells people and programs. Everything below the front end emits events here and
 * never prints. One report exists per program run; forked children must not use it.
 *
 *	terminal	one progress line, rewritten: phase, share, bytes, rate, ETA, and perhaps a table below it; messages above it
 *	pipe		a plain line when a phase begins and ends, and every message
 *	--json		nothing but errors while running; one document at the end on stdout
 *	--progress-fd	"percent=N stage=TEXT" lines on the given descriptor, in addition
 *
 * stdout is the result; all messages and progress go to stderr.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/strvec.h"

struct report;

enum report_unit { REPORT_ITEMS, REPORT_BYTES };

struct report_options {
	const char *program; /* for the prefix of messages: "vzpkg" */
	const char *command; /* for the JSON document; may be set later with report_command() */
	FILE *out; /* NULL: stdout */
	FILE *err; /* NULL: stderr */
	bool json;
	bool quiet; /* errors and warnings only */
	bool verbose;
	bool terminal; /* draw the progress line (the caller has asked isatty()) */
	bool color;
	unsigned columns, rows; /* of the terminal; 0: not known */
	/* What they are now, asked before each drawing; NULL: they stay. */
	void (*window)(unsigned *columns, unsigned *rows);
	int progress_fd; /* -1: none */
	uint64_t (*now_ms)(void); /* NULL: CLOCK_MONOTONIC; a test passes its own clock */
};

struct report *report_new(const struct report_options *options);
void report_command(struct report *report, const char *command);

/* From now on as with `quiet`, for what nobody watches. */
void report_be_quiet(struct report *report);

/*
 * A phase ("downloading packages") of `total` units (0: not known). `weight` is its share of the
 * whole in percent for --progress-fd. Phases do not nest; beginning one ends the last.
 */
void report_phase(struct report *report, const char *name, enum report_unit unit, uint64_t total,
		  unsigned weight);
void report_total(struct report *report, uint64_t total); /* the total has become known */
void report_progress(struct report *report, uint64_t done, const char *item); /* item may be NULL */

/* On a terminal, from the next report_progress() until the phase ends: lines below the progress line, in place of those before. Copied. */
void report_table(struct report *report, const struct strvec *lines);
void report_phase_end(struct report *report);

/* Lines for people. info is dropped by --quiet, detail is shown by --verbose only. */
void report_info(struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void report_detail(struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A line of the result on stdout, at once: for results that come one by one. */
void report_output(struct report *report, const char *line);

/* Whole lines of somebody else's, as they are, to stdout or stderr. */
void report_pass(struct report *report, bool errors, const char *bytes, size_t size);

/* Shown always, and kept for the JSON document ("warnings"). subject may be NULL. */
void report_warning(struct report *report, const char *subject, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "vzpkg: MESSAGE" and, on a line of its own, "hint: HINT"; kept for the JSON document. `code` is
 * the exit status that it will cause. */
void report_error(struct report *report, const struct error *err, int code);

/* Milliseconds that each ended phase took: array of {"phase","ms"}. The caller owns it. */
json_t *report_timing(const struct report *report);

/* The same as a table for people, on stderr: what each phase took, its share, and all of them. Nothing with --json. */
void report_timing_print(struct report *report);

/*
 * Ends the run: clears the progress line; with --json prints
 * {"schema":1,"command":…,"result":…,"warnings":[…],"errors":[{code,kind,subject,message,hint}]}.
 * Takes ownership of result (NULL: null). Returns -1 if stdout could not be written.
 */
int report_finish(struct report *report, json_t *result, struct error *err);
void report_free(struct report *report);
void report_freep(struct report **report);
