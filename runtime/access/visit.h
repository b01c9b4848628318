/*
 * Going into a VE to work on what is in it, whether it runs or not.
 *
 *	AUTO(visit_freep) struct visit *visit = NULL;
 *	if (visit_open(&spec, &visit, err) < 0) …
 *	if (visit_run(visit, &command, &result, err) < 0) …	any number of times
 *	if (visit_close(steal_ptr(visit), err) < 0) …
 *
 * A VE that runs is entered: commands are in its namespaces, control groups and limits, and what they leave in the
 * background goes on in the VE, as its own. It can be stopped by others at any time: ERROR_NOT_RUNNING from then on. A VE
 * that is stopped is mounted, under its lock, as the root of a temporary VE (runtime/ve.h) without a network, which is gone
 * with the visit and with this process; its own init is not started. What is mounted and made in it for the visit is taken away again.
 *
 * The VE belongs to a tenant who may be hostile: nothing that is in it is followed, believed, or waited for without a limit, but
 * for commands without one.
 *
 * The calling process must be single-threaded, and root. If it is killed, a command that is under way is killed, too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "runtime/ve.h"

struct visit;

/* All of it is borrowed until the visit is closed. */
struct visit_spec {
	const struct host_config *host;
	unsigned ctid;
	unsigned timeout_s; /* for its locks, each */
	bool skip_lock; /* the caller (or its caller) holds the VE's own lock, LOCKDIR/CTID.lck */
	struct report *report; /* who is waited for; may be NULL */

	/* A folder of the host that is shown read-only at `target`, a place below /run that is made for it. Its ids are not
	 * mapped: what the host's root owns can be read by all if its mode says so, and written by nobody, even if the VE's root mounts it
	 * for writing. NULL: none. */
	const char *shown, *target;

	/* What a VE that is stopped is shown besides, such as a policy that keeps services from being started. */
	const struct ve_bind *binds;
	size_t bind_count;
	uint64_t
		memory_max; /* of a VE that is stopped, bytes; 0: what its PHYSPAGES says, or half of the host's */
};

/*
 * Takes LOCKDIR/CTID.packages.lck, which two who change packages never have at once, and for a VE that does not run its
 * own lock. ERROR_NO_VE, ERROR_LOCKED, ERROR_MOUNTED (a stopped VE that "vzctl mount" shows: overlay must not be mounted twice),
 * ERROR_NO_PRIVATE, ERROR_CONTAINER, …
 */
int visit_open(const struct visit_spec *spec, struct visit **ret, struct error *err);

/* Waits until nobody else is at work on its packages. Of the spec: host, ctid, timeout_s, report. ERROR_LOCKED, … */
int visit_wait(const struct visit_spec *spec, struct error *err);

/* Whether it ran when it was entered. */
bool visit_is_running(const struct visit *visit);

/* Its root, with nothing mounted in it but what a visit mounts on /dev, /proc, /run, /sys, /tmp and at its binds; to be read with
 * open_in_root(), O_NONBLOCK, and a look at what it is that was opened. Borrowed, until the visit is closed or a function
 * below has failed. -1 with *err. */
int visit_tree(struct visit *visit, struct error *err);

/*
 * As ve_run() and ve_call(), with these differences: a script in a VE that runs sees itself as /dev/fd/4; a command that is stopped (by its time limit, by a signal to us) is killed with
 * all that it has started and that is still below it, and the VE goes on; after any error another command may be
 * tried. ERROR_NOT_RUNNING: a VE that ran was stopped meanwhile.
 */
int visit_run(struct visit *visit, const struct ve_command *command, struct ve_result *ret,
	      struct error *err);
int visit_call(struct visit *visit, ve_function *function, void *data, const int *keep,
	       size_t keep_count, void (*receive)(const void *bytes, size_t size, void *data),
	       unsigned time_limit_s, struct error *err);

/* How many processes the kernel has killed for want of the VE's memory since it was gone into, whoever's they were. */
unsigned long visit_oom_kills(const struct visit *visit);

/*
 * Takes the lock of a package manager in the VE, as programs do that take it by fcntl(2) on the whole of the file `path`, which is made
 * if only it is missing; holds it until the visit is closed or visit_run() has failed. Waits `timeout_s`:
 * ERROR_LOCKED says who has it, by the name that the VE's own ps shows. In a VE that is stopped there is nobody to wait for.
 */
int visit_hold(struct visit *visit, const char *path, unsigned timeout_s, struct error *err);

/*
 * Of a VE that is stopped, before anything is looked at or run in it: keeps its own part of the disk as it is. Costs as much as a copy of that. Afterwards
 * one of the others is called: visit_put_back() ends what is in it, and it is again what it was, to the byte; with visit_forget() it stays as it has become.
 * If this process is killed in between, or the visit is closed, what was kept is put back by whoever opens the VE next, be it to start it.
 */
int visit_save(struct visit *visit, struct error *err);
int visit_put_back(struct visit *visit, struct error *err);
int visit_forget(struct visit *visit, struct error *err);

/* Takes away what was made for the visit, and frees it; says if something of it could not be taken away. */
int visit_close(struct visit *visit, struct error *err);

/* The same without saying so. */
void visit_freep(struct visit **visit);
