/*
 * Which packages apt would choose: libsolv alone is content with any set that satisfies all relations,
 * and knows nothing of the order of alternatives. The closure made here is given to it as what is
 * to be favoured; what cannot be satisfied so is libsolv's to decide.
 */
#pragma once

#include <solv/queue.h>
#include <stdbool.h>

#include "vzpkg/metadata/pool.h"

struct closure {
	Map members; /* of solvables */
	Map kept; /* of those, what is installed and stays; a package of the same name that is added takes its place */
	Queue order; /* the same, as they were found */
	Queue parents; /* beside it: the solvable that needs it, or 0 for a root */
};

void closure_init(struct closure *closure, Pool *pool);
void closure_release(struct closure *closure);

/* The candidate that apt would install for a name or relation, or 0: a real package before one that
 * provides it, then by priority, then by version. */
Id closure_candidate(const struct package_pool *pool, Id dependency, const Map *excluded);

/* What is installed: dependencies that it satisfies are satisfied. */
void closure_keep(struct closure *closure, Id solvable);

/* Adds a root; its dependencies come with closure_complete(). */
void closure_add(struct closure *closure, const struct package_pool *pool, Id solvable);

/* Follows Depends and Pre-Depends, and Recommends if `recommends`, but not those of what takes the place of an installed package. Those in `excluded` are not chosen. */
void closure_complete(struct closure *closure, const struct package_pool *pool, bool recommends,
		      const Map *excluded);
