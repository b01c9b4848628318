/* What binds everything in a tenant's VE: its init, and whatever vzctl runs in it. */
#pragma once

#include "base/error.h"

/* Prepared once, before forking, since making a filter takes as long as all the rest. *ret is for
 * confine_apply(), and freed by confine_free(). */
int confine_new(void **ret, struct error *err);
void confine_free(void *confine);

/* In a process whose root is the VE's: takes the personality of its init (personality(2), PER_LINUX32 for one of 32 bits), so that
 * uname(2) says i686, and tools that ask it build and fetch what runs there. */
int confine_personality(struct error *err);

/* In a process that is root in the VE's user namespace, just before it executes something of the VE's: resource
 * limits, capabilities, system call filter; and the personality of its init. */
int confine_apply(void *confine, struct error *err);
