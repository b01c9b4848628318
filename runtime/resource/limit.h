/* Resource parameters become limits: files of the VE's control groups, and resource limits of its processes. */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/strvec.h"
#include "runtime/resource/resources.h"

struct limit_target {
	const struct strvec *folders; /* control groups of the VE */
	const struct strvec *disks; /* "8:0", …: those that the VE's files are on */
};

/* Writes what differs from `before`, or, if that is NULL, from a group that has just been made. ERROR_LIMIT if the kernel refuses a value;
 * what was written before that stays. */
int limit_apply(const struct limit_target *target, const struct resources *wanted,
		const struct resources *before, struct error *err);

/* Adds the names of parameters that are to be limited and that nothing limits on this host, for want of a controller or of a disk. */
void limit_missing(const struct limit_target *target, const struct resources *wanted,
		   struct strvec *missing);

/* Limits of each process. The first is for one that has the host's rights still: as far as these allow it may have more from then on. The
 * second is for the VE's PID 1, just before it executes init. */
void limit_raise(const struct resources *wanted);
void limit_take(const struct resources *wanted);

/* How many terminals the VE may have. */
unsigned limit_terminals(const struct resources *wanted);

/*
 * Lowers them for the processes that a VE has; `init` is a descriptor of its PID 1 (pidfd_open(2)). That is done with the rights of the
 * VE's root, who has none over a stranger that has got the number of one that ended meanwhile; and who cannot raise them.
 */
int limit_lower(const struct strvec *folders, int init, const struct resources *wanted,
		struct error *err);
