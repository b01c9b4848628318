#include "vzpkg/resolve/change.h"

#include <solv/bitmap.h>
#include <solv/evr.h>
#include <solv/solver.h>
#include <solv/transaction.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/metadata/installed_repo.h"
#include "vzpkg/resolve/change_work.h"
#include "vzpkg/resolve/problem.h"

/* ---- what is installed, in the pool ------------------------------------------------------------------------------ */

/* Of the repositories' packages only some may be considered; what is there is there. */
static void consider(Pool *pool, const Repo *repo)
{
	if (!pool->considered)
		return;
	map_grow(pool->considered, pool->nsolvables);
	for (Id id = repo->start; id < repo->end; id++)
		MAPSET(pool->considered, id);
}

/* deb: libsolv takes Replaces for the right to take another package's place; to dpkg it is one to take files over. */
static void ignore_replaces(Pool *pool)
{
	Solvable *s;
	Id id;

	FOR_POOL_SOLVABLES(id)
	{
		s = pool_id2solvable(pool, id);
		s->obsoletes = 0;
	}
}

static void index_pool(const struct package_pool *pool)
{
	if (pool->metadata->template->format == PACKAGE_RPM)
		pool_addfileprovides(pool->pool);
	pool_createwhatprovides(pool->pool);
}

static int fill(struct changer *changer, struct error *err)
{
	const struct installed_set *set = changer->set;
	autofree Id *ids = xcalloc(set->installed.count + 1, sizeof(*ids));

	if (installed_repo_fill(set, changer->repo, ids, err) < 0)
		return -1;
	changer->packages = xcalloc(set->installed.count + 1, sizeof(*changer->packages));
	for (size_t i = 0; i < set->installed.count; i++)
		if (ids[i])
			changer->packages[ids[i] - changer->repo->start] =
				&set->installed.packages[i];
	return 0;
}

static void lock_packages(struct changer *changer);

int changer_open(struct changer *changer, struct package_pool *pool,
		 const struct installed_set *set, struct error *err)
{
	changer->pool = pool;
	changer->set = set;
	changer->repo = repo_create(pool->pool, "installed");
	if (fill(changer, err) < 0)
		return -1;
	consider(pool->pool, changer->repo);
	if (set->format == PACKAGE_DEB)
		ignore_replaces(pool->pool);
	pool_set_installed(pool->pool, changer->repo);
	index_pool(pool);
	resolver_init(&changer->resolver, pool, changer->repo);
	map_init(&changer->locked, pool->pool->nsolvables);
	map_init(&changer->by_source, pool->pool->nsolvables);
	queue_init(&changer->scope);
	queue_init(&changer->chosen);
	queue_init(&changer->removed);
	lock_packages(changer);
	return 0;
}

void changer_release(struct changer *changer)
{
	Pool *pool = changer->pool ? changer->pool->pool : NULL;

	if (changer->resolver.pool) {
		resolver_release(&changer->resolver);
		map_free(&changer->locked);
		map_free(&changer->by_source);
		queue_free(&changer->scope);
		queue_free(&changer->chosen);
		queue_free(&changer->removed);
	}
	free(changer->packages);
	if (!changer->repo)
		return;
	pool_set_installed(pool, NULL);
	repo_free(changer->repo, 1);
	pool_createwhatprovides(pool);
}

const struct installed_package *changer_package(const struct changer *changer, Id installed)
{
	return changer->packages[installed - changer->repo->start];
}

/* ---- what stays -------------------------------------------------------------------------------------------------- */

static bool has_foreign(const struct installed_set *set, const char *name)
{
	for (size_t i = 0; i < set->installed.count; i++)
		if (installed_is_foreign(set, i) &&
		    strcmp(set->installed.packages[i].name, name) == 0)
			return true;
	return false;
}

/* Held ones, and those that have to be of one version with a package of an architecture that we leave alone. */
static void lock_packages(struct changer *changer)
{
	const struct installed_set *set = changer->set;
	bool any_foreign = false;
	const Solvable *s;
	Id id;

	for (size_t i = 0; i < set->installed.count; i++)
		any_foreign |= installed_is_foreign(set, i);
	FOR_REPO_SOLVABLES(changer->repo, id, s)
	{
		const struct installed_package *package = changer_package(changer, id);
		if (!package->held && !(any_foreign && has_foreign(set, package->name)))
			continue;
		MAPSET(&changer->locked, id);
		queue_push2(&changer->resolver.jobs, SOLVER_LOCK | SOLVER_SOLVABLE, id);
	}
}

