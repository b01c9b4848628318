/*
 * Packages of the rpm kind say themselves what they are and who made them: whether that is true is looked at when they enter the store, before
 * anything of them is used.
 */
#pragma once

#include "base/error.h"
#include "base/report.h"
#include "vzpkg/cache/store.h"
#include "vzpkg/fetch/package_signature.h"

/*
 * Verifies every package of the plan, `jobs` at a time: its signature, if its repository is not signed, and that it is the package
 * that the metadata says. One that is refused is moved out of the way. *newest: the newest file time in them, Unix
 * seconds. Fills in who signed them. Progress in bytes of package files.
 */
int cache_verify(struct store *store, struct plan *plan, const struct package_keys *keys,
		 unsigned jobs, struct report *report, int64_t *newest, struct error *err);

/*
 * One package of it, for whoever uses its file: that, open at its beginning. What the package says of itself is released by the caller, also after a failure.
 */
int cache_verify_package(struct store *store, const struct plan *plan, size_t index,
			 const struct package_keys *keys, struct package_identity *ret,
			 struct error *err);
