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
#include "vzpkg/resolve/order.h"
#include "vzpkg/resolve/problem.h"
#include "vzpkg/resolve/wish.h"

void resolver_init(struct resolver *resolver, const struct package_pool *pool, Repo *installed)
{
	int count = pool->pool->nsolvables;
	*resolver = (struct resolver){
		.pool = pool,
		.installed = installed,
		.problems = STRBUF_INIT,
	};
	closure_init(&resolver->closure, pool->pool);
	map_init(&resolver->asked, count);
	map_init(&resolver->essential, count);
	map_init(&resolver->excluded, count);
	queue_init(&resolver->jobs);
	queue_init(&resolver->obsoleting);
}

void resolver_release(struct resolver *resolver)
{
	closure_release(&resolver->closure);
	map_free(&resolver->asked);
	map_free(&resolver->essential);
	map_free(&resolver->excluded);
	queue_free(&resolver->jobs);
	queue_free(&resolver->obsoleting);
	strbuf_release(&resolver->problems);
}

Id resolver_installed_named(const struct resolver *resolver, Id name)
{
	Pool *pool = resolver->pool->pool;
	Id solvable, index;

	FOR_PROVIDES(solvable, index, name)
	{
		const Solvable *s = pool_id2solvable(pool, solvable);
		if (resolver->installed && s->repo == resolver->installed && s->name == name)
			return solvable;
	}
	return 0;
}

void resolver_problem(struct resolver *resolver, const char *line)
{
	strbuf_addf(&resolver->problems, "%s%s", resolver->problems.length ? "\n" : "", line);
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

static void take_request(struct resolver *resolver, const struct resolve_request *request)
{
	bool rpm = resolver->pool->metadata->template->format == PACKAGE_RPM;

	for (size_t i = 0; request->excluded && i < request->excluded->count; i++)
		add_excluded(resolver, request->excluded->items[i]);
	if (request->essential && !rpm)
		wish_essential_deb(resolver);
	for (size_t i = 0; i < request->packages->count; i++)
		(rpm ? wish_rpm : wish_deb)(resolver, request->packages->items[i]);
}

/* ---- solving -------------------------------------------------------------------------------------------- */

static int unsatisfiable(const struct resolver *resolver, struct error *err)
{
	error_set(err, ERROR_UNSATISFIABLE, "the packages cannot be installed:\n%s",
		  resolver->problems.text);
	return error_hint(err, "change the list of packages, or the repositories");
}

void resolver_favor_closure(struct resolver *resolver, bool recommends)
{
	closure_complete(&resolver->closure, resolver->pool, recommends, &resolver->excluded);
	for (int i = 0; i < resolver->closure.order.count; i++) {
		Id solvable = resolver->closure.order.elements[i];
		queue_push2(&resolver->jobs, SOLVER_FAVOR | SOLVER_SOLVABLE, solvable);
		queue_push2(&resolver->jobs, SOLVER_INSTALL | SOLVER_SOLVABLE | SOLVER_WEAK,
			    solvable);
	}
}

bool resolver_is_group(Pool *pool, Id solvable)
{
	return strchr(pool_id2str(pool, pool_id2solvable(pool, solvable)->name), ':') != NULL;
}

static int solve(struct resolver *resolver, bool recommends, Queue *chosen, struct error *err)
{
	Solver *solver = solver_create(resolver->pool->pool);
	int ret = 0;

	solver_set_flag(solver, SOLVER_FLAG_IGNORE_RECOMMENDED, !recommends);
	if (solver_solve(solver, &resolver->jobs) != 0) {
		problems_describe(resolver->pool, solver, &resolver->problems);
		ret = unsatisfiable(resolver, err);
	} else {
		Transaction *transaction = solver_create_transaction(solver);
		for (int i = 0; i < transaction->steps.count; i++)
			if (!resolver_is_group(resolver->pool->pool,
					       transaction->steps.elements[i]))
				queue_push(chosen, transaction->steps.elements[i]);
		transaction_free(transaction);
	}
	solver_free(solver);
	return ret;
}

static int solve_and_build(struct resolver *resolver, bool recommends, struct plan **ret,
			   struct error *err)
{
	Queue chosen;

	queue_init(&chosen);
	int status = solve(resolver, recommends, &chosen, err);
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

int resolver_in_trouble(struct package_pool *pool, struct error *err)
{
	if (err)
		error_move(err, &pool->trouble);
	return -1;
}

int resolve(struct package_pool *pool, const struct resolve_request *request, struct plan **ret,
	    struct error *err)
{
	AUTO(resolver_release) struct resolver resolver;

	resolver_init(&resolver, pool, NULL);
	take_request(&resolver, request);
	if (pool->trouble.kind != ERROR_NONE)
		return resolver_in_trouble(pool, err);
	if (resolver.problems.length)
		return unsatisfiable(&resolver, err);
	resolver_favor_closure(&resolver, request->recommends);
	int status = solve_and_build(&resolver, request->recommends, ret, err);
	if (pool->trouble.kind != ERROR_NONE) {
		plan_freep(ret);
		return resolver_in_trouble(pool, err);
	}
	if (status < 0)
		return -1;
	plan_order(*ret);
	return 0;
}
