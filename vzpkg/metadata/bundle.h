/*
 * Repository metadata that is carried to a host without a network: the top files as they came with their signatures, and the
 * indexes. In the folder of a bundle:
 *
 *	repositories/0/InRelease	of the template's first repository, by its place
 *	pm/indexes/sha256/ab/…		as below TEMPLATE/pm
 *
 * The names of top files below TEMPLATE/pm hold the mirror's, which is another on another host.
 */
#pragma once

#include "base/error.h"
#include "vzpkg/metadata/metadata.h"

/* Puts what `metadata` was read from into the folder. ERROR_LOCKED if it was brought up to date by another vzpkg since. */
int metadata_export(const struct metadata *metadata, int folder, unsigned timeout_s,
		    struct error *err);

/*
 * Makes of the folder's top files those of folder/pm, as the template's repositories are called on this host, and of what was seen in
 * `pm` what was seen there: metadata_sync() with folder/pm and `offline` then verifies all of it.
 */
int metadata_stage(const struct template *template, int folder, int pm, struct error *err);

/* Moves what was verified from `staged` (a pm folder on the same file system) to `pm`. ERROR_ROLLBACK if `pm` has seen newer metadata meanwhile. */
int metadata_adopt(const struct metadata *metadata, int staged, int pm, unsigned timeout_s,
		   struct error *err);
