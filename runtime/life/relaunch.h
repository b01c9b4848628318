/*
 * The processes of a restore, as those of a start are (launch.h), with CRIU instead of the mounter:
 *
 *	vzctl ─ fork ─ monitor ─ fork ─ CRIU: the VE's root and what else is not CRIU's, in a mount namespace of its own; serves
 *	                 │               vzctl; makes init (CLONE_PARENT); ends
 *	                 ├─ init
 *	                 └─ executes vzmonitor
 *
 * What a VE cannot make for itself is external to CRIU: /dev with its nodes, the terminals with its console, the control groups.
 */
#pragma once

#include "base/error.h"
#include "base/strvec.h"
#include "runtime/life/launch.h"

struct relaunched {
	struct ve_process monitor;
	int socket; /* to CRIU, which waits for its request: criu/criu.h */
	int report; /* to the monitor, which waits for relaunch_end() */
	struct strvec external; /* for the request, and so are these two */
	char *root;
	int console; /* in CRIU: the console's descriptor */
};

#define RELAUNCHED_INIT ((struct relaunched){ .socket = -1, .report = -1, .external = STRVEC_INIT })

/* The names of what is external, by where a VE has it; the last is NULL. */
struct external {
	const char *place, *name;
};
extern const struct external externals[];

/* Until CRIU waits. `kept_dev` is a folder with what the VE itself has made in /dev. On failure nothing of it is left but
 * the monitor, which ends by itself. */
int relaunch_begin(const struct launch *launch, const char *criu, int kept_dev,
		   struct relaunched *ret, struct error *err);

/* -1 with *err if CRIU was not even executed; else 0. */
int relaunch_failure(struct relaunched *relaunched, struct error *err);

/* Tells the monitor of its VE, which is there; it begins when CRIU has ended. */
int relaunch_end(struct relaunched *relaunched, const struct ve_process *init, struct error *err);
void relaunched_release(struct relaunched *relaunched);

/* Links, pipes and folders that are in the folder `from` and not in `to`: all but nodes and sockets, which are made by others. */
int copy_specials(int from, int to, struct error *err);
