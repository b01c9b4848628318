/* New namespaces, and a process in them; and entering those of a VE that runs. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/*
 * Clones a child of the caller into new user, pid, mount, network, IPC and UTS namespaces (the cgroup
 * namespace is its own to make, after it has joined its groups), owned by the id `base` so that
 * per-user limits of the kernel count for this VE alone. `cgroup` is a v2 group to be born in, or -1.
 * The child runs function(data) and exits with what it returns. *ret_pidfd is owned by the caller.
 */
int namespace_clone(unsigned base, int cgroup, int (*function)(void *data), void *data,
		    pid_t *ret_pid, int *ret_pidfd, struct error *err);

/* In a process that is in a VE's user namespace and in a mount namespace that it wants copied: clones a sibling
 * (a child of the caller's parent) into new pid, mount, network, IPC and UTS namespaces. As fork(2). */
pid_t namespace_clone_init(int cgroup);

/* fork(2), with the child born in the v2 group `cgroup` unless it is -1. */
pid_t namespace_fork(int cgroup);

/* Maps ids 0…65535 of the child to the block at `base`. Returns its user namespace or -1. */
int namespace_map(pid_t pid, unsigned base, struct error *err);

/* A user namespace with ids 0…65535 mapped to the block at `base`, of nobody yet: for mounts with mapped ids, and
 * to be entered. Its descriptor, or -1. */
int namespace_user_new(unsigned base, struct error *err);

/* In a process of its own: enters all namespaces of that process. Children are then in its pid
 * namespace. */
int namespace_enter(int pidfd, struct error *err);

/* Becomes root of the user namespace that the caller is in. -1 with errno set. */
int namespace_become_root(void);

/*
 * In a process of its own: makes files as the root of the VE with the ids from `base` on does, with the capabilities of the
 * host. overlay works with the ids of whoever mounts it, and makes nothing for ids that its layers do not know. -1 with errno set.
 */
int namespace_take_file_ids(unsigned base);

/* Brings "lo" up. -1 with errno set. */
int namespace_loopback_up(void);
