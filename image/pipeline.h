/*
 * Work on pieces in parallel, results in order: threads produce pieces 0…count-1 in any order, the
 * caller's thread consumes them in order. At most two pieces more than threads are in memory.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Two buffers that a producer fills; they are emptied and used again for a later piece. */
struct piece {
	struct strbuf tar, gzip;
};

struct pipeline {
	size_t count;
	unsigned threads; /* at least 1 */
	size_t room; /* bytes of a buffer that will do for most pieces */

	/* In each thread, before and after its pieces: its own state, or NULL on failure. */
	void *(*begin)(void *data, struct error *err);
	void (*end)(void *state);

	/* In a thread. */
	int (*produce)(void *state, void *data, size_t index, struct piece *piece,
		       struct error *err);

	/* In the caller's thread, in order. */
	int (*consume)(void *data, size_t index, const struct piece *piece, struct error *err);

	void *data;
};

/* The first failure, also a signal to the process, stops all. */
int pipeline_run(const struct pipeline *pipeline, struct error *err);
