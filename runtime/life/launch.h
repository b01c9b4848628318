/*
 * The processes of a start: this one; the monitor, its child, which will be the parent of the VE's init; and init.
 *
 *	vzctl ─ fork ─ monitor ─ fork ─ mounter: the VE's root in a mount namespace of its own, with the host's
 *	                 │               rights; enters the VE's user namespace; clones init (CLONE_PARENT); ends
 *	                 ├─ init: namespaces, file systems, network, guest's files; waits for "go"; executes
 *	                 └─ executes vzmonitor
 *
 * The VE's mount namespace is a copy, made in a user namespace with fewer rights, of one of the host: so the
 * kernel locks the flags of the root (nodev), and nobody in the VE can take them back.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "runtime/area/private.h"
#include "runtime/cgroup.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"
#include "runtime/life/submount.h"
#include "runtime/resource/resources.h"

struct launch {
	const struct host_config *host;
	const struct ve_config *config;
	const struct private_area *area;
	const struct submounts *mounts; /* to be seen in it */
	const struct cgroup *group;
	const struct resources *resources;
	void *confine;
	int userns;
	unsigned base;
};

struct launched {
	struct ve_process init, monitor;
	int pidfd; /* of init */
	int control; /* to init, which waits there */
};

#define LAUNCHED_INIT ((struct launched){ .pidfd = -1, .control = -1 })

/* Until init waits. On failure nothing of it is left but the monitor, which ends by itself. */
int launch_begin(const struct launch *launch, struct launched *ret, struct error *err);

/* Lets init go on; returns when it has executed the VE's own init, or with its error. */
int launch_go(struct launched *launched, struct error *err);
void launched_release(struct launched *launched);

/* The VE's init program as a path in it, or NULL; `root` is a folder. A VE without one can be started if its configuration
 * says that the bundled one may be taken. */
const char *launch_find_init(int root);
