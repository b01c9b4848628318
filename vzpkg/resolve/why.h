/*
 * Why a package is installed: who needs it, and who needs that one, up to a package that somebody asked for.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "vzpkg/metadata/installed.h"

enum why_reason {
	WHY_ASKED, /* it is there because somebody asked for it (rpm: if that is not known, nothing needs it) */
	WHY_ESSENTIAL, /* … because the system is built upon it (deb: Essential, or Priority: required) */
	WHY_NOBODY, /* nothing needs it any more, and nobody asked for it: the VE's autoremove would remove it */
};

/* A package and how the next one of the chain needs it. */
struct why_link {
	const struct installed_package *package; /* borrowed from the set */
	char *relation; /* of the next package: "needs libc6 (>= 2.36)", "recommends ca-certificates"; NULL: it is the last one */
};

/* From the package that was asked about to the one at which it ends. */
struct why_chain {
	struct why_link *links;
	size_t count;
	enum why_reason reason; /* of the last one */
};

struct why {
	struct why_chain *chains; /* the shortest to each end; the shortest first, then by name */
	size_t count;
};

#define WHY_INIT ((struct why){ 0 })

const char *why_reason_name(enum why_reason reason); /* "asked", "essential", "nobody" */

/* `name`: of a package, or, deb, NAME:ARCH. ERROR_UNSATISFIABLE if it is not installed, with the name that is nearest to it. `set` must outlive the result. */
int why_find(const struct installed_set *set, const char *name, struct why *ret, struct error *err);
void why_release(struct why *why);
