/*
 * An installed set as a libsolv repository. For metadata/ and resolve/ only.
 */
#pragma once

#include <solv/repo.h>

#include "base/error.h"
#include "vzpkg/metadata/installed.h"

/* deb: a package of another architecture than dpkg's own. It stays as it is, and nothing else is judged by it. */
bool installed_is_foreign(const struct installed_set *set, size_t package);

/* Into an empty `repo`; ids[i] is the solvable of package i, or 0 for one that is foreign. */
int installed_repo_fill(const struct installed_set *set, Repo *repo, Id *ids, struct error *err);

int installed_repo_fill_rpm(const struct installed_set *set, Repo *repo, Id *ids,
			    struct error *err);
