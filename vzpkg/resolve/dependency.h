/*
 * Whether packages satisfy what others need. For vzpkg/resolve/ only.
 */
#pragma once

#include <solv/bitmap.h>
#include <solv/pool.h>
#include <stdbool.h>

/* Of any form, with alternatives and conditions, by the solvables in `there`. */
bool dependency_is_met(Pool *pool, Id dependency, const Map *there);

/* Calls `found` for each solvable that satisfies it or a part of it, be it an alternative, or what is needed under a condition. */
void dependency_providers(Pool *pool, Id dependency, void (*found)(Id solvable, void *data),
			  void *data);
