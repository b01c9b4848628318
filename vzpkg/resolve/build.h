/*
 * From libsolv's decision to a plan.
 */
#pragma once

#include <solv/queue.h>

#include "base/error.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/resolve/closure.h"
#include "vzpkg/resolve/plan.h"

struct decision {
	const struct package_pool *pool;
	const Queue *chosen; /* solvables to be installed */
	const Map *asked; /* those asked for by name */
	const Map *essential; /* Essential: yes or Priority: required */
	const struct closure *closure; /* knows who needs whom */
};

int plan_build(const struct decision *decision, struct plan **ret, struct error *err);
