/*
 * Action scripts: what the host's administrator wants to be done around a VE's being mounted and running. In VE_CONFDIR are those for all VEs,
 * vps.ACTION, and those for one, CTID.ACTION, which come second.
 *
 *	premount, postumount	on the host
 *	mount, umount		on the host in a mount namespace of their own, in which the VE's files are at VE_ROOT
 *	start, stop		in the VE
 *
 * A tenant chooses the names and links at VE_ROOT: links there are not followed, and what a script mounts over the host's own
 * folders all the same is seen by nobody else. What it mounts below VE_ROOT is handed over.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "base/strbuf.h"
#include "runtime/config/ve_config.h"
#include "runtime/life/submount.h"

enum action_kind {
	ACTION_PREMOUNT,
	ACTION_MOUNT,
	ACTION_START,
	ACTION_STOP,
	ACTION_UMOUNT,
	ACTION_POSTUMOUNT,
	ACTION_KINDS
};

/* All of it is borrowed. */
struct action {
	const struct host_config *host;
	struct report *report; /* what scripts print; may be NULL */
	const struct ve_config *config;
};

/* Each with ERROR_SCRIPT if one cannot be run, fails, or takes longer than ACTION_TIMEOUT; then no more are run. */

/* Those of premount and postumount. */
int action_run(const struct action *action, enum action_kind kind, struct error *err);

/* Those of mount and umount. The caller holds the VE's lock and has a single thread. *ret, if it is not NULL, gets what they have mounted
 * below VE_ROOT. */
int action_run_mounted(const struct action *action, enum action_kind kind, struct submounts *ret,
		       struct error *err);

/* A script for the VE's inside, `own` or for all VEs: 1 if there is one, 0 if not, -1. */
int action_read(const struct action *action, enum action_kind kind, bool own, struct strbuf *ret,
		struct error *err);

/* Adds the paths of those that are the VE's own. */
void action_files(const struct host_config *host, unsigned ctid, struct strvec *ret);

/* The VE is gone: its scripts become CTID.ACTION.destroyed, as its configuration does. */
void action_retire(const struct host_config *host, unsigned ctid);
