#include "vzpkg/resolve/wish.h"

#include <solv/bitmap.h>
#include <solv/evr.h>
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

/* What is installed stays as it is. */
static void add_asked(struct resolver *resolver, Id solvable)
{
	const Solvable *s = pool_id2solvable(resolver->pool->pool, solvable);

	MAPSET(&resolver->asked, solvable);
	if (s->repo == resolver->installed)
		return;
	closure_add(&resolver->closure, resolver->pool, solvable);
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
		Id there = resolver_installed_named(resolver, solvable->name);
		Id candidate = there ?: closure_candidate(pool, solvable->name, NULL);
		if (!candidate || MAPTST(&resolver->excluded, candidate))
			continue;
		add_asked(resolver, candidate);
	}
}

static bool group_priority(const char *name, enum package_priority *ret)
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
			*ret = groups[i].priority;
			return true;
		}
	return false;
}

static bool add_group(struct resolver *resolver, const char *name)
{
	enum package_priority priority;
	bool found = group_priority(name, &priority);

	if (found)
		add_priority(resolver, priority);
	return found;
}

bool group_installed_deb(struct resolver *resolver, const char *group, Queue *ret)
{
	enum package_priority priority;
	const Solvable *solvable;
	Id id;

	if (!group_priority(group, &priority))
		return false;
	FOR_REPO_SOLVABLES(resolver->installed, id, solvable)
	{
		if (package_priority(resolver->pool, id) == priority)
			queue_push(ret, id);
	}
	return true;
}

/* An installed package that is what is wished for: of that name, or, where no package has it, one that provides it. */
static Id installed_match(const struct resolver *resolver, Id wish)
{
	Pool *pool = resolver->pool->pool;
	Id name = ISRELDEP(wish) ? GETRELDEP(pool, wish)->name : wish;
	Id solvable, index, provider = 0;
	bool real = false;

	FOR_PROVIDES(solvable, index, wish)
	{
		const Solvable *s = pool_id2solvable(pool, solvable);
		bool installed = resolver->installed && s->repo == resolver->installed;
		if (installed && s->name == name)
			return solvable;
		real |= s->name == name;
		provider = installed ? solvable : provider;
	}
	return real ? 0 : provider;
}

/* A version that was asked for need not be the newest. */
static Id versioned_candidate(struct resolver *resolver, Id wish)
{
	Pool *pool = resolver->pool->pool;
	Id candidate = pool->whatprovidesdata[pool_whatprovides(pool, wish)];
	const Solvable *s = pool_id2solvable(pool, candidate);
	Id there = resolver_installed_named(resolver, s->name);

	if (!there ||
	    pool_evrcmp(pool, s->evr, pool_id2solvable(pool, there)->evr, EVRCMP_COMPARE) >= 0)
		return candidate;
	autofree char *line = xasprintf(
		"%s: %s is installed, and no earlier version is put in its place",
		pool_id2str(pool, s->name), pool_id2str(pool, pool_id2solvable(pool, there)->evr));
	resolver_problem(resolver, line);
	return 0;
}

void wish_deb(struct resolver *resolver, const char *wish)
{
	Pool *pool = resolver->pool->pool;

	if (*wish == '@' && add_group(resolver, wish + 1))
		return;
	Id id = wish_id(pool, wish);
	Id candidate = id ? installed_match(resolver, id) : 0;

	if (!candidate && id && ISRELDEP(id)) {
		candidate = versioned_candidate(resolver, id);
		if (!candidate)
			return;
	}
	if (!candidate && id)
		candidate = closure_candidate(resolver->pool, id, NULL);
	if (!candidate)
		add_unknown(resolver, wish);
	else
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
		closure_add(&resolver->closure, pool, id);
		queue_push2(&resolver->jobs, SOLVER_INSTALL | SOLVER_SOLVABLE, id);
	}
}
