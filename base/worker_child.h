/* A child of base/worker.c: what it does, and how it says what has become of it. For that file alone. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/worker.h"

/*
 * What it writes to its pipe as a task ends: a header, then on success the result, on failure the three
 * texts of the error, each ended by NUL (subject and hint may be empty). A failure is the last message.
 */
struct worker_message {
	int32_t status; /* 0, or -1 */
	int32_t kind; /* enum error_kind */
	uint64_t size; /* of what follows */
};

enum { WORKER_PRINTED = 2 }; /* standard output, standard error */

struct worker_child {
	size_t first, count; /* tasks */
	int messages; /* where it writes them */
	int printed
		[WORKER_PRINTED]; /* what becomes its standard output and error; -1: the parent's */
};

/* Does all tasks, and ends. `parent` is whom it must not outlive. */
void worker_child_run(const struct worker_job *job, const struct worker_child *child, pid_t parent)
	__attribute__((noreturn));

/* The failure that a message holds; returns -1. The NUL behind `text` ends what a child that has gone mad may have left out. */
int worker_message_error(const struct worker_message *header, const char *text, struct error *err);
