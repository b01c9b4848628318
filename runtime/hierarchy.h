/* Where the kernel's control groups are mounted, and where in them this process is. */
#pragma once

#include <stdbool.h>

struct hierarchy {
	char *mount; /* NULL: there is none */
	char *own; /* folder of our own group */
};

#define HIERARCHY_SYSTEMD "name=systemd"

/* The one of a v1 controller (or HIERARCHY_SYSTEMD); NULL: that of v2. */
struct hierarchy hierarchy_find(const char *controller);
void hierarchy_release(struct hierarchy *hierarchy);

/* Whether v2, if there is one, has a controller to offer. */
bool hierarchy_offers(const struct hierarchy *v2, const char *controller);

/*
 * Mounts v2 in a place of our own (/run/vz-cgroup) if this host has v1 and nothing else mounted: v2 has no controllers there, but a VE's
 * service manager needs groups that it may divide, of which today's know no other kind, and what is frozen or killed as a whole is a group
 * of v2. Whoever cannot do that has VEs without it.
 */
void hierarchy_mount_v2(void);
