/* How the init of a VE is asked to end. */
#pragma once

#include <sys/types.h>

struct init_kind {
	const char *name; /* "systemd" */
	int signal; /* 0: none */
	const char *const *command; /* argument vector, run in the VE; NULL: none */
};

/* What the process is, seen from the host: by its program, and else by the signals that it catches; a signal that
 * is not caught does nothing to a PID 1. Never NULL; "unknown" has neither signal nor command. */
const struct init_kind *init_kind_of(pid_t init);
