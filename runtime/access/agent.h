/*
 * A guest in a VE that runs: vzinit in all of the VE's namespaces and control groups, restricted as everything in it, which runs
 * commands for us as PID 1 of a VE of our own does. So the VE is a `struct ve` to ve_run() and ve_call(), whose end
 * is the guest's and what it runs, and not the VE's.
 */
#pragma once

#include "base/error.h"
#include "runtime/life/running.h"
#include "runtime/ve.h"

struct agent_spec {
	const struct running *running; /* borrowed as long as the result lives */
	const char *init; /* path of vzinit on the host */
	const char *shown, *target; /* visit.h */
};

/* ve_free() ends it. Waits with a limit for whatever the VE may do to it. */
int agent_start(const struct agent_spec *spec, struct ve **ret, struct error *err);

/* visit_hold() */
int agent_lock(struct ve *ve, const char *path, unsigned timeout_s, struct error *err);
