/*
 * The package files of a plan: in the store, verified.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vzpkg/app.h"
#include "vzpkg/cache/store.h"
#include "vzpkg/fetch/package_signature.h"
#include "vzpkg/fetch/signature.h"

struct packages {
	struct store *store;
	struct keyring *keyring; /* rpm */
	struct package_keys *keys; /* rpm */
	int64_t newest; /* rpm: newest file time in them, Unix seconds */
};

#define PACKAGES_INIT ((struct packages){ 0 })

/* Downloads what the store lacks, at most `jobs` packages being verified at a time. Packages of the rpm kind are verified by
 * signature; for those of the deb kind it is left to their first use. */
int packages_fill(struct app *app, const struct template *template, struct app_plan *solved,
		  unsigned jobs, struct packages *ret, struct error *err);

/* The same, and each file of the deb kind is hashed too: one that is damaged is downloaded again. */
int packages_fill_verified(struct app *app, const struct template *template,
			   struct app_plan *solved, unsigned jobs, struct packages *ret,
			   struct error *err);

void packages_release(struct packages *packages);
