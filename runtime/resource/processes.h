/* The processes of a VE that runs, as the host numbers them. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/strvec.h"

struct processes {
	pid_t *pids;
	size_t count, capacity;
};

#define PROCESSES_INIT ((struct processes){ 0 })

/* Those in its control groups, and in groups below them; `folders` are its groups, one in each hierarchy. Some may have
 * ended by the time that they are looked at. */
void processes_list(const struct strvec *folders, struct processes *ret);
void processes_release(struct processes *processes);
