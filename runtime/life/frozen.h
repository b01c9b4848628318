/*
 * A VE that runs, frozen while its files are copied: its processes stand still (those of one that is suspended do already, and go on doing
 * so afterwards), and of an image everything that was written is in the file. A process of our own waits for the end of ours, however that comes, and lets the VE go on then; if both are killed, the next command that takes the
 * VE's lock does.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/host.h"
#include "runtime/area/disk.h"
#include "runtime/config/ve_state.h"

struct frozen {
	int pipe; /* whose end wakes the other process; -1: not frozen */
	pid_t guard;
};

#define FROZEN_INIT ((struct frozen){ .pipe = -1 })

/* With the VE's lock. `disk` is open with its files. */
int frozen_begin(const struct host_config *host, unsigned ctid, struct ve_state *state,
		 const struct disk *disk, struct frozen *ret, struct error *err);

/* Lets it go on; that is so also if it fails to say so in the state. */
int frozen_release(const struct host_config *host, unsigned ctid, struct ve_state *state,
		   const struct disk *disk, struct frozen *frozen, struct error *err);

/* Suspends it instead: its processes stay as they are, whoever ends. For one whose `disk` was none. On failure it goes on. */
int frozen_keep(const struct host_config *host, unsigned ctid, struct ve_state *state,
		struct frozen *frozen, struct error *err);

/* The same for what a command that was killed has left. */
int frozen_end(const struct host_config *host, unsigned ctid, struct ve_state *state,
	       struct error *err);
