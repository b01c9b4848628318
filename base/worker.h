/*
 * Fan-out by forked processes: n tasks, at most `jobs` at a time. librpm's state is process-wide and
 * a clone in a threaded process is a trap, so work in parallel is done by children.
 *
 * Each child runs one task, or several one after the other, writes their results as bytes, and reports failure as an error
 * value that arrives in the parent whole. The first failure stops the rest (they are killed and
 * reaped) unless the job says otherwise, and so does a signal to the parent; a child dies when its parent does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

struct worker_job {
	const char *name; /* for messages: "unpacking" */
	unsigned jobs; /* children at a time; at least 1 */
	size_t count; /* tasks, numbered from 0, started in this order */

	/* In the child: appends its result to `result`. */
	int (*task)(size_t index, void *data, struct strbuf *result, struct error *err);

	/* In the parent, as tasks end, in any order; may be NULL. */
	int (*done)(size_t index, void *data, const char *result, size_t size, struct error *err);

	void *data;

	/* A child does several tasks, and fewer towards the end: starting one takes milliseconds. Not together with what
	 * is below, which is about single ones. */
	bool batches;
	/* With that: how long a task takes, compared with others; NULL: all the same. */
	uint64_t (*weight)(size_t index, void *data);

	/* For tasks that do not depend on each other. All may be NULL. */

	/* In the parent, when a task has failed: the rest goes on if it returns 0. */
	int (*failed)(size_t index, void *data, const struct error *why, struct error *err);
	/* In the parent, when a task begins. */
	void (*started)(size_t index, void *data);
	/* How many may be at work now, `jobs` at most: asked before each start, and a few times a second while that many
	 * are. 0 when none is at work is the end. */
	unsigned (*allowed)(void *data);
	/* A few times a second, for as long as there are some at work. */
	void (*waiting)(void *data);
	/* After a signal no more are started, and those at work, which do not hear of it, go on to their end; a second
	 * signal ends them. Either is ERROR_INTERRUPTED. */
	bool finish_started;
	/* After a signal no more are started, and those at work get it, too, with handlers of their own (base/interrupt.h): they
	 * take back what they have begun. A second signal kills them. Either is ERROR_INTERRUPTED. */
	bool pass_signals;
	/* In the parent: what a task prints on its standard output or error (`fd`), as it comes. NULL: it has the parent's. */
	int (*printed)(size_t index, void *data, int fd, const char *bytes, size_t size,
		       struct error *err);
};

/* CPUs that this process may use. */
unsigned cpu_count(void);

int workers_run(const struct worker_job *job, struct error *err);

/*
 * The same, while the caller does something else: the first tasks are started, and workers_end() starts the others and waits for all
 * of them. `job` is copied; its data has to last. workers_stop() kills those that are left; both set *workers to NULL, which
 * either takes for no tasks at all.
 */
struct workers;

int workers_begin(const struct worker_job *job, struct workers **ret, struct error *err);
int workers_end(struct workers **workers, struct error *err);
void workers_stop(struct workers **workers);
