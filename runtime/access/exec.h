/*
 * Commands in a VE that runs, as its root.
 *
 * Nothing of the host goes in with them: they read and write pipes, or a terminal, of the VE's own, and we
 * carry the bytes; their environment is a new one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "runtime/life/running.h"

enum ve_exec_kind {
	VE_EXEC_SHELL, /* `command` by /bin/sh */
	VE_EXEC_LOGIN, /* root's own shell, as a login shell; `command` if it is not NULL */
	VE_EXEC_SCRIPT, /* `script` by the interpreter that its "#!" names, or else by /bin/sh */
};

struct ve_exec_spec {
	enum ve_exec_kind kind;
	const char *command; /* NULL: the shell reads its commands from the input */
	const void *script; /* bytes; a copy of them is all that is seen of it inside */
	size_t script_size;
	bool terminal; /* a terminal in the VE, which is served by the caller's input and output */

	unsigned limit_ms; /* 0: none; what has not ended by then is killed */

	/* The caller's; borrowed, and not changed but for the modes of a terminal. -1: nothing. */
	int input, output, errors;
};

/*
 * Waits for the end of the command; *status is its exit status, or 128 + signal. ERROR_EXEC: what is to be executed
 * is not in the VE. ERROR_TIME_LIMIT: see limit_ms. ERROR_INTERRUPTED: SIGINT, SIGTERM or SIGHUP came, was passed on, and the command has
 * ended or was killed.
 */
int ve_exec(const struct running *running, const struct ve_exec_spec *spec, int *status,
	    struct error *err);

/*
 * The caller's standard descriptors for a command: on a terminal if input and output are one and it is this job's turn to
 * use it. A job in the background gets no input from it, as it would be stopped.
 */
void ve_exec_standard(struct ve_exec_spec *spec);

/* For one of several at the same time: no terminal, and that input or none. */
void ve_exec_apart(struct ve_exec_spec *spec, int input);
