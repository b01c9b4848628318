/*
 * rpm's own database format, ndb (Packages.db; lib/backend/ndb in rpm's source), which Debian's librpm cannot read. For vzpkg/metadata/ only.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* The header of a package, as headerImport() takes it. */
typedef int ndb_take(const void *blob, size_t size, void *data, struct error *err);

/* All of them, in the order of the file's slots. ERROR_PACKAGES if it is damaged. */
int ndb_read(const char *path, ndb_take *take, void *data, struct error *err);
