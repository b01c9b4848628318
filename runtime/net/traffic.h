/* What has gone through devices of VEs, as the kernel counts it (IFLA_STATS64, linux/if_link.h). Needs no rights. */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* As the VE sees it: what was sent to it is in. */
struct traffic {
	uint64_t in_bytes, in_packets, out_bytes, out_packets;
};

/* Of the host's end `name`; *index is the number that the device has and no other will have until the host is booted again.
 * 0 if there is no such device, 1 if there is, -1 with *err (ERROR_SYSTEM). */
int traffic_read(const char *name, struct traffic *ret, int *index, struct error *err);

void traffic_add(struct traffic *sum, const struct traffic *more);
