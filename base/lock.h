/*
 * Locks between processes: OFD locks (fcntl(2)) on a file that holds the holder's identity, so that
 * who waits can say for whom. A lock ends with its descriptor, at the latest with its process.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct lock {
	int fd; /* -1: not held */
};

#define LOCK_INIT ((struct lock){ .fd = -1 })

enum lock_mode { LOCK_SHARED, LOCK_EXCLUSIVE };

/*
 * Called once when the lock is not free at once, with "pid 123 (vzpkg create-cache)", to tell the
 * user; may be NULL.
 */
typedef void lock_waiting_fn(const char *holder, void *data);

/*
 * Takes the lock on `name` in the folder `dirfd`, creating the file. Waits at most `timeout_s`
 * seconds (0: try once), with ERROR_LOCKED naming the holder; a signal ends the wait with
 * ERROR_INTERRUPTED. The file may be removed by its last holder with lock_remove(): a waiter
 * notices that its descriptor is no longer that file and starts again.
 */
int lock_take(struct lock *lock, int dirfd, const char *name, enum lock_mode mode,
	      unsigned timeout_s, lock_waiting_fn *waiting, void *data, struct error *err);

/* Tries once. Returns true if it is now held; false if somebody else has it or it cannot be. */
bool lock_try(struct lock *lock, int dirfd, const char *name, enum lock_mode mode);

/* Releases, and with _remove unlinks the file while the lock is still held exclusively. */
void lock_release(struct lock *lock);
void lock_remove(struct lock *lock, int dirfd, const char *name);
