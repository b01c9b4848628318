/*
 * What the runtime and PID 1 of a VE (init/vzinit.c) say to each other: packets on a SOCK_SEQPACKET
 * pair whose inner end is descriptor 3 of PID 1. PID 1 says READY once; then each request is answered
 * by one reply. End of file means that the runtime is gone, and PID 1 ends, and with it the VE.
 *
 * Replies come from inside a VE, which may be hostile: the runtime believes nothing but their form.
 */
#pragma once

#include <stdint.h>

enum { VZINIT_SOCKET = 3 };

enum vzinit_flags {
	VZINIT_INPUT = 1, /* standard input comes with the request; else /dev/null */
	VZINIT_SCRIPT = 2, /* a script comes with the request, to be run in place of argv[0] */
};

/*
 * With it come descriptors, in this order: the strings, the output, the input and the script if
 * flagged. The strings are NUL-terminated one after the other: working directory, arguments,
 * environment.
 */
struct vzinit_request {
	uint32_t flags;
	uint32_t size; /* of the strings, in bytes */
	uint32_t argc;
	uint32_t envc;
};

enum { VZINIT_STRINGS_MAX = 8 << 20, VZINIT_FDS_MAX = 4 };

enum vzinit_kind {
	VZINIT_READY = 1,
	VZINIT_ENDED, /* value: status as of waitpid(2) */
	VZINIT_FAILED, /* value: errno; step: what failed */
	VZINIT_LISTENER, /* before PID 1 is executed: the filter's listener comes with it */
	VZINIT_SETUP_FAILED, /* before PID 1 is executed: an error as of wire.h follows */
};

enum vzinit_step {
	VZINIT_STEP_REQUEST, /* reading the request */
	VZINIT_STEP_SCRIPT, /* storing the script */
	VZINIT_STEP_FORK,
	VZINIT_STEP_STDIO,
	VZINIT_STEP_ROOT,
	VZINIT_STEP_CWD,
	VZINIT_STEP_EXEC,
	VZINIT_STEPS
};

struct vzinit_reply {
	uint32_t kind;
	uint32_t step;
	int32_t value;
};
