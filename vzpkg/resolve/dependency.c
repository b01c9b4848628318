#include "vzpkg/resolve/dependency.h"

static bool any_provides(Pool *pool, Id dependency, const Map *there)
{
	Id solvable, index;

	FOR_PROVIDES(solvable, index, dependency)
	if (MAPTST(there, solvable))
		return true;
	return false;
}

/* "A if B", "A if B else C"; "A unless B", "A unless B else C" */
static bool condition_is_met(Pool *pool, const Reldep *relation, const Map *there)
{
	Id condition = relation->evr, otherwise = 0;

	if (ISRELDEP(condition) && GETRELDEP(pool, condition)->flags == REL_ELSE) {
		otherwise = GETRELDEP(pool, condition)->evr;
		condition = GETRELDEP(pool, condition)->name;
	}
	bool holds = dependency_is_met(pool, condition, there);
	if (holds == (relation->flags == REL_COND))
		return dependency_is_met(pool, relation->name, there);
	return !otherwise || dependency_is_met(pool, otherwise, there);
}

bool dependency_is_met(Pool *pool, Id dependency, const Map *there)
{
	const Reldep *relation = ISRELDEP(dependency) ? GETRELDEP(pool, dependency) : NULL;

	switch (relation ? relation->flags : 0) {
	case REL_OR:
		return dependency_is_met(pool, relation->name, there) ||
		       dependency_is_met(pool, relation->evr, there);
	case REL_AND:
		return dependency_is_met(pool, relation->name, there) &&
		       dependency_is_met(pool, relation->evr, there);
	case REL_COND:
	case REL_UNLESS:
		return condition_is_met(pool, relation, there);
	default:
		return any_provides(pool, dependency, there);
	}
}

static void each_provides(Pool *pool, Id dependency, void (*found)(Id solvable, void *data),
			  void *data)
{
	Id solvable, index;

	FOR_PROVIDES(solvable, index, dependency)
	{
		found(solvable, data);
	}
}

void dependency_providers(Pool *pool, Id dependency, void (*found)(Id solvable, void *data),
			  void *data)
{
	const Reldep *relation = ISRELDEP(dependency) ? GETRELDEP(pool, dependency) : NULL;

	switch (relation ? relation->flags : 0) {
	case REL_OR:
	case REL_AND:
		dependency_providers(pool, relation->name, found, data);
		dependency_providers(pool, relation->evr, found, data);
		return;
	case REL_COND:
	case REL_UNLESS:
		dependency_providers(pool, relation->name, found, data);
		if (ISRELDEP(relation->evr) && GETRELDEP(pool, relation->evr)->flags == REL_ELSE)
			dependency_providers(pool, GETRELDEP(pool, relation->evr)->evr, found,
					     data);
		return;
	default:
		each_provides(pool, dependency, found, data);
	}
}
