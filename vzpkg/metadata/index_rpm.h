/*
 * The files of rpm-md metadata into libsolv repositories. Parsers for index_read().
 */
#pragma once

#include <solv/repo.h>

#include "base/error.h"
#include "vzpkg/metadata/metadata.h"

/* primary.xml. The complete lists of files are announced to libsolv, which asks for them (pool_setloadcallback()) when a dependency
 * names a file that is not in the primary. */
int index_rpm_parse_primary(int fd, const char *name, void *repo, uint64_t *total,
			    struct error *err);

/* filelists.xml, for the repository that has the primary, from within the callback. */
int index_rpm_parse_filelists(int fd, const char *name, void *repo, uint64_t *total,
			      struct error *err);

/* comps.xml: groups become solvables "group:ID". */
int index_rpm_parse_groups(int fd, const char *name, void *repo, uint64_t *total,
			   struct error *err);

/* updateinfo.xml: advisories become solvables "patch:ID", which advisories.h makes plain structs of. */
int index_rpm_parse_updateinfo(int fd, const char *name, void *repo, uint64_t *total,
			       struct error *err);
