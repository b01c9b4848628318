#include "vzpkg/resolve/origin.h"

#include <solv/evr.h>

static bool is_foreign(Pool *pool, const struct installed_package *package)
{
	Id name = pool_str2id(pool, package->name, 0), solvable, *index;

	if (!name)
		return true;
	for (index = pool_whatprovides_ptr(pool, name); (solvable = *index++);) {
		const Solvable *s = pool_id2solvable(pool, solvable);
		if (s->name == name && s->repo != pool->installed &&
		    pool_evrcmp_str(pool, pool_id2str(pool, s->evr), package->version,
				    EVRCMP_COMPARE) >= 0)
			return false;
	}
	return true;
}

void origin_mark_foreign(const struct package_pool *pool, const struct installed *installed,
			 bool *ret)
{
	for (size_t i = 0; i < installed->count; i++)
		ret[i] = is_foreign(pool->pool, &installed->packages[i]);
}
