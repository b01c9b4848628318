/*
 * The package store, TEMPLATE/pm/packages: downloaded packages under their digest
 * (sha256/ab/abcdef….deb), shared by all templates and all VEs, safe with several vzpkg at work.
 * A file gets in only when its digest is right, and is hashed again by each run that uses it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/report.h"
#include "vzpkg/fetch/http.h"
#include "vzpkg/resolve/plan.h"

struct store;

/* `pm` is the descriptor of TEMPLATE/pm and must outlive the store. */
int store_open(int pm, struct store **ret, struct error *err);
void store_free(struct store *store);
void store_freep(struct store **store);

/* How many of the plan's packages the store does not hold, and their bytes. */
size_t store_missing(const struct store *store, const struct plan *plan, uint64_t *ret_bytes);

/* Downloads what the plan needs and the store does not hold. With `fetcher` NULL (offline) missing
 * packages are ERROR_FETCH, which names them; so are those of a pinned plan that no repository has any more. What the plan
 * needs is not collected before store_free(). */
int cache_fill(struct store *store, const struct plan *plan, struct fetcher *fetcher,
	       struct report *report, struct error *err);

/* Copies a file of the host to the place of the plan's package `index`, unless that is there. ERROR_CHANGED: it has another digest than the package. */
int store_put(struct store *store, const struct plan *plan, size_t index, int fd,
	      struct error *err);

/* Gives each of the plan's packages a name below the folder `dir`, at the place that it has in a store's. */
int store_export(const struct store *store, const struct plan *plan, int dir, struct error *err);

/* Moves the plan's packages, which were verified there, from another store on the same file system; those that are here already stay. */
int store_adopt(struct store *store, const struct store *from, const struct plan *plan,
		struct error *err);

/*
 * What a build of that template would take: not collected either after this run, until another plan is kept for the template, or
 * none any more.
 */
int store_keep(struct store *store, const char *template, const struct plan *plan,
	       struct error *err);
int store_keep_no_more(struct store *store, const char *template, struct error *err);

/*
 * Opens a package for reading, verified: the whole file is hashed before the descriptor (at offset 0)
 * is handed out. A damaged file is moved out of the way and ERROR_TRUST says so; the next cache_fill()
 * fetches it again.
 */
int store_package_open(struct store *store, const struct plan_package *package, struct error *err);

/* The same of a package that cache_verify() has just seen to be right; librpm verifies what it installs once more. */
int store_package_reopen(struct store *store, const struct plan_package *package,
			 struct error *err);

/* It has the right digest, and is not to be used all the same: moves it out of the way. */
void store_package_refuse(struct store *store, const struct plan_package *package);
