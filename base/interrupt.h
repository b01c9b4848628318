/*
 * SIGINT, SIGTERM and SIGHUP become a fact that every long step looks at: the program unwinds, tears
 * down what it made, and main() dies by the same signal again.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* Installs the handlers (without SA_RESTART, so that blocking calls end with EINTR). Once, in main. */
void interrupt_setup(void);

/* The signal that arrived, or 0. */
int interrupt_pending(void);

/* How many have arrived: who asks twice does not want to wait. */
unsigned interrupt_count(void);

/* Readable as soon as a signal has arrived, for poll loops; -1 before interrupt_setup(). */
int interrupt_fd(void);

/* 0, or -1 with ERROR_INTERRUPTED "interrupted by SIGTERM" if a signal has arrived. */
int interrupt_check(struct error *err);

/* Default dispositions (but what nohup(1) or a shell had ignored stays ignored), an empty signal mask
 * and no interrupt_fd(), for a child before it execs or does its own work. */
void interrupt_reset_child(void);

/* Dies by the pending signal with its default action. Does not return. */
void interrupt_die(void) __attribute__((noreturn));
