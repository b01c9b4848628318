/*
 * What is to be done in VEs of one class, as it stands in a journal (journal.h): so that what a package manager had begun when it was cut off can be
 * finished with the very same package files, whatever the repositories have by then.
 *
 *	{"packages":[{"name":…,"version":…,"arch":…,"file":…,"size":…,"installed_size":…,"sha256":…,"automatic":…,
 *		"pre_depends":[0],"depends":[1,2],"before":0}],		"before": what it takes the place of; null: nothing
 *	 "before":[{"name":…,"version":…,"arch":…,"automatic":…}],	what was there; what no package takes the place of is removed
 *	 "purge":false}
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "vzpkg/metadata/installed.h"
#include "vzpkg/resolve/difference.h"
#include "vzpkg/resolve/plan.h"

struct redo {
	struct plan *plan; /* of one repository that is known no more */
	struct installed before;
	struct difference difference; /* from the one to the other */
	bool purge;
};

#define REDO_INIT ((struct redo){ .before = INSTALLED_INIT, .difference = DIFFERENCE_INIT })

/* The caller owns the object. */
json_t *redo_json(const struct plan *plan, const struct difference *difference, bool purge);

/* ERROR_PARSE if it is not such an object. Release it after a failure, too. */
int redo_parse(const json_t *json, struct redo *ret, struct error *err);
void redo_release(struct redo *redo);
