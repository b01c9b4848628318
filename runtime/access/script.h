/* Action scripts in a VE that runs. */
#pragma once

#include "runtime/life/life.h"

/* For `run_inside` of struct life: runs those of start or stop, for all VEs and the VE's own, by the VE's own interpreters; what they print is
 * standard error's. ERROR_SCRIPT if one cannot be run, fails, or takes longer than ACTION_TIMEOUT; ERROR_INTERRUPTED. */
int script_run_inside(const struct life *life, const struct ve_config *config,
		      enum action_kind kind, struct error *err);
