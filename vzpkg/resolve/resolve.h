/*
 * Wishes become a plan. libsolv decides; for Debian it is led to the choices that apt makes (first
 * alternative, real before virtual, priority, version), so that the closure is the one that users
 * get from apt-get.
 */
#pragma once

#include "base/error.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/resolve/plan.h"

struct resolve_request {
	const struct strvec *packages; /* wishes: vzpkg/resolve/wish.h */
	const struct strvec *excluded;
	bool essential; /* all Essential and Priority: required packages too (a template; deb) */
	bool recommends; /* follow Recommends */
};

/* Cannot be done: ERROR_UNSATISFIABLE with every problem in words, a line each. */
int resolve(struct package_pool *pool, const struct resolve_request *request, struct plan **ret,
	    struct error *err);
