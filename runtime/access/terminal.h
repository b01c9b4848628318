/*
 * The terminal of the caller while it is that of a VE: no key means anything to it, all go to the other side. It is as
 * it was before whenever this program is not there to serve it: after the end, however that comes, and
 * while it is stopped. (Nothing helps against SIGKILL.) One at a time.
 */
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

#include "base/error.h"

struct terminal {
	int fd; /* the caller's; borrowed */
	int other; /* the VE's, which gets the size; borrowed */
	int signals; /* readable when terminal_event() is to be called; -1: none */
	sigset_t mask; /* of before */
};

#define TERMINAL_INIT ((struct terminal){ .fd = -1, .other = -1, .signals = -1 })

/* Takes the terminal `fd`, and from now on keeps the size of `other` like its own. */
int terminal_enter(int fd, int other, struct terminal *ret, struct error *err);

/* A change of size, or the program is to be stopped or goes on. */
void terminal_event(struct terminal *terminal);
void terminal_leave(struct terminal *terminal);
