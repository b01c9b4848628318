/*
 * Which paths of a tree belong to which package, by the guest's own package database, and what is nobody's: what
 * scripts have made.
 */
#pragma once

#include "base/error.h"
#include "base/strvec.h"
#include "image/walk.h"
#include "vzpkg/install/session.h"

struct owned_path {
	char *path; /* as in a walk: no "/" in front, links among its folders followed */
	char *package; /* its name */
};

struct ownership {
	struct owned_path *paths; /* sorted by path */
	size_t count, capacity;
};

#define OWNERSHIP_INIT ((struct ownership){ 0 })

/* From the tree of the session's job; rpm's is asked in the VE, which has to run. */
int ownership_read(struct session *session, struct ownership *ret, struct error *err);
void ownership_release(struct ownership *ownership);

/* A package that owns it, or NULL. */
const char *ownership_find(const struct ownership *ownership, const char *path);

/* What the system's tools keep for themselves: their databases, caches, logs, links of alternatives. */
bool ownership_is_kept(const char *path);

/* Appends the paths of the walk that no package owns and that are not so kept: what is, changes with the packages. Sorted by
 * bytes. */
void ownership_unowned(const struct ownership *ownership, const struct walk *walk,
		       struct strvec *ret);
