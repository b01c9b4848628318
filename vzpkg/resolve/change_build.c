#include <solv/bitmap.h>
#include <solv/evr.h>
#include <solv/knownid.h>
#include <solv/solver.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/resolve/build.h"
#include "vzpkg/resolve/change_work.h"
#include "vzpkg/resolve/order.h"

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

static int build_plan(struct changer *changer, struct plan **ret, struct error *err)
{
	struct resolver *resolver = &changer->resolver;
	const struct decision decision = {
		.pool = changer->pool,
		.chosen = &changer->chosen,
		.asked = &resolver->asked,
		.essential = &resolver->essential,
		.closure = &resolver->closure,
	};

	for (int i = 0; i < changer->chosen.count; i++) {
		Id id = changer->chosen.elements[i];
		if (package_is_essential(changer->pool, id) ||
		    package_priority(changer->pool, id) == PRIORITY_REQUIRED)
			MAPSET(&resolver->essential, id);
	}
	if (plan_build(&decision, ret, err) < 0)
		return -1;
	plan_order(*ret);
	return 0;
}

/* ---- the difference ---------------------------------------------------------------------------------------------- */

/* The one that goes and that the package takes the place of: its place in `removed`, or -1. */
static int find_before(const struct changer *changer, const struct plan_package *package,
		       const bool *used)
{
	int same_name = -1;

	for (int i = 0; i < changer->removed.count; i++) {
		const struct installed_package *before =
			changer_package(changer, changer->removed.elements[i]);
		if (used[i] || strcmp(before->name, package->name) != 0)
			continue;
		if (strcmp(before->arch, package->arch) == 0)
			return i;
		same_name = i;
	}
	return same_name;
}

/* What takes the place of something is asked for as that was, unless it is asked for now. */
static void replace(const struct changer *changer, struct plan_package *package,
		    const struct installed_package *before)
{
	bool asked = package->reason && strcmp(package->reason, "asked for") == 0;

	package->automatic = before->automatic && !asked;
	if (changer->request->verb == CHANGE_UPDATE || !package->reason) {
		free(package->reason);
		package->reason = xasprintf("newer than %s", before->version);
	}
}

/* The chosen solvable that has become this package of the plan. */
static const Solvable *solvable_of(const struct changer *changer,
				   const struct plan_package *package)
{
	Pool *pool = changer->pool->pool;

	for (int i = 0; i < changer->chosen.count; i++) {
		const Solvable *s = pool_id2solvable(pool, changer->chosen.elements[i]);
		if (strcmp(pool_id2str(pool, s->name), package->name) == 0 &&
		    strcmp(pool_id2str(pool, s->evr), package->version) == 0 &&
		    strcmp(pool_id2str(pool, s->arch), package->arch) == 0)
			return s;
	}
	return NULL;
}

static bool takes_place_of(Pool *pool, const Solvable *s, Id other)
{
	const Id *obsoletes = s && s->obsoletes ? s->repo->idarraydata + s->obsoletes : NULL;

	for (; obsoletes && *obsoletes; obsoletes++)
		if (pool_match_nevr(pool, pool_id2solvable(pool, other), *obsoletes))
			return true;
	return false;
}

/* rpm: what takes the place of something of another name is asked for as that was. */
static void inherit(const struct changer *changer, struct plan_package *package)
{
	const Queue *removed = &changer->removed;
	const Solvable *s = package->automatic ? solvable_of(changer, package) : NULL;

	for (int i = 0; s && i < removed->count; i++)
		if (takes_place_of(changer->pool->pool, s, removed->elements[i]))
			package->automatic &=
				changer_package(changer, removed->elements[i])->automatic;
}

static void build_difference(const struct changer *changer, struct plan *plan,
			     struct difference *ret)
{
	const Queue *removed = &changer->removed;
	autofree bool *used = xcalloc((size_t)removed->count + 1, sizeof(*used));

