/* Stopping all processes of a VE where they are (the control group freezer), and letting them go on. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/strvec.h"

/* `groups` are the VE's (runtime/cgroup.h). Returns when all have stopped. ERROR_TECHNOLOGY: none of them can be frozen; ERROR_TIME_LIMIT: a process
 * does not stop, and all go on again. */
int freezer_freeze(const struct strvec *groups, struct error *err);

/* Nothing of theirs is frozen afterwards. */
void freezer_thaw(const struct strvec *groups);
