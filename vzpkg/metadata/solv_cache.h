/*
 * libsolv's form of an index, kept below pm/solv/ under the index's digest: loading it takes a tenth of
 * the time. The folder belongs to root; a file that is damaged or of another format is not used.
 */
#pragma once

#include <solv/repo.h>
#include <stdbool.h>

#include "base/error.h"
#include "vzpkg/metadata/metadata.h"

/* false if there is none that can be used; the repo is then as it was. */
bool solv_cache_read(int pm, const struct metadata_index *index, Repo *repo);
int solv_cache_write(int pm, const struct metadata_index *index, Repo *repo, struct error *err);
