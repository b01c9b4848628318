/*
 * Waiting for gpg by a poll loop of our own. gpgme's loop spins for ever when gpg ends before it
 * has read what it is fed (it does not look at POLLERR): a mirror could cause that by a strange
 * signature, and Ctrl-C does. This one also hears signals, and has a time limit.
 */
#pragma once

#include <gpgme.h>

#include "base/error.h"

struct gpg_loop;

/* Starts to look after the operations of `context`. */
struct gpg_loop *gpg_loop_new(gpgme_ctx_t context);

/*
 * To be called after a gpgme_op_…_start(): waits for its end. *code is how it ended. Returns -1 if
 * it was cut off by a signal (ERROR_INTERRUPTED) or took too long (ERROR_TIME_LIMIT).
 */
int gpg_loop_wait(struct gpg_loop *loop, gpgme_error_t *code, struct error *err);

/* Gives the context its own loop back. */
void gpg_loop_freep(struct gpg_loop **loop);
