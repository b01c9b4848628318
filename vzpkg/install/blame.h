/*
 * Who may have written a file of a template's tree: the package that owns it, and scripts that name it.
 */
#pragma once

#include "base/error.h"
#include "vzpkg/install/install.h"

struct blame;

/* From the tree, template, host and report of the job; for rpm a VE is started on the tree, and ended. */
int blame_open(const struct install_job *job, struct blame **ret, struct error *err);
void blame_freep(struct blame **blame);

/* "of the package hello; named in the postinst of hello". To be freed. */
char *blame_file(const struct blame *blame, const char *path);
