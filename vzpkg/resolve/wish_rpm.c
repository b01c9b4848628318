#include "vzpkg/resolve/wish.h"

#include <solv/bitmap.h>
#include <solv/knownid.h>
#include <solv/selection.h>
#include <solv/solver.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/resolve/problem.h"

/* What a wish may match, the first of these that does. */
enum {
	WISH_FLAGS = SELECTION_NAME | SELECTION_PROVIDES | SELECTION_GLOB | SELECTION_CANON |
		     SELECTION_DOTARCH | SELECTION_REL | SELECTION_FILELIST
};

static void mark_asked(struct resolver *resolver, Queue *selection)
{
	Queue solvables;

	queue_init(&solvables);
	selection_solvables(resolver->pool->pool, selection, &solvables);
	for (int i = 0; i < solvables.count; i++)
		MAPSET(&resolver->asked, solvables.elements[i]);
	queue_free(&solvables);
}

static bool add_selection(struct resolver *resolver, const char *text, int flags)
{
	Queue selection;

	queue_init(&selection);
	bool found = selection_make(resolver->pool->pool, &selection, text, flags) != 0;
	for (int i = 0; i < selection.count; i += 2)
		queue_push2(&resolver->jobs, selection.elements[i] | SOLVER_INSTALL,
			    selection.elements[i + 1]);
	if (found)
		mark_asked(resolver, &selection);
	queue_free(&selection);
	return found;
}

/* ---- names -------------------------------------------------------------------------------------------- */

static bool is_native(const struct resolver *resolver, Id solvable)
{
	Pool *pool = resolver->pool->pool;
	Id arch = pool->solvables[solvable].arch;

	return strcmp(resolver->pool->metadata->template->arch_word, "x86_64") != 0 ||
	       arch == ARCH_NOARCH || strcmp(pool_id2str(pool, arch), "x86_64") == 0;
}

static void collect_obsoleting(struct resolver *resolver)
{
	Pool *pool = resolver->pool->pool;

	for (Id id = 2; id < pool->nsolvables; id++) {
		Solvable *solvable = pool_id2solvable(pool, id);
		if (solvable->repo && solvable->obsoletes && pool_installable(pool, solvable))
			queue_push(&resolver->obsoleting, id);
	}
	queue_push(&resolver->obsoleting, 0); /* collected, even if there are none */
}

static bool obsoletes(Pool *pool, Solvable *solvable, const Queue *packages)
{
	const Id *relation = solvable->repo->idarraydata + solvable->obsoletes;

	for (; *relation; relation++)
		for (int i = 0; i < packages->count; i++)
			if (pool_match_nevr(pool, pool_id2solvable(pool, packages->elements[i]),
					    *relation))
				return true;
	return false;
}

static void add_obsoleting(struct resolver *resolver, Queue *packages)
{
	Pool *pool = resolver->pool->pool;
	Queue found;

	if (!resolver->obsoleting.count)
		collect_obsoleting(resolver);
	queue_init(&found);
	for (int i = 0; i < resolver->obsoleting.count - 1; i++) {
		Id id = resolver->obsoleting.elements[i];
		if (!MAPTST(&resolver->excluded, id) && is_native(resolver, id) &&
		    obsoletes(pool, pool_id2solvable(pool, id), packages))
			queue_push(&found, id);
	}
	queue_insertn(packages, packages->count, found.count, found.elements);
	queue_free(&found);
}

static void find_named(const struct resolver *resolver, Id name, bool native, Queue *ret)
{
	Pool *pool = resolver->pool->pool;
	Id solvable, index;

	FOR_PROVIDES(solvable, index, name)
	if (pool_id2solvable(pool, solvable)->name == name &&
	    !MAPTST(&resolver->excluded, solvable) && (!native || is_native(resolver, solvable)))
		queue_push(ret, solvable);
}

/* A name alone means, as it does to dnf, each package of that name, and those that take its place (Obsoletes); where 32 bits are candidates
 * too, those that are not of them. Which, the versions decide. */
static bool add_named(struct resolver *resolver, Id name)
{
	Queue packages;

	queue_init(&packages);
	find_named(resolver, name, true, &packages);
	if (!packages.count)
		find_named(resolver, name, false, &packages);
	bool found = packages.count > 0;
	if (found) {
		add_obsoleting(resolver, &packages);
		queue_push2(&resolver->jobs, SOLVER_INSTALL | SOLVER_SOLVABLE_ONE_OF,
			    pool_queuetowhatprovides(resolver->pool->pool, &packages));
	}
	for (int i = 0; i < packages.count; i++)
		MAPSET(&resolver->asked, packages.elements[i]);
	queue_free(&packages);
	return found;
}

