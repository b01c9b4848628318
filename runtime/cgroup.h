/*
 * The control groups of one VE: a folder in each hierarchy that is of use, below the group that the
 * caller itself is in, so that what limits the caller limits its VEs.
 *
 *	v1	pids; memory if it is limited; for VEs that stay also cpu, cpuset, blkio
 *	v2	one group, with the controllers that it has to offer
 *	hybrid	both: limits where the controller is, kill in v2
 *
 * Where v2 has the controllers, groups that hold processes cannot have limited children, so there VEs
 * live in vz.slice at the top; and so do VEs that stay, since what the caller is in (a login's scope) goes
 * when the caller goes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strvec.h"

enum { CGROUP_V1_MAX = 8 };

struct cgroup_spec {
	const char *name; /* of the folders */
	uint64_t memory_max; /* bytes, of which none goes to swap; 0: no limit */
	unsigned pids_max; /* 0: no limit */
	/* The caller asked for that limit, so to be without it is an error. */
	bool memory_wanted, pids_wanted;
	bool stays; /* it outlives its caller: in vz.slice at the top of each hierarchy; v1's cpu group beside it */
};

struct cgroup {
	struct strvec folders; /* absolute; all that cgroup_remove() has to remove */
	int tasks[CGROUP_V1_MAX]; /* of v1: whoever writes "0" there joins */
	unsigned task_count;
	int unified; /* directory in v2, for CLONE_INTO_CGROUP; -1: none */
	bool pids,
		memory; /* which limits are wanted from which hierarchy, found by cgroup_plan() */
};

#define CGROUP_INIT ((struct cgroup){ .folders = STRVEC_INIT, .unified = -1 })

/* Decides on the folders, without making anything. No cgroup file system at all is none. */
int cgroup_plan(const struct cgroup_spec *spec, struct cgroup *group, struct error *err);

/* Makes them and sets the limits. On failure cgroup_remove() still has to be called. */
int cgroup_create(const struct cgroup_spec *spec, struct cgroup *group, struct error *err);

/* Opens groups that are there, as their folders say, for joining. cgroup_close() takes none away. */
int cgroup_open(const struct strvec *folders, struct cgroup *group, struct error *err);
void cgroup_close(struct cgroup *group);

/* How many processes the kernel has killed in them for want of memory; 0 if it does not say so (v1 before Linux 4.13). */
unsigned long cgroup_oom_kills(const struct cgroup *group);

/* Whether they are all there. */
int cgroup_check(const struct strvec *folders, struct error *err);

/* Writes a file of a group. -1 with errno set. */
int cgroup_write(const char *folder, const char *name, const char *text);

/* In the process that is to join; single-threaded, which keeps it cheap. -1 with errno set. */
int cgroup_join_v1(const struct cgroup *group);

/* Gives the v2 group to the VE's root, who divides it further as its own service manager likes; and that of systemd's v1 hierarchy, where
 * the host has it. */
int cgroup_delegate(const struct cgroup *group, unsigned base, struct error *err);

/* The v2 group vz.slice/NAME as a directory, made if it is not there, for a process that is to outlive the login's
 * scope that its parent is in; -1 if there is none. To be born in it is cheap, to move there is not. */
int cgroup_shared_open(const char *name);

/* Moves the calling process to the v1 group of that name, if the host has a hierarchy that scopes are in. Not being
 * able to is no failure. */
void cgroup_shared_join_v1(const char *name);

/* The calling process, which is in such a group, leaves it for the top, so that the group can be removed. */
void cgroup_shared_leave(void);

/* Removes vz.slice and the groups of that name in it, if they are empty. */
void cgroup_tidy(const char *name);

/* Kills what is in them and removes them; waits a little for the dying. */
void cgroup_remove_folders(const struct strvec *folders);
void cgroup_release(struct cgroup *group); /* with cgroup_remove_folders() */
