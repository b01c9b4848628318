/*
 * Wishes become jobs for libsolv. What a wish may be differs between the packagers. For vzpkg/resolve/ only.
 */
#pragma once

#include <solv/queue.h>
#include <solv/repo.h>

#include "base/strbuf.h"
#include "vzpkg/resolve/closure.h"
#include "vzpkg/resolve/resolve.h"

struct resolver {
	const struct package_pool *pool;
	Repo *installed; /* what is in the VE that is to be changed; NULL: nothing */
	struct closure closure; /* deb: what apt would choose */
	Map asked, essential, excluded; /* of solvables; `asked` may have installed ones */
	Queue jobs;
	Queue obsoleting; /* rpm: solvables that obsolete others, collected with the first name */
	struct strbuf problems; /* a line each */
};

/* `installed` may be NULL. */
void resolver_init(struct resolver *resolver, const struct package_pool *pool, Repo *installed);
void resolver_release(struct resolver *resolver);

/* deb: what apt would take, with all it needs, is favoured, and wished for weakly: where that cannot be, libsolv decides. */
void resolver_favor_closure(struct resolver *resolver, bool recommends);

/* "group:core" is no package. */
bool resolver_is_group(Pool *pool, Id solvable);

/* What libsolv asked for (lists of files) and could not get becomes the error. Returns -1. */
int resolver_in_trouble(struct package_pool *pool, struct error *err);

/* The installed package of that name (any of them), or 0. */
Id resolver_installed_named(const struct resolver *resolver, Id name);

/* A wish that cannot be understood: a line of the error message. */
void resolver_problem(struct resolver *resolver, const char *line);

/* name, name-version, name=version, @PRIORITY. */
void wish_deb(struct resolver *resolver, const char *wish);
/* The newest version of every package that says of itself that it is essential or required. */
void wish_essential_deb(struct resolver *resolver);

/* name, name-version[-release], name.arch, "name = version", /a/file, what a package provides, a pattern of names, @GROUP. */
void wish_rpm(struct resolver *resolver, const char *wish);

/* Installed packages that a wish means; of a group, those of its members that are installed. false: there is none, or no such group. */
bool wish_installed(struct resolver *resolver, const char *wish, Queue *ret);
bool group_installed_deb(struct resolver *resolver, const char *group, Queue *ret);
bool group_installed_rpm(struct resolver *resolver, const char *group, Queue *ret);