/* rpm: kernels, and what else is there in several versions, are added and not replaced. */
static void keep_versions(struct changer *changer)
{
	const struct installed *installed = &changer->set->installed;
	Pool *pool = changer->pool->pool;

	for (size_t i = 1; i < installed->count; i++) {
		const struct installed_package *a = &installed->packages[i - 1];
		const struct installed_package *b = &installed->packages[i];
		if (strcmp(a->name, b->name) == 0 && strcmp(a->arch, b->arch) == 0)
			queue_push2(&changer->resolver.jobs,
				    SOLVER_MULTIVERSION | SOLVER_SOLVABLE_NAME,
				    pool_str2id(pool, b->name, 1));
	}
}

static void keep_closure(struct changer *changer)
{
	const Solvable *s;
	Id id;

	FOR_REPO_SOLVABLES(changer->repo, id, s)
	{
		closure_keep(&changer->resolver.closure, id);
	}
}

/* ---- wishes ------------------------------------------------------------------------------------------------------ */

static bool is_rpm(const struct changer *changer)
{
	return changer->set->format == PACKAGE_RPM;
}

static void wish_to_install(struct changer *changer)
{
	const struct strvec *wishes = changer->request->wishes;

	for (size_t i = 0; i < wishes->count; i++)
		(is_rpm(changer) ? wish_rpm : wish_deb)(&changer->resolver, wishes->items[i]);
}

/* What an update or an erasure is about. */
static void find_scope(struct changer *changer)
{
	const struct change_request *request = changer->request;
	const Solvable *s;
	Id id;

	for (size_t i = 0; request->wishes && i < request->wishes->count; i++) {
		const char *wish = request->wishes->items[i];
		if (wish_installed(&changer->resolver, wish, &changer->scope) ||
		    request->only_if_installed)
			continue;
		autofree char *line = xasprintf("%s is not installed", wish);
		resolver_problem(&changer->resolver, line);
	}
	if (request->wishes && request->wishes->count)
		return;
	FOR_REPO_SOLVABLES(changer->repo, id, s)
	{
		queue_push(&changer->scope, id);
	}
}

/* deb: what is newer is a root of the closure, so that what it needs anew is what apt would choose. */
static void wish_to_update(struct changer *changer)
{
	Pool *pool = changer->pool->pool;

	find_scope(changer);
	for (int i = 0; i < changer->scope.count; i++) {
		Id id = changer->scope.elements[i];
		const Solvable *s = pool_id2solvable(pool, id);
		if (MAPTST(&changer->locked, id))
			continue;
		queue_push2(&changer->resolver.jobs, SOLVER_UPDATE | SOLVER_SOLVABLE, id);
		Id newest = is_rpm(changer) ? 0 : closure_candidate(changer->pool, s->name, NULL);
		if (newest && pool_id2solvable(pool, newest)->name == s->name &&
		    pool_evrcmp(pool, pool_id2solvable(pool, newest)->evr, s->evr, EVRCMP_COMPARE) >
			    0)
			closure_add(&changer->resolver.closure, changer->pool, newest);
	}
}

/* ---- solving ----------------------------------------------------------------------------------------------------- */

static int unsatisfiable(const struct changer *changer, struct error *err)
{
	static const char *const verbs[] = {
		[CHANGE_INSTALL] = "installed",
		[CHANGE_UPDATE] = "updated",
		[CHANGE_ERASE] = "removed",
	};
	return error_set(err, ERROR_UNSATISFIABLE, "the packages cannot be %s:\n%s",
			 verbs[changer->request->verb], changer->resolver.problems.text);
}

static void set_flags(const struct changer *changer, Solver *solver)
{
	bool rpm = is_rpm(changer);

	solver_set_flag(solver, SOLVER_FLAG_IGNORE_RECOMMENDED, !changer->request->recommends);
	/* Who built a package is not known of what is installed. */
	solver_set_flag(solver, SOLVER_FLAG_ALLOW_VENDORCHANGE, 1);
	/* As dnf sets them. */
	solver_set_flag(solver, SOLVER_FLAG_BEST_OBEY_POLICY, rpm);
	solver_set_flag(solver, SOLVER_FLAG_YUM_OBSOLETES, rpm);
}

