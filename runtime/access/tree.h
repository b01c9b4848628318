/*
 * All files of a VE as one tree, to be read: its root without what is mounted on it (proc, dev, run …). Taken as a copy of
 * the mount that is in no place, so it stays what it is whatever happens to the VE's mounts.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "runtime/config/ve_config.h"
#include "runtime/life/running.h"

/* The owners that a process in the VE's user namespace sees are those in the VE. */
int tree_of_running(const struct running *running, struct error *err);

/* For the holder of the VE's lock. Owners are as on disk. Not mounted anywhere that the host would see. */
int tree_of_stopped(const struct host_config *host, const struct ve_config *config,
		    struct error *err);
