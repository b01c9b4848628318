/* Finding the tarball of a template in TEMPLATE/cache, whoever made it. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"

/*
 * NAME, NAME-ARCH or NAME-ARCH-SET with .tar.gz, .tar.xz, .tar.zst, .tar.bz2 or .tar. *ret is the path, *name the
 * file without these endings; both to be freed. Is none there, `vzpkg create-cache NAME` (the program beside
 * this one) is run, unless `build` is false: ERROR_NO_BUILD.
 */
int template_find(const struct host_config *host, const char *template, bool build,
		  struct report *report, char **ret, char **name, struct error *err);
