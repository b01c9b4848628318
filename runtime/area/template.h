/* Finding the tarball of a template in TEMPLATE/cache, whoever made it. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "base/strvec.h"

struct template_found {
	char *tarball; /* its path */
	char *ostemplate; /* the file without its ending, or the OS template that the manifest beside it names */
	struct strvec applications; /* that are in it, as that manifest says */
};

#define TEMPLATE_FOUND_INIT ((struct template_found){ 0 })

/*
 * NAME, NAME-ARCH or NAME-ARCH-SET with .tar.gz, .tar.xz, .tar.zst, .tar.bz2 or .tar; of a NAME+APPLICATION… that with these
 * applications, in any order. Is none there, `vzpkg create-cache NAME` (the program beside this one) is run, unless `build` is false:
 * ERROR_NO_BUILD. template_found_release() is due in any case.
 */
int template_find(const struct host_config *host, const char *template, bool build,
		  struct report *report, struct template_found *ret, struct error *err);
void template_found_release(struct template_found *found);
