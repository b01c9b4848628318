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

/* Calls `key` for each key of a gpgme_op_keylist_…_start(): with a loop that is not gpgme's own, that is how it hands them
 * out (gpgme(7), "I/O Callback Example"). The key is released afterwards. */
void gpg_loop_keys(struct gpg_loop *loop, void (*key)(gpgme_key_t key, void *data), void *data);

/*
 * To be called after a gpgme_op_…_start(): waits for its end. *code is how it ended. Returns -1 if
 * it was cut off by a signal (ERROR_INTERRUPTED) or took too long (ERROR_TIME_LIMIT).
 */
int gpg_loop_wait(struct gpg_loop *loop, gpgme_error_t *code, struct error *err);

/* Gives the context its own loop back. */
void gpg_loop_freep(struct gpg_loop **loop);
