/*
 * Wishes become jobs for libsolv. What a wish may be differs between the packagers. For vzpkg/resolve/ only.
 */
#pragma once

#include <solv/queue.h>

#include "base/strbuf.h"
#include "vzpkg/resolve/closure.h"
#include "vzpkg/resolve/resolve.h"

struct resolver {
	const struct package_pool *pool;
	const struct resolve_request *request;
	struct closure closure; /* deb: what apt would choose */
	Map asked, essential, excluded; /* of solvables */
	Queue jobs;
	Queue obsoleting; /* rpm: solvables that obsolete others, collected with the first name */
	struct strbuf problems; /* a line each */
};

/* A wish that cannot be understood: a line of the error message. */
void resolver_problem(struct resolver *resolver, const char *line);

/* name, name-version, name=version, @PRIORITY. */
void wish_deb(struct resolver *resolver, const char *wish);
/* The newest version of every package that says of itself that it is essential or required. */
void wish_essential_deb(struct resolver *resolver);

/* name, name-version[-release], name.arch, "name = version", /a/file, what a package provides, a pattern of names, @GROUP. */
void wish_rpm(struct resolver *resolver, const char *wish);
