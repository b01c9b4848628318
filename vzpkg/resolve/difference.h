/*
 * From what is installed to what a plan says: which packages are to be added, replaced and removed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "vzpkg/metadata/installed.h"
#include "vzpkg/resolve/plan.h"

enum change_kind {
	CHANGE_ADD,
	CHANGE_REPLACE, /* another version, or another file of the same version */
	CHANGE_REMOVE,
};

struct package_change {
	enum change_kind kind;
	size_t package; /* index into plan.packages; not of CHANGE_REMOVE */
	const struct installed_package *before; /* borrowed; NULL for CHANGE_ADD */
};

struct difference {
	struct package_change *changes; /* those of the plan in its order, then what is removed */
	size_t count;
};

#define DIFFERENCE_INIT ((struct difference){ 0 })

/* What is known of who signed the packages that stay goes into the plan. `installed` must outlive the result. A package is the same if name, version, architecture and, as far as it is known,
 * the file's digest are. */
void difference_make(const struct installed *installed, struct plan *plan, struct difference *ret);
void difference_release(struct difference *difference);

size_t difference_count(const struct difference *difference, enum change_kind kind);
