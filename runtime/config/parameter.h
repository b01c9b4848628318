/*
 * What the values in a CTID.conf may be: a row for each key that is known, for those who take a value from a user ("vzctl set")
 * or look a file over (vzcfgvalidate).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct parameter;

/* NULL: no key that is known. */
const struct parameter *parameter_find(const char *key);

/* ERROR_VALUE, with the value and what it can be. `name` is what the user calls the parameter: its key, or an option. */
int parameter_check(const struct parameter *parameter, const char *name, const char *value,
		    struct error *err);

/* It says which VE this is or what it stands on, so a sample that is applied to a VE leaves it alone. */
bool parameter_is_own(const struct parameter *parameter);

/* A resource: barrier and limit, in bytes if it is an amount of memory or disk; UINT64_MAX: unlimited. false if the value is none, or the
 * parameter is no resource. */
bool parameter_limits(const struct parameter *parameter, const char *value, uint64_t *barrier,
		      uint64_t *limit);
