/* The limits of a VE's resources: when it starts, and when they are set. */
#pragma once

#include <stdbool.h>

#include "base/conf.h"
#include "base/error.h"
#include "runtime/life/life.h"
#include "runtime/resource/resources.h"

/* What its configuration says and this host has. ERROR_PARSE, ERROR_VALUE. */
int limits_load(const struct life *life, const struct held *held, struct resources *ret,
		struct error *err);

/* In control groups that have just been made; what nothing limits here is said as a warning. They are in held->state from then on, which
 * is the caller's to save. */
int limits_begin(const struct life *life, struct held *held, const struct resources *resources,
		 struct error *err);

/* Whether resources are among what is to be set, which is as in a configuration. */
bool limits_are_in(const struct conf *changes);

/* Sets them in a VE that runs, at once: all of it, or on failure, as far as the kernel takes it, nothing. `reset`: all others are as
 * its configuration says from then on. */
int limits_change(const struct life *life, struct held *held, const struct conf *changes,
		  bool reset, struct error *err);

/* The same of one that does not run: whether it could be. */
int limits_check(const struct conf *changes, struct error *err);

/* Says what is not as its name says, of all that is given (may be NULL). */
void limits_explain(const struct life *life, const struct conf *given);