/* ---- groups ------------------------------------------------------------------------------------------- */

/* Whatever makes its condition true: a wish, or a dependency. */
static void add_conditional(struct resolver *resolver, Id member)
{
	const Reldep *relation = GETRELDEP(resolver->pool->pool, member);

	Queue packages;

	queue_init(&packages);
	if (relation->flags == REL_COND)
		find_named(resolver, relation->name, false, &packages);
	if (packages.count)
		queue_push2(&resolver->jobs, SOLVER_INSTALL | SOLVER_SOLVABLE_PROVIDES, member);
	for (int i = 0; i < packages.count; i++)
		MAPSET(&resolver->asked, packages.elements[i]);
	queue_free(&packages);
}

/* Every repository may add to a group. */
static void members_of(const struct resolver *resolver, Id group, Queue *ret)
{
	/* libsolv takes the mandatory packages of a group, and the groups of an environment, for its Requires, the default and conditional
	 * packages for Recommends. */
	static const Id kinds[] = { SOLVABLE_REQUIRES, SOLVABLE_RECOMMENDS };
	Pool *pool = resolver->pool->pool;
	Id solvable, index;
	Queue members;

	queue_init(&members);
	FOR_PROVIDES(solvable, index, group)
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		solvable_lookup_deparray(pool_id2solvable(pool, solvable), kinds[kind], &members,
					 0);
		queue_insertn(ret, ret->count, members.count, members.elements);
	}
	queue_free(&members);
}

/* The packages of a group, and of all groups of an environment; false if there is none of that name. */
static bool group_members(const struct resolver *resolver, const char *name, Queue *ret)
{
	Pool *pool = resolver->pool->pool;
	autofree char *group = xasprintf("group:%s", name);
	autofree char *environment = xasprintf("environment:%s", name);
	Id id = pool_str2id(pool, group, 0);
	Queue groups;

	if (id && pool_whatprovides_ptr(pool, id)[0]) {
		members_of(resolver, id, ret);
		return true;
	}
	id = pool_str2id(pool, environment, 0);
	if (!id || !pool_whatprovides_ptr(pool, id)[0])
		return false;
	queue_init(&groups);
	members_of(resolver, id, &groups);
	for (int i = 0; i < groups.count; i++)
		if (!ISRELDEP(groups.elements[i]))
			members_of(resolver, groups.elements[i], ret);
	queue_free(&groups);
	return true;
}

/* As if each were in the list, which is what yum and dnf do; but one that no repository has, or that is excluded, is no mistake. */
static bool add_group(struct resolver *resolver, const char *name)
{
	Queue members;

	queue_init(&members);
	bool found = group_members(resolver, name, &members);
	for (int i = 0; i < members.count; i++) {
		if (ISRELDEP(members.elements[i]))
			add_conditional(resolver, members.elements[i]);
		else
			add_named(resolver, members.elements[i]);
	}
	queue_free(&members);
	return found;
}

bool group_installed_rpm(struct resolver *resolver, const char *group, Queue *ret)
{
	Pool *pool = resolver->pool->pool;
	Id solvable, index;
	Queue members;

	queue_init(&members);
	bool found = group_members(resolver, group, &members);
	for (int i = 0; i < members.count; i++) {
		Id name = members.elements[i];
		name = ISRELDEP(name) ? GETRELDEP(pool, name)->name : name;
		FOR_PROVIDES(solvable, index, name)
		if (pool_id2solvable(pool, solvable)->repo == resolver->installed &&
		    pool_id2solvable(pool, solvable)->name == name)
			queue_push(ret, solvable);
	}
	queue_free(&members);
	return found;
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

static void add_unknown(struct resolver *resolver, const char *wish)
{
	const char *near = *wish == '@' ? NULL : package_nearest_name(resolver->pool, wish);
	autofree char *line =
		*wish == '@' ? xasprintf("%s: no repository has such a group", wish)
		: near && strcmp(near, wish) == 0
			? xasprintf("%s is in no repository for this architecture, only for others",
				    wish)
		: near ? xasprintf("%s is in no repository; did you mean %s?", wish, near)
		       : xasprintf("%s is in no repository", wish);
	resolver_problem(resolver, line);
}

static bool add_package(struct resolver *resolver, const char *wish)
{
	Id name = pool_str2id(resolver->pool->pool, wish, 0);

	return (name && add_named(resolver, name)) || add_selection(resolver, wish, WISH_FLAGS);
}

void wish_rpm(struct resolver *resolver, const char *wish)
{
	bool found = *wish == '@' ? add_group(resolver, wish + 1) : add_package(resolver, wish);
	if (!found)
		add_unknown(resolver, wish);
}
