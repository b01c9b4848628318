/* What a VE that runs has of each resource, as far as the kernel counts it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/strvec.h"
#include "runtime/config/resource.h"

/* In the unit of the resource; -1: the kernel does not count it, or it is not for the caller to see. */
struct usage {
	int64_t held, maxheld; /* now, and at most since the start */
	int64_t failcnt; /* how often it was refused */
};

/* By the VE's control groups and its PID 1. */
void usage_read(const struct strvec *folders, pid_t init, struct usage ret[BEANCOUNTERS]);

/* As OpenVZ's kernel shows it: what is not set is unlimited. */
struct resources;
void usage_bounds(const struct resources *resources, enum resource_id id, uint64_t *barrier,
		  uint64_t *limit);
