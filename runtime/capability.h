/* What root of a VE under construction may do, within its own namespaces. */
#pragma once

/*
 * Drops all but the listed capabilities from the bounding set, so that whatever root executes has no
 * others, and from the process itself. -1 with errno set.
 */
int capability_limit(void);
