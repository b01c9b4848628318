/*
 * Why packages cannot be installed, in words.
 */
#pragma once

#include <solv/solver.h>

#include "base/strbuf.h"
#include "vzpkg/metadata/pool.h"

/* Appends each problem of a failed solve as a line. */
void problems_describe(const struct package_pool *pool, Solver *solver, struct strbuf *text);

/* What would make it possible: of each problem the smallest change of what is installed, a line each; nothing where there is none. */
void problems_remedy(const struct package_pool *pool, Solver *solver, struct strbuf *text);

/* The name in the repositories that is nearest to a mistyped one, or NULL. */
const char *package_nearest_name(const struct package_pool *pool, const char *name);