	*ret = (struct difference){
		.changes = xcalloc(plan->count + (size_t)removed->count + 1, sizeof(*ret->changes)),
	};
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_package *package = &plan->packages[i];
		int at = find_before(changer, package, used);
		struct package_change *change = &ret->changes[ret->count++];
		*change = (struct package_change){ .kind = CHANGE_ADD, .package = i };
		if (at >= 0) {
			used[at] = true;
			change->kind = CHANGE_REPLACE;
			change->before = changer_package(changer, removed->elements[at]);
			replace(changer, package, change->before);
		} else {
			inherit(changer, package);
		}
		if (!package->reason)
			package->reason = xstrdup("needed");
	}
	for (int i = 0; i < removed->count; i++)
		if (!used[i])
			ret->changes[ret->count++] = (struct package_change){
				.kind = CHANGE_REMOVE,
				.before = changer_package(changer, removed->elements[i]),
			};
}

/* ---- what is to be told besides ---------------------------------------------------------------------------------- */

static void note_asked(const struct changer *changer)
{
	const Solvable *s;
	Id id;

	FOR_REPO_SOLVABLES(changer->repo, id, s)
	{
		const struct installed_package *package = changer_package(changer, id);
		if (MAPTST(&changer->resolver.asked, id) && package->automatic)
			strvec_push(&changer->notes->asked, package->name);
	}
}

static bool is_for_any(Id arch)
{
	return arch == ARCH_NOARCH || arch == ARCH_ALL;
}

static bool is_same_kind(const Solvable *a, const Solvable *b)
{
	return a->name == b->name &&
	       (a->arch == b->arch || is_for_any(a->arch) || is_for_any(b->arch));
}

/* The newest version in the repositories, if it is newer; or 0. */
static Id newest_of(const struct changer *changer, Id installed)
{
	Pool *pool = changer->pool->pool;
	const Solvable *s = pool_id2solvable(pool, installed);
	Id evr = s->evr, newest = 0, id, index;

	FOR_PROVIDES(id, index, s->name)
	{
		const Solvable *other = pool_id2solvable(pool, id);
		if (!is_same_kind(s, other) || other->repo == changer->repo ||
		    pool_evrcmp(pool, other->evr, evr, EVRCMP_COMPARE) <= 0)
			continue;
		newest = id;
		evr = other->evr;
	}
	return newest;
}

static bool is_removed(const struct changer *changer, Id installed)
{
	for (int i = 0; i < changer->removed.count; i++)
		if (changer->removed.elements[i] == installed)
			return true;
	return false;
}

static void note_kept(const struct changer *changer)
{
	Pool *pool = changer->pool->pool;

	for (int i = 0; i < changer->scope.count; i++) {
		Id id = changer->scope.elements[i], newest = newest_of(changer, id);
		if (!newest || is_removed(changer, id))
			continue;
		const struct installed_package *package = changer_package(changer, id);
		const char *why = package->held ? "it is held"
				  : MAPTST(&changer->locked, id)
					  ? "it is installed for another architecture, too"
					  : "what is installed does not allow it";
		strvec_pushf(&changer->notes->kept, "%s: not %s: %s", package->name,
			     pool_id2str(pool, pool_id2solvable(pool, newest)->evr), why);
	}
}

static void note(const struct changer *changer)
{
	if (changer->request->verb == CHANGE_INSTALL)
		note_asked(changer);
	else if (changer->request->verb == CHANGE_UPDATE)
		note_kept(changer);
}

int change_build(struct changer *changer, struct plan **ret_plan, struct difference *ret_difference,
		 struct error *err)
{
	AUTO(plan_freep) struct plan *plan = NULL;

	if (build_plan(changer, &plan, err) < 0)
		return -1;
	build_difference(changer, plan, ret_difference);
	if (changer->notes)
		note(changer);
	*ret_plan = steal_ptr(plan);
	return 0;
}
