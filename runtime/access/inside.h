/* What becomes the command: the way from a process of ours that has just come into the VE to execve(2). */
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

#include "runtime/access/exec.h"
#include "runtime/access/session.h"

/* What it hands out to the host, as one packet of wire.h: a character, so that there is one, and these. */
enum inside_descriptor {
	INSIDE_ERRORS, /* end for reading of its standard error; of no meaning on a terminal that it shares */
	INSIDE_OUTPUT, /* end for reading; or the terminal's master */
	INSIDE_INPUT, /* end for writing; or the terminal's slave, to keep it from hanging up */
	INSIDE_DESCRIPTORS,
};

struct inside {
	const struct ve_exec_spec *spec;
	void *confine;
	int socket; /* for that packet; closed after it */
	bool has_modes, own_errors; /* standard error is no part of the terminal */
	struct termios modes; /* the caller's terminal */
	struct winsize size;
};

/* A session_function. */
int inside_run(void *data, int *failure, struct error *err);
