/*
 * The order of a package's dependencies as its index has it. apt goes by it, and libsolv's cache file
 * does not keep it: there each set of relations is sorted by numbers that mean nothing. So it is kept beside
 * them, as the place of each relation in an order that only depends on their text.
 */
#pragma once

#include <solv/queue.h>

#include "vzpkg/metadata/pool.h"

#define ATTRIBUTE_ORDER "deb:order"

/* Relations of a kind (SOLVABLE_REQUIRES …) in the order of their text; without libsolv's marker. */
void relations_sorted(Pool *pool, Id solvable, Id kind, Queue *ret);

/* For a package that was just read from an index: a byte for each of its dependencies, the place in the
 * sorted ones plus 1. NULL if there is nothing to be kept. The caller frees it. */
char *relations_order(Pool *pool, Id solvable);

/* Depends, then Pre-Depends, as the index has them. */
void package_requires(const struct package_pool *pool, Id solvable, Queue *ret);