static bool is_replaced(const struct changer *changer, Id installed)
{
	Pool *pool = changer->pool->pool;

	for (int i = 0; i < changer->chosen.count; i++)
		if (pool_id2solvable(pool, changer->chosen.elements[i])->name ==
		    pool_id2solvable(pool, installed)->name)
			return true;
	return false;
}

/* deb: nothing has the right to take the place of something of another name. */
static int check_removed(struct changer *changer, struct error *err)
{
	for (int i = 0; !is_rpm(changer) && i < changer->removed.count; i++) {
		Id id = changer->removed.elements[i];
		if (is_replaced(changer, id))
			continue;
		autofree char *line = xasprintf("%s would have to be removed",
						changer_package(changer, id)->name);
		resolver_problem(&changer->resolver, line);
	}
	return changer->resolver.problems.length ? unsatisfiable(changer, err) : 0;
}

static void take_steps(struct changer *changer, Solver *solver)
{
	Pool *pool = changer->pool->pool;
	Transaction *transaction = solver_create_transaction(solver);

	for (int i = 0; i < transaction->steps.count; i++) {
		Id id = transaction->steps.elements[i];
		if (pool_id2solvable(pool, id)->repo == changer->repo)
			queue_push(&changer->removed, id);
		else if (!resolver_is_group(pool, id))
			queue_push(&changer->chosen, id);
	}
	transaction_free(transaction);
}

static int solve(struct changer *changer, struct error *err)
{
	struct resolver *resolver = &changer->resolver;
	Solver *solver = solver_create(changer->pool->pool);
	int ret = 0;

	set_flags(changer, solver);
	if (solver_solve(solver, &resolver->jobs) != 0) {
		problems_describe(changer->pool, solver, &resolver->problems);
		problems_remedy(changer->pool, solver, &resolver->problems);
		ret = unsatisfiable(changer, err);
	} else {
		take_steps(changer, solver);
		if (!is_rpm(changer))
			change_prune(changer);
	}
	solver_free(solver);
	return ret;
}

static int solve_all(struct changer *changer, struct error *err)
{
	do {
		queue_empty(&changer->chosen);
		queue_empty(&changer->removed);
		resolver_favor_closure(&changer->resolver, changer->request->recommends);
		if (solve(changer, err) < 0)
			return -1;
	} while (!is_rpm(changer) && !changer->request->local && change_by_source(changer));
	return check_removed(changer, err);
}

static int add_or_update(struct changer *changer, struct error *err)
{
	keep_closure(changer);
	if (is_rpm(changer))
		keep_versions(changer);
	if (changer->request->local)
		change_local(changer);
	else if (changer->request->verb == CHANGE_INSTALL)
		wish_to_install(changer);
	else
		wish_to_update(changer);
	if (changer->resolver.problems.length)
		return unsatisfiable(changer, err);
	return solve_all(changer, err);
}

static int erase(struct changer *changer, struct error *err)
{
	if (changer->request->wishes && changer->request->wishes->count)
		find_scope(changer);
	if (changer->resolver.problems.length)
		return unsatisfiable(changer, err);
	return change_erase(changer, err);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static int change(struct changer *changer, struct package_pool *pool,
		  const struct installed_set *set, struct plan **ret_plan,
		  struct difference *ret_difference, struct error *err)
{
	if (changer_open(changer, pool, set, err) < 0)
		return -1;
	if (changer->request->verb == CHANGE_ERASE ? erase(changer, err) < 0
						   : add_or_update(changer, err) < 0)
		return -1;
	return change_build(changer, ret_plan, ret_difference, err);
}

int resolve_change(struct package_pool *pool, const struct installed_set *set,
		   const struct change_request *request, struct plan **ret_plan,
		   struct difference *ret_difference, struct change_notes *notes, struct error *err)
{
	AUTO(changer_release) struct changer changer = { .request = request, .notes = notes };
	int status = change(&changer, pool, set, ret_plan, ret_difference, err);

	if (pool->trouble.kind == ERROR_NONE)
		return status;
	if (status == 0) {
		plan_freep(ret_plan);
		difference_release(ret_difference);
	}
	return resolver_in_trouble(pool, err);
}

void change_notes_release(struct change_notes *notes)
{
	strvec_release(&notes->asked);
	strvec_release(&notes->kept);
}
