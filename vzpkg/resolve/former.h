/*
 * What a change replaces or removes, as packages that could be installed again.
 */
#pragma once

#include "base/error.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/resolve/difference.h"
#include "vzpkg/resolve/plan.h"

/* A plan of those of them that the repositories still offer, of the same name, version and architecture; what is not offered is not in it. */
int resolve_former(const struct package_pool *pool, const struct difference *difference,
		   struct plan **ret, struct error *err);
