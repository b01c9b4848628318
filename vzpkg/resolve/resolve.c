#include "vzpkg/resolve/resolve.h"

#include <solv/bitmap.h>
#include <solv/evr.h>
#include <solv/knownid.h>
#include <solv/solver.h>
#include <solv/transaction.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/resolve/build.h"
#include "vzpkg/resolve/closure.h"
#include "vzpkg/resolve/order.h"
#include "vzpkg/resolve/problem.h"

struct resolver {
	const struct package_pool *pool;
	const struct resolve_request *request;
	struct closure closure;
	Map asked, essential, excluded; /* of solvables */
	Queue jobs;
	struct strbuf problems;
};

static void resolver_init(struct resolver *resolver, const struct package_pool *pool,
			  const struct resolve_request *request)
{
	int count = pool->pool->nsolvables;
	*resolver = (struct resolver){ .pool = pool, .request = request, .problems = STRBUF_INIT };
	closure_init(&resolver->closure, pool->pool);
	map_init(&resolver->asked, count);
	map_init(&resolver->essential, count);
	map_init(&resolver->excluded, count);
	queue_init(&resolver->jobs);
}

static void resolver_release(struct resolver *resolver)
{
	closure_release(&resolver->closure);
	map_free(&resolver->asked);
	map_free(&resolver->essential);
	map_free(&resolver->excluded);
	queue_free(&resolver->jobs);
	strbuf_release(&resolver->problems);
}

static void add_problem(struct resolver *resolver, const char *line)
{
	strbuf_addf(&resolver->problems, "%s%s", resolver->problems.length ? "\n" : "", line);
}

/* ---- wishes ------------------------------------------------------------------------------------------- */

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
	add_problem(resolver, line);
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

static void add_wish(struct resolver *resolver, const char *wish)
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

static void add_excluded(struct resolver *resolver, const char *name)
{
	Pool *pool = resolver->pool->pool;
	Id id = pool_str2id(pool, name, 0);

	if (!id) /* nothing to keep out */
		return;
	for (Id solvable = 2; solvable < pool->nsolvables; solvable++)
		if (pool_id2solvable(pool, solvable)->repo &&
		    pool_id2solvable(pool, solvable)->name == id)
			MAPSET(&resolver->excluded, solvable);
	queue_push2(&resolver->jobs, SOLVER_LOCK | SOLVER_SOLVABLE_NAME, id);
}

/* The newest version of every package that says so of itself. */
static void add_essential(struct resolver *resolver)
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

static void take_request(struct resolver *resolver)
{
	const struct resolve_request *request = resolver->request;

	for (size_t i = 0; request->excluded && i < request->excluded->count; i++)
		add_excluded(resolver, request->excluded->items[i]);
	if (request->essential)
		add_essential(resolver);
	for (size_t i = 0; i < request->packages->count; i++)
		add_wish(resolver, request->packages->items[i]);
}

/* ---- solving -------------------------------------------------------------------------------------------- */

static int unsatisfiable(const struct resolver *resolver, struct error *err)
{
	error_set(err, ERROR_UNSATISFIABLE, "the packages cannot be installed:\n%s",
		  resolver->problems.text);
	return error_hint(err, "change the list of packages, or the repositories");
}

/* What apt would take is favoured, and wished for weakly: where that cannot be, libsolv decides. */
static void favor_closure(struct resolver *resolver)
{
	for (int i = 0; i < resolver->closure.order.count; i++) {
		Id solvable = resolver->closure.order.elements[i];
		queue_push2(&resolver->jobs, SOLVER_FAVOR | SOLVER_SOLVABLE, solvable);
		queue_push2(&resolver->jobs, SOLVER_INSTALL | SOLVER_SOLVABLE | SOLVER_WEAK,
			    solvable);
	}
}

static int solve(struct resolver *resolver, Queue *chosen, struct error *err)
{
	Solver *solver = solver_create(resolver->pool->pool);
	int ret = 0;

	solver_set_flag(solver, SOLVER_FLAG_IGNORE_RECOMMENDED, !resolver->request->recommends);
	if (solver_solve(solver, &resolver->jobs) != 0) {
		problems_describe(resolver->pool, solver, &resolver->problems);
		ret = unsatisfiable(resolver, err);
	} else {
		Transaction *transaction = solver_create_transaction(solver);
		for (int i = 0; i < transaction->steps.count; i++)
			queue_push(chosen, transaction->steps.elements[i]);
		transaction_free(transaction);
	}
	solver_free(solver);
	return ret;
}

static int solve_and_build(struct resolver *resolver, struct plan **ret, struct error *err)
{
	Queue chosen;

	queue_init(&chosen);
	int status = solve(resolver, &chosen, err);
	if (status == 0) {
		struct decision decision = {
			.pool = resolver->pool,
			.chosen = &chosen,
			.asked = &resolver->asked,
			.essential = &resolver->essential,
			.closure = &resolver->closure,
		};
		status = plan_build(&decision, ret, err);
	}
	queue_free(&chosen);
	return status;
}

int resolve(struct package_pool *pool, const struct resolve_request *request, struct plan **ret,
	    struct error *err)
{
	AUTO(resolver_release) struct resolver resolver;

	resolver_init(&resolver, pool, request);
	take_request(&resolver);
	if (resolver.problems.length)
		return unsatisfiable(&resolver, err);
	closure_complete(&resolver.closure, pool, request->recommends, &resolver.excluded);
	favor_closure(&resolver);
	if (solve_and_build(&resolver, ret, err) < 0)
		return -1;
	plan_order(*ret);
	return 0;
}
