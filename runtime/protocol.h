/*
 * What the runtime and PID 1 of a VE (init/vzinit.c) say to each other: packets on a SOCK_SEQPACKET
 * pair whose inner end is descriptor 3 of PID 1. PID 1 says READY once; then each request is answered
 * by one reply. End of file means that the runtime is gone, and PID 1 ends, and with it the VE. A visitor of
 * a VE that has an init of its own ("vzinit visit") does the same, but for READY, and ends itself and what it runs.
 *
 * Replies come from inside a VE, which may be hostile: the runtime believes nothing but their form.
 */
#pragma once

#include <stdint.h>

enum { VZINIT_SOCKET = 3 };

enum vzinit_flags {
	VZINIT_INPUT = 1, /* standard input comes with the request; else /dev/null */
	/* A script comes with the request, to be run in place of argv[0]. To a visitor it comes as a file in memory that cannot be
	 * changed, open for reading, and is run as that. */
	VZINIT_SCRIPT = 2,
	VZINIT_LOCK = 4, /* nothing is run: the file argv[0] is to be locked, and no output comes */
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
	VZINIT_LOCKED,
	VZINIT_BUSY, /* it is locked by process `value`, `name` */
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
	VZINIT_STEP_LOCK,
	VZINIT_STEPS
};

struct vzinit_reply {
	uint32_t kind;
	uint32_t step;
	int32_t value;
	char name[16]; /* VZINIT_BUSY */
};
