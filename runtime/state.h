/*
 * A running VE, as the files of this folder see it. Either one of our own, or one that has an init of its own, which is
 * only visited (runtime/access/agent.h): then what is called PID 1 here is a guest in it, and goes without the VE.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/cgroup.h"
#include "runtime/ids.h"
#include "runtime/rootfs.h"
#include "runtime/ve.h"

struct ve {
	char *name;
	pid_t init; /* a child of ours; 0: none */
	int pidfd; /* of the VE's PID 1 */
	int control; /* packets to and from PID 1: protocol.h */
	int tree; /* for what is to be removed from it at the end */
	struct id_block ids;
	struct cgroup group;
	struct rootfs root;
	void *filter; /* of PID 1 and all commands */
	int listener; /* where calls of `filter` wait to be answered: notify.h */
	unsigned long personality; /* of personality(2); 0: the host's */
	bool personality_of_init; /* that of its /sbin/init, as confine_personality() knows it */
	void *confine; /* visited: runtime/confine.h, borrowed, in place of `filter` and `personality`; else NULL */
};

/* Ends every process in the VE and waits for that; the VE is of no use afterwards. Of one that is visited, ends what we run in it. */
void ve_kill(struct ve *ve);

/* -1 with ERROR_CONTAINER if its PID 1 is not there any more. */
int ve_check(const struct ve *ve, struct error *err);
