#include "vzpkg/resolve/wish.h"

#include <solv/bitmap.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/resolve/problem.h"

/* "name=version", or with `separator` '-' the place where a version may begin. 0: not in the pool. */
static Id versioned(Pool *pool, const char *wish, const char *separator)
{
	autofree char *name = xstrndup(wish, (size_t)(separator - wish));
	Id name_id = pool_str2id(pool, name, 0);
	Id version = pool_str2id(pool, separator + 1, 0);

	if (!name_id || !version)
		return 0;
	Id relation = pool_rel2id(pool, name_id, version, REL_EQ, 1);
	return pool->whatprovidesdata[pool_whatprovides(pool, relation)] ? relation : 0;
}

/* What a wish means: a name, or a name with a version. */
static Id wish_id(Pool *pool, const char *wish)
{
	const char *equals = strchr(wish, '=');
	Id id = pool_str2id(pool, wish, 0);

	if (id && pool->whatprovidesdata[pool_whatprovides(pool, id)])
		return id;
	if (equals)
		return versioned(pool, wish, equals);
	for (const char *dash = strchr(wish, '-'); dash; dash = strchr(dash + 1, '-'))
		if ((id = versioned(pool, wish, dash)))
			return id;
	return 0;
}

static void add_unknown(struct resolver *resolver, const char *wish)
{
	const char *near = package_nearest_name(resolver->pool, wish);
	autofree char *line =
		*wish == '@' ? xasprintf("%s: there is no such group; Debian has @required, "
					 "@important and @standard",
					 wish)
		: near       ? xasprintf("%s is in no repository; did you mean %s?", wish, near)
			     : xasprintf("%s is in no repository", wish);
	resolver_problem(resolver, line);
}

static void add_asked(struct resolver *resolver, Id solvable)
{
	MAPSET(&resolver->asked, solvable);
	closure_add(&resolver->closure, solvable);
	queue_push2(&resolver->jobs, SOLVER_INSTALL | SOLVER_SOLVABLE, solvable);
}

/* The newest version of every package that the first repository, which is the release's own, gives this
 * priority: what others say of their packages is of no account. */
static void add_priority(struct resolver *resolver, enum package_priority priority)
{
	const struct package_pool *pool = resolver->pool;

	for (Id id = 2; id < pool->pool->nsolvables; id++) {
		const Solvable *solvable = pool_id2solvable(pool->pool, id);
		if (!solvable->repo || solvable->repo->appdata != pool->metadata->repositories ||
		    package_priority(pool, id) != priority)
			continue;
		Id candidate = closure_candidate(pool, solvable->name, NULL);
		if (!candidate || MAPTST(&resolver->excluded, candidate))
			continue;
		add_asked(resolver, candidate);
	}
}

static bool add_group(struct resolver *resolver, const char *name)
{
	static const struct {
		const char *name;
		enum package_priority priority;
	} groups[] = {
		{ "required", PRIORITY_REQUIRED },
		{ "important", PRIORITY_IMPORTANT },
		{ "standard", PRIORITY_STANDARD },
	};
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (strcmp(groups[i].name, name) == 0) {
			add_priority(resolver, groups[i].priority);
			return true;
		}
	return false;
}

void wish_deb(struct resolver *resolver, const char *wish)
{
	Pool *pool = resolver->pool->pool;

	if (*wish == '@' && add_group(resolver, wish + 1))
		return;
	Id id = wish_id(pool, wish);
	Id candidate = id ? closure_candidate(resolver->pool, id, NULL) : 0;

	/* A version that was asked for need not be the newest. */
	if (id && ISRELDEP(id))
		candidate = pool->whatprovidesdata[pool_whatprovides(pool, id)];
	if (!candidate) {
		add_unknown(resolver, wish);
		return;
	}
	add_asked(resolver, candidate);
}

/* The newest version of every package that says so of itself. */
void wish_essential_deb(struct resolver *resolver)
{
	const struct package_pool *pool = resolver->pool;

	for (Id id = 2; id < pool->pool->nsolvables; id++) {
		const Solvable *solvable = pool_id2solvable(pool->pool, id);
		if (!solvable->repo || MAPTST(&resolver->excluded, id))
			continue;
		if (package_priority(pool, id) != PRIORITY_REQUIRED &&
		    !package_is_essential(pool, id))
			continue;
		if (closure_candidate(pool, solvable->name, NULL) != id)
			continue;
		MAPSET(&resolver->essential, id);
		closure_add(&resolver->closure, id);
		queue_push2(&resolver->jobs, SOLVER_INSTALL | SOLVER_SOLVABLE, id);
	}
}
