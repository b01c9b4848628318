/*
 * What a refresh that nobody watches leaves behind: one at a time, a metrics file, a ping to a monitoring service. Settings of
 * vzpkg.conf stand for options that are not given: METRICS_FILE, HEALTHCHECK_URL.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/metrics.h"
#include "base/strbuf.h"
#include "vzpkg/app.h"

struct refresh_report {
	struct app *app;
	bool all; /* for the caller to set: what has no cache is forgotten */
	const char *metrics_file, *healthcheck; /* NULL: none; borrowed */
	struct metrics metrics;
	struct strbuf failures; /* a line each */
	struct lock lock;
	int lock_dir;
};

#define REFRESH_REPORT_INIT                                \
	((struct refresh_report){ .metrics = METRICS_INIT, \
				  .failures = STRBUF_INIT, \
				  .lock = LOCK_INIT,       \
				  .lock_dir = -1 })

/* Options, or NULL. Says to the monitoring service that it begins. */
int refresh_report_begin(struct refresh_report *report, struct app *app, const char *metrics_file,
			 const char *healthcheck, struct error *err);

/* Before refreshing all: ERROR_LOCKED, at once, if another run does that. */
int refresh_report_alone(struct refresh_report *report, const struct app *app, struct error *err);

/* What became of a template; `err` is NULL for a success. */
struct refresh_outcome {
	const char *template;
	double seconds;
	uint64_t changed; /* packages */
	const struct error *err;
};

/* The number of packages and the size are those of the cache as it is now. */
void refresh_report_template(struct refresh_report *report, const struct refresh_outcome *outcome);

/* Of all; `err` is that of the command, or NULL. What cannot be written or sent is a warning: the refresh itself is done. */
void refresh_report_end(struct refresh_report *report, const struct error *err);
void refresh_report_release(struct refresh_report *report);
