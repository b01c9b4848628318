/*
 * Reading a VE's files from the host, whether it runs or not, without executing anything in it.
 *
 * They belong to a tenant: read with open_in_root(), O_NONBLOCK, and a limit.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/lock.h"
#include "runtime/config/ve_config.h"

struct look {
	struct ve_config config;
	bool running;
	int tree; /* its root without what is mounted in it; owners as on disk, or of its user namespace */
	struct lock lock; /* of one that does not run, so that it does not start meanwhile */
};

#define LOOK_INIT ((struct look){ .config = VE_CONFIG_INIT, .tree = -1, .lock = LOCK_INIT })

/* Only what is set for it and whether it runs; no lock is taken. ERROR_NO_VE, … */
int look_at(const struct host_config *host, unsigned ctid, struct look *ret, struct error *err);

/* That, and its tree. `timeout_s` as in base/lock.h; with `skip_lock` the caller holds the lock. */
int look_into(const struct host_config *host, unsigned ctid, unsigned timeout_s, bool skip_lock,
	      struct look *ret, struct error *err);
void look_release(struct look *look);
