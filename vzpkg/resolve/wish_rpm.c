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

/* ---- groups ------------------------------------------------------------------------------------------- */

static bool is_wished(const struct resolver *resolver, Id name)
{
	Pool *pool = resolver->pool->pool;
	Id solvable, index;

	FOR_PROVIDES(solvable, index, name)
	if (MAPTST(&resolver->asked, solvable))
		return true;
	return false;
}

static void add_member(struct resolver *resolver, Id name, Id weak)
{
	Pool *pool = resolver->pool->pool;
	Id solvable, index;

	queue_push2(&resolver->jobs, SOLVER_INSTALL | SOLVER_SOLVABLE_NAME | weak, name);
	FOR_PROVIDES(solvable, index, name)
	if (pool_id2solvable(pool, solvable)->name == name)
		MAPSET(&resolver->asked, solvable);
}

/* libsolv takes the mandatory packages of a group for its Requires, the default ones for Recommends (those that depend on another
 * package with a condition). yum and dnf install both; a mandatory package that no repository has is no mistake to them. */
static void add_members(struct resolver *resolver, Solvable *group, Id kind)
{
	Pool *pool = resolver->pool->pool;
	Queue members;

	queue_init(&members);
	solvable_lookup_deparray(group, kind, &members, 0);
	for (int i = 0; i < members.count; i++) {
		Id member = members.elements[i];
		if (ISRELDEP(member)) {
			const Reldep *relation = GETRELDEP(pool, member);
			if (relation->flags == REL_COND && is_wished(resolver, relation->evr))
				add_member(resolver, relation->name, SOLVER_WEAK);
		} else if (strchr(pool_id2str(pool, member), ':')) {
			add_selection(resolver, pool_id2str(pool, member), SELECTION_NAME);
		} else {
			add_member(resolver, member, SOLVER_WEAK);
		}
	}
	queue_free(&members);
}

static bool add_group(struct resolver *resolver, const char *name)
{
	static const char *const kinds[] = { "group", "environment" };
	Pool *pool = resolver->pool->pool;
	bool found = false;

	for (size_t i = 0; !found && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		autofree char *text = xasprintf("%s:%s", kinds[i], name);
		Id id = pool_str2id(pool, text, 0);
		Id solvable, index;
		if (!id)
			continue;
		/* Every repository may add to a group. */
		FOR_PROVIDES(solvable, index, id)
		{
			found = true;
			add_members(resolver, pool_id2solvable(pool, solvable), SOLVABLE_REQUIRES);
			add_members(resolver, pool_id2solvable(pool, solvable),
				    SOLVABLE_RECOMMENDS);
		}
	}
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

static bool is_native(const Pool *pool, Id solvable)
{
	Id arch = pool->solvables[solvable].arch;
	return arch == ARCH_NOARCH || strcmp(pool_id2str(pool, arch), "x86_64") == 0;
}

/* Where 32 bits are candidates too, a name alone means one that is not of them; which, the versions decide. */
static bool add_native(struct resolver *resolver, const char *wish)
{
	Pool *pool = resolver->pool->pool;
	Queue selection, solvables, native;

	if (strcmp(resolver->pool->metadata->template->arch_word, "x86_64") != 0)
		return false;
	queue_init(&selection);
	queue_init(&solvables);
	queue_init(&native);
	selection_make(pool, &selection, wish, SELECTION_NAME);
	selection_solvables(pool, &selection, &solvables);
	for (int i = 0; i < solvables.count; i++) {
		if (!is_native(pool, solvables.elements[i]))
			continue;
		queue_push(&native, solvables.elements[i]);
		MAPSET(&resolver->asked, solvables.elements[i]);
	}
	bool found = native.count > 0;
	if (found)
		queue_push2(&resolver->jobs, SOLVER_INSTALL | SOLVER_SOLVABLE_ONE_OF,
			    pool_queuetowhatprovides(pool, &native));
	queue_free(&native);
	queue_free(&solvables);
	queue_free(&selection);
	return found;
}

void wish_rpm(struct resolver *resolver, const char *wish)
{
	bool found = *wish == '@' ? add_group(resolver, wish + 1)
				  : add_native(resolver, wish) ||
					    add_selection(resolver, wish, WISH_FLAGS);
	if (!found)
		add_unknown(resolver, wish);
}
