/*
 * Lock files: a plan on disk, so that a template can be built of the same packages later. Schema: doc/lock.schema.json. Where a build
 * looks for one by itself: TEMPLATE/locked/NAME.json.
 *
 * A lock file takes the place of the repositories' signed metadata: it is trusted as the administrator's own file is. That of
 * packages which are signed themselves the signatures are verified all the same is up to plan_repository.packages_signed.
 */
#pragma once

#include <jansson.h>

#include "base/digest.h"
#include "base/error.h"
#include "vzpkg/metadata/metadata.h"
#include "vzpkg/resolve/plan.h"
#include "vzpkg/template.h"

struct lockfile {
	char *path; /* for messages */
	char *template; /* its full name */
	struct digest template_digest; /* of the template's metadata when the plan was made */
	struct plan *plan; /* base_urls are empty: lockfile_locate() */
	struct metadata
		*metadata; /* of the repositories then: text, top, date, signer; no indexes */
	struct template_repository *sources; /* what the metadata borrows */
};

/* "TEMPLATE/locked/NAME.json"; to be freed. */
char *lockfile_path(const char *template_dir, const char *name);

/* The caller owns the object. */
json_t *lockfile_make(const struct template *template, const struct metadata *metadata,
		      const struct plan *plan);

/* ERROR_PARSE if it is no lock file; ERROR_NO_FILE if there is none. */
int lockfile_read(const char *path, struct lockfile **ret, struct error *err);

/*
 * Where packages that are not in the store may be had: at the repository of the same text if `now`
 * has it, then at the others. A digest says whether it is the right file.
 */
void lockfile_locate(struct lockfile *lockfile, const struct metadata *now);

void lockfile_free(struct lockfile *lockfile);
void lockfile_freep(struct lockfile **lockfile);
