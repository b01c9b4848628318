/*
 * Which installed packages the repositories do not have.
 */
#pragma once

#include "vzpkg/metadata/installed.h"
#include "vzpkg/metadata/pool.h"

/*
 * Sets ret[i] for each package that cannot have come from these repositories: they have none of its name, or only older ones. One that is
 * older than theirs is not such: it only waits for an update.
 */
void origin_mark_foreign(const struct package_pool *pool, const struct installed *installed,
			 bool *ret);
