/*
 * Metrics as a text file for Prometheus (the node exporter's textfile collector; text format 0.0.4): gauges with one
 * label. What the file says of others than those that are set stays, as a run concerns some of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strvec.h"

struct metric {
	const char *name; /* NULL ends a table */
	const char *help; /* one line */
};

struct metrics {
	const struct metric *table; /* borrowed */
	const char *label; /* its name, borrowed */
	struct metrics_row *rows;
	size_t count, capacity;
};

#define METRICS_INIT ((struct metrics){ 0 })

/* Reads what the file says of the metrics in the table. No file, or lines of others: nothing. */
void metrics_load(struct metrics *metrics, const char *path);

/* `metric` is an index into the table. */
void metrics_set(struct metrics *metrics, const char *label, size_t metric, double value);

/* Forgets all but these. */
void metrics_retain(struct metrics *metrics, const struct strvec *labels);

/* Writes it so that readers see the old file or the new one (file_write_atomic()), 0644. */
int metrics_save(const struct metrics *metrics, const char *path, struct error *err);
void metrics_release(struct metrics *metrics);
