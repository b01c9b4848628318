#include "vzpkg/resolve/closure.h"

#include <solv/bitmap.h>
#include <solv/evr.h>
#include <solv/knownid.h>
#include <solv/poolarch.h>
#include <solv/solvable.h>

#include "vzpkg/metadata/relations.h"

void closure_init(struct closure *closure, Pool *pool)
{
	map_init(&closure->members, pool->nsolvables);
	map_init(&closure->kept, pool->nsolvables);
	queue_init(&closure->order);
	queue_init(&closure->parents);
}

void closure_release(struct closure *closure)
{
	map_free(&closure->members);
	map_free(&closure->kept);
	queue_free(&closure->order);
	queue_free(&closure->parents);
}

static bool is_excluded(const Map *excluded, Id solvable)
{
	return excluded && MAPTST(excluded, solvable);
}

/* The name that a relation is about: "libc6" of "libc6 (>= 2.36)" and of "libc6:any". */
static Id name_of(Pool *pool, Id dependency)
{
	while (ISRELDEP(dependency))
		dependency = GETRELDEP(pool, dependency)->name;
	return dependency;
}

static bool is_better(const struct package_pool *pool, Id name, Id a, Id b)
{
	Pool *solv = pool->pool;
	const Solvable *x = pool_id2solvable(solv, a), *y = pool_id2solvable(solv, b);
	bool real_x = x->name == name, real_y = y->name == name;

	if (real_x != real_y)
		return real_x;
	if (x->name == y->name)
		return pool_evrcmp(solv, x->evr, y->evr, EVRCMP_COMPARE) > 0;
	enum package_priority priority_x = package_priority(pool, a);
	enum package_priority priority_y = package_priority(pool, b);
	if (priority_x != priority_y)
		return priority_x < priority_y;
	return false; /* the first one */
}

/* The newest version is the only one that apt looks at. */
static bool is_newest(Pool *pool, Id solvable)
{
	const Solvable *s = pool_id2solvable(pool, solvable);
	Id other, index;

	FOR_PROVIDES(other, index, s->name)
	{
		const Solvable *o = pool_id2solvable(pool, other);
		if (o->name == s->name && pool_evrcmp(pool, o->evr, s->evr, EVRCMP_COMPARE) > 0)
			return false;
	}
	return true;
}

Id closure_candidate(const struct package_pool *pool, Id dependency, const Map *excluded)
{
	Pool *solv = pool->pool;
	Id name = name_of(solv, dependency), best = 0, solvable, index;

	for (index = pool_whatprovides(solv, dependency);
	     (solvable = solv->whatprovidesdata[index]) != 0; index++) {
		if (is_excluded(excluded, solvable) || !is_newest(solv, solvable))
			continue;
		if (!best || is_better(pool, name, solvable, best))
			best = solvable;
	}
	return best;
}

/* The installed package of that name, or 0. */
static Id kept_of(const struct closure *closure, Pool *pool, Id solvable)
{
	Id name = pool_id2solvable(pool, solvable)->name, other, index;

	FOR_PROVIDES(other, index, name)
	if (MAPTST(&closure->kept, other) && pool_id2solvable(pool, other)->name == name)
		return other;
	return 0;
}

static void add(struct closure *closure, const struct package_pool *pool, Id solvable, Id parent)
{
	if (MAPTST(&closure->members, solvable))
		return;
	Id before = kept_of(closure, pool->pool, solvable);
	if (before)
		MAPCLR(&closure->members, before);
	MAPSET(&closure->members, solvable);
	queue_push(&closure->order, solvable);
	queue_push(&closure->parents, parent);
}

void closure_keep(struct closure *closure, Id solvable)
{
	MAPSET(&closure->kept, solvable);
	MAPSET(&closure->members, solvable);
}

void closure_add(struct closure *closure, const struct package_pool *pool, Id solvable)
{
	add(closure, pool, solvable, 0);
}

static bool is_satisfied(const struct closure *closure, Pool *pool, Id dependency)
{
	Id solvable, index = pool_whatprovides(pool, dependency);
	for (; (solvable = pool->whatprovidesdata[index]) != 0; index++)
		if (MAPTST(&closure->members, solvable))
			return true;
	return false;
}

/* The first alternative of "a | b | c" that can be installed. */
static Id choose(const struct package_pool *pool, Id dependency, const Map *excluded)
{
	while (ISRELDEP(dependency)) {
		const Reldep *relation = GETRELDEP(pool->pool, dependency);
		if (relation->flags != REL_OR)
			break;
		Id chosen = choose(pool, relation->name, excluded);
		if (chosen)
			return chosen;
		dependency = relation->evr;
	}
	return closure_candidate(pool, dependency, excluded);
}

static void lookup(const struct package_pool *pool, Id solvable, Id kind, Queue *ret)
{
	if (kind == SOLVABLE_REQUIRES)
		package_requires(pool, solvable, ret);
	else
		relations_sorted(pool->pool, solvable, kind, ret);
}

static void complete(struct closure *closure, const struct package_pool *pool, Id solvable, Id kind,
		     const Map *excluded)
{
	Queue dependencies;

	queue_init(&dependencies);
	lookup(pool, solvable, kind, &dependencies);
	for (int i = 0; i < dependencies.count; i++) {
		Id dependency = dependencies.elements[i];
		if (is_satisfied(closure, pool->pool, dependency))
			continue;
		Id chosen = choose(pool, dependency, excluded);
		if (!chosen)
			continue;
		add(closure, pool, chosen, solvable);
		/* At once, before its siblings: so does apt, and what is in by then decides which
		 * alternative is taken. */
		complete(closure, pool, chosen, SOLVABLE_REQUIRES, excluded);
	}
	queue_free(&dependencies);
}

void closure_complete(struct closure *closure, const struct package_pool *pool, bool recommends,
		      const Map *excluded)
{
	int roots = closure->order.count;

	for (int at = 0; at < roots; at++)
		complete(closure, pool, closure->order.elements[at], SOLVABLE_REQUIRES, excluded);
	for (int at = 0; recommends && at < closure->order.count; at++)
		if (!kept_of(closure, pool->pool, closure->order.elements[at]))
			complete(closure, pool, closure->order.elements[at], SOLVABLE_RECOMMENDS,
				 excluded);
}
