#include "vzpkg/resolve/former.h"

#include <solv/bitmap.h>
#include <solv/pool.h>
#include <solv/queue.h>
#include <solv/repo.h>
#include <string.h>

#include "vzpkg/resolve/build.h"

/* 0: it is not offered, or nothing can be said of it. */
static Id find(const struct package_pool *pool, const struct installed_package *package)
{
	Id name = pool_str2id(pool->pool, package->name, 0);
	struct digest digest;

	for (Id id = 1; name && id < pool->pool->nsolvables; id++) {
		const Solvable *s = pool_id2solvable(pool->pool, id);
		if (s->repo && s->name == name && s->repo->appdata &&
		    strcmp(pool_id2str(pool->pool, s->evr), package->version) == 0 &&
		    strcmp(pool_id2str(pool->pool, s->arch), package->arch) == 0 &&
		    package_digest(pool, id, &digest))
			return id;
	}
	return 0;
}

int resolve_former(const struct package_pool *pool, const struct difference *difference,
		   struct plan **ret, struct error *err)
{
	struct closure closure;
	Queue chosen;
	Map none;
	const struct decision decision = {
		.pool = pool,
		.chosen = &chosen,
		.asked = &none,
		.essential = &none,
		.closure = &closure,
	};

	queue_init(&chosen);
	map_init(&none, pool->pool->nsolvables);
	closure_init(&closure, pool->pool);
	for (size_t i = 0; i < difference->count; i++) {
		const struct installed_package *before = difference->changes[i].before;
		Id id = before ? find(pool, before) : 0;
		if (id)
			queue_pushunique(&chosen, id);
	}
	int status = plan_build(&decision, ret, err);
	closure_release(&closure);
	map_free(&none);
	queue_free(&chosen);
	return status;
}
