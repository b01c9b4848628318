/* What root of a VE may do, within its own namespaces. */
#pragma once

enum capability_set {
	CAPABILITY_BUILD, /* a VE under construction */
	CAPABILITY_TENANT, /* a VE of a tenant: all but what is meant for the host */
};

/*
 * Drops all capabilities but those of the set from the bounding set, so that whatever root executes has no
 * others, and from the process itself. -1 with errno set.
 */
int capability_limit(enum capability_set set);
