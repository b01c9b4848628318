#include <solv/bitmap.h>
#include <solv/evr.h>
#include <solv/knownid.h>
#include <solv/solver.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/resolve/change_work.h"

static bool is_for_any(Id arch)
{
	return arch == ARCH_NOARCH || arch == ARCH_ALL;
}

/* The newest that is installed and that it would take the place of; or 0. */
static Id installed_of(const struct changer *changer, const Solvable *package)
{
	Pool *pool = changer->pool->pool;
	const Solvable *s;
	Id id, newest = 0;

	FOR_REPO_SOLVABLES(changer->repo, id, s)
	{
		if (s->name != package->name || (s->arch != package->arch && !is_for_any(s->arch) &&
						 !is_for_any(package->arch)))
			continue;
		if (!newest || pool_evrcmp(pool, s->evr, pool_id2solvable(pool, newest)->evr,
					   EVRCMP_COMPARE) > 0)
			newest = id;
	}
	return newest;
}

/* What keeps it from taking the place of what is there; NULL: nothing. To be freed. */
static char *obstacle(const struct changer *changer, const Solvable *package, Id there, int order)
{
	Pool *pool = changer->pool->pool;
	const char *name = pool_id2str(pool, package->name);

	if (order < 0)
		return xasprintf("%s %s is older than %s, which is installed", name,
				 pool_id2str(pool, package->evr),
				 pool_id2str(pool, pool_id2solvable(pool, there)->evr));
	if (order > 0 && MAPTST(&changer->locked, there))
		return xasprintf("%s is held in its version, or is installed for another "
				 "architecture, too",
				 name);
	return NULL;
}

static void wish(struct changer *changer, Id id)
{
	struct resolver *resolver = &changer->resolver;
	Pool *pool = changer->pool->pool;
	const Solvable *package = pool_id2solvable(pool, id);
	bool install = changer->request->verb == CHANGE_INSTALL;
	Id there = installed_of(changer, package);
	int order = there ? pool_evrcmp(pool, package->evr, pool_id2solvable(pool, there)->evr,
					EVRCMP_COMPARE)
			  : 1;

	if (!there && !install)
		return;
	autofree char *line = there ? obstacle(changer, package, there, order) : NULL;
	if (line) {
		resolver_problem(resolver, line);
		return;
	}
	if (install)
		MAPSET(&resolver->asked, order ? id : there);
	if (!order)
		return;
	closure_add(&resolver->closure, changer->pool, id);
	queue_push2(&resolver->jobs, SOLVER_INSTALL | SOLVER_SOLVABLE, id);
}

void change_local(struct changer *changer)
{
	const Solvable *s;
	Id id;

	FOR_REPO_SOLVABLES(changer->pool->local, id, s)
	{
		wish(changer, id);
	}
}
