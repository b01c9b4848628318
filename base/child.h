/* Another program, run to its end: what it prints, and how it ends. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"

struct child_run {
	const char *const *argv; /* argv[0] is the path of the program */
	unsigned limit_s; /* 0: none. What has not ended by then gets SIGTERM, and later SIGKILL */
	bool undisturbed; /* signals to us are none to it: what is to be tidied up is tidied up */
	bool whole_group; /* it gets a process group of its own, and what it has started gets its signals */
	void (*prepare)(void *data); /* in the child, before it becomes the program; may be NULL */
	void *data;
	size_t output_max; /* bytes of each of its outputs that are kept; 0: 1 MiB. The rest is dropped */
};

/*
 * Runs it with /dev/null as its input, appends its outputs (either may be NULL: dropped), and sets *status to its exit status,
 * or 128 + signal. It dies with us (SIGTERM).
 *
 * ERROR_EXEC if it cannot be started; ERROR_TIME_LIMIT; ERROR_INTERRUPTED when we get SIGINT, SIGTERM or SIGHUP, which is
 * passed on before. It has ended in any case.
 */
int child_run(const struct child_run *run, struct strbuf *output, struct strbuf *errors,
	      int *status, struct error *err);
