/*
 * A plan: which packages, in which order, from where. Plain data, without libsolv; everything after
 * resolve/ works on it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/strvec.h"

struct plan_repository {
	char *text; /* the repository line as metadata writes it */
	struct strvec base_urls;
	char signer[41]; /* fingerprint of the key that signed the repository */
	bool packages_signed; /* rpm: no key did, so that each package has to be signed by one of the template's */
};

struct plan_package {
	char *name, *version, *arch;
	char *location; /* relative to a base URL */
	size_t repository; /* index into plan.repositories */
	uint64_t size; /* bytes of the package file */
	uint64_t installed_size; /* bytes */
	struct digest digest; /* of the package file, from signed metadata */
	bool essential; /* Essential: yes, or Priority: required */
	bool automatic; /* not asked for by name: a dependency */
	bool base; /* in the closure of the essential ones: installed in stage 1 */

	/* Indices into plan.packages: the packages of the plan that satisfy its relations. */
	size_t *pre_depends;
	size_t pre_depend_count;
	size_t *depends; /* without the pre-depends */
	size_t depend_count;

	char signer
		[41]; /* rpm: fingerprint of the key that signed it, once that was looked at; "": none, or not known */

	char *reason; /* why it is in: "asked for", "essential", "needed by systemd" */
};

struct plan {
	struct plan_repository *repositories;
	size_t repository_count;
	struct plan_package *packages; /* in an order that satisfies pre-dependencies */
	size_t count;
	uint64_t size, installed_size; /* sums */
	bool pinned; /* by a lock file: repositories may have moved on */
};

/* SHA-256 over name, version, arch and digest of every package, sorted: equal plans, equal value. */
void plan_digest(const struct plan *plan, struct digest *ret);

void plan_free(struct plan *plan);
void plan_freep(struct plan **plan);
