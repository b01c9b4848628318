/*
 * libsolv's form of an index, kept below pm/solv/ under the index's digest: loading it takes a tenth of
 * the time. The folder belongs to root; a file that is damaged or of another format is not used.
 */
#pragma once

#include <solv/repo.h>
#include <stdbool.h>

#include "base/error.h"
#include "vzpkg/metadata/metadata.h"

/* false if there is none that can be used; the repo is then as it was. `flags`: of repo_add_solv(). */
bool solv_cache_read(int pm, const struct metadata_index *index, Repo *repo, int flags);
/* All of the repo, or of it only `part` if that is not NULL. */
int solv_cache_write(int pm, const struct metadata_index *index, Repo *repo, Repodata *part,
		     struct error *err);
