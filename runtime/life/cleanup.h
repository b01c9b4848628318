/* Putting right what a command that was killed, a crash or a reboot of the host left. */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "runtime/config/ve_state.h"

/*
 * For the holder of the VE's lock, before it does anything: a start that did not end is undone, a VE whose init is gone
 * is cleaned up after, a create that made no VE is undone, a destroy is completed. *state is what is true then: VE_STOPPED or
 * VE_RUNNING. The caller releases it. ERROR_LOCKED: it is being moved to another host.
 */
int cleanup_reconcile(const struct host_config *host, unsigned ctid, struct report *report,
		      struct ve_state *state, struct error *err);

/* Takes away all that a VE has on the host when it does not run: processes, groups, device, ids, state. If it was started, or that was begun, the
 * action scripts of umount and postumount are run before the last two; ERROR_SCRIPT: it is all done, but one of them failed. */
int cleanup_stopped(const struct host_config *host, unsigned ctid, struct report *report,
		    struct ve_state *state, struct error *err);

/* CTID.conf.tmp-…, which a command that was killed did not come to rename. */
void cleanup_temporary(const struct host_config *host, unsigned ctid);

/* Renames CTID.conf, if it is there, to CTID.conf.destroyed, which users know; from then on there is no VE. */
int cleanup_config(const struct host_config *host, unsigned ctid, struct error *err);

/* Removes a private area with all in it, its configuration's leftovers, and the state file. */
int cleanup_private(const struct host_config *host, unsigned ctid, struct ve_state *state,
		    struct error *err);
