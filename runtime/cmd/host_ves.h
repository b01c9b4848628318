/* The VEs that come up and go down with the host. */
#pragma once

#include <stdbool.h>

#include "runtime/config/select.h"

/*
 * Those that are to be started: ONBOOT is yes, or auto and it was running; those with a higher BOOTORDER first. Or those that are to be
 * stopped: all that run, those with a lower BOOTORDER first. `order` of each tells which may be done at the same time: those of the same.
 */
int host_ves(const struct host_config *host, bool start, struct ve_selection *ret,
	     struct error *err);
