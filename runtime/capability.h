/* What root of a VE may do, within its own namespaces. */
#pragma once

#include <stdbool.h>

enum capability_set {
	CAPABILITY_BUILD, /* a VE under construction */
	CAPABILITY_TENANT, /* a VE of a tenant: all but what is meant for the host */
};

/*
 * Drops all capabilities but those of the set from the bounding set, so that whatever root executes has no
 * others, and from the process itself. -1 with errno set.
 */
int capability_limit(enum capability_set set);

/* Whether root here has CAP_SYS_RESOURCE, which it has not in some containers and virtual machines. */
bool capability_has_resources(void);

/*
 * Becomes that user of the host and keeps root's capabilities, also in what is executed then. Who owns a user namespace has all capabilities in
 * it (user_namespaces(7)), those included that root of the host has lost. -1 with errno set.
 */
int capability_keep_as(unsigned uid);
