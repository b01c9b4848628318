/*
 * What still runs from files that are not there any more: services of the VE that have to be restarted to use what was installed. Inside of fleet/ only.
 */
#pragma once

#include "vzpkg/fleet/applier.h"

/* Into the result: units of systemd, or else names of programs. */
int apply_find_restart(struct applier *applier, struct error *err);
