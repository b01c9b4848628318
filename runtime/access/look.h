/*
 * Reading a VE's files from the host, whether it runs or not, without executing anything in it.
 *
 * They belong to a tenant: read with open_in_root(), O_NONBLOCK, and a limit.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/lock.h"
#include "base/report.h"
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

struct look_spec {
	const struct host_config *host;
	unsigned ctid;
	unsigned timeout_s; /* for the lock of one that does not run; as in base/lock.h */
	bool skip_lock; /* the caller holds that */
	struct report *report; /* who is waited for; may be NULL */
};

/* That, and its tree. */
int look_into(const struct look_spec *spec, struct look *ret, struct error *err);
void look_release(struct look *look);
