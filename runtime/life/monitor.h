/*
 * The monitor of a VE: a small static program (runtime/monitor/vzmonitor.c) that is the parent of the VE's init, keeps its
 * console, and, when init ends, executes "vzctl reap", which takes away what is left and starts the VE again if
 * it asked for that. If the monitor is killed the VE goes on, and the next vzctl starts another.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "runtime/config/ve_state.h"

#define MONITOR_GROUP "monitors"

/* Of "vzctl reap": the number of a descriptor of the VE's network namespace, which lives until it is closed. */
#define MONITOR_NETNS "VZ_NETNS"

/* fork(2) of a process in the group that monitors are in. */
pid_t monitor_fork(void);

/* Becomes the monitor of init, of which `pidfd` is; it may have ended already. `console` is a socket on which the
 * master of its console arrives. Returns only on failure. */
void monitor_execute(const struct host_config *host, unsigned ctid, const struct ve_process *init,
		     int pidfd, int console);

struct running;

/* Starts another monitor if the VE's has died. It makes a new console, as the old one died with it. For the holder
 * of the VE's lock; updates the state file. */
int monitor_ensure(const struct host_config *host, unsigned ctid, struct running *running,
		   struct error *err);
