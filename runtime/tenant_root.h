/* The file systems of a tenant's VE that are its own and no part of its private area. */
#pragma once

#include "base/error.h"

enum { TENANT_TTY_GROUP = 5 }; /* of every distribution */

/*
 * In the VE's first process, in its namespaces, as its root: makes `tree` (a mount) the root; puts `dev` (a
 * mount, device.h) and new proc, sysfs, devpts, mqueue, tmpfs, and cgroup2 if the host has one, where they
 * belong. Nothing of the host is in sight afterwards. Beside its console it has at most `terminals`.
 */
int tenant_root_enter(int tree, int dev, unsigned terminals, struct error *err);

/* A new devpts for at most so many terminals and a console, in no place yet; `group` is the id of the group tty. */
int tenant_terminals_new(unsigned terminals, unsigned group, struct error *err);

/* Opens a new terminal in the VE, shows it as /dev/console, returns its master; the slave is in *slave. */
int tenant_console(int *slave, struct error *err);
