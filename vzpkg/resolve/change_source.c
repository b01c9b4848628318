#include <solv/bitmap.h>
#include <solv/evr.h>
#include <solv/knownid.h>
#include <solv/solver.h>

#include "vzpkg/resolve/change_work.h"

/* libsolv notes a source only where it differs from the package, in its name or its version. */
static Id source_of(Pool *pool, Id solvable, Id key, Id own)
{
	Id id = pool_lookup_id(pool, solvable, key);
	return id ?: own;
}

static bool same_source(Pool *pool, Id a, Id b)
{
	const Solvable *sa = pool_id2solvable(pool, a), *sb = pool_id2solvable(pool, b);

	return source_of(pool, a, SOLVABLE_SOURCENAME, sa->name) ==
		       source_of(pool, b, SOLVABLE_SOURCENAME, sb->name) &&
	       source_of(pool, a, SOLVABLE_SOURCEEVR, sa->evr) ==
		       source_of(pool, b, SOLVABLE_SOURCEEVR, sb->evr);
}

static bool is_chosen_beside(const struct changer *changer, Id candidate)
{
	bool beside = false;

	for (int i = 0; i < changer->chosen.count; i++) {
		if (changer->chosen.elements[i] == candidate)
			return false;
		beside |= same_source(changer->pool->pool, changer->chosen.elements[i], candidate);
	}
	return beside;
}

bool change_by_source(struct changer *changer)
{
	Pool *pool = changer->pool->pool;
	bool found = false;
	const Solvable *s;
	Id id;

	FOR_REPO_SOLVABLES(changer->repo, id, s)
	{
		if (MAPTST(&changer->locked, id) || MAPTST(&changer->by_source, id))
			continue;
		Id candidate = closure_candidate(changer->pool, s->name, NULL);
		if (!candidate || pool_id2solvable(pool, candidate)->name != s->name ||
		    pool_evrcmp(pool, pool_id2solvable(pool, candidate)->evr, s->evr,
				EVRCMP_COMPARE) <= 0 ||
		    !is_chosen_beside(changer, candidate))
			continue;
		MAPSET(&changer->by_source, id);
		queue_push2(&changer->resolver.jobs, SOLVER_UPDATE | SOLVER_SOLVABLE, id);
		closure_add(&changer->resolver.closure, changer->pool, candidate);
		found = true;
	}
	return found;
}
