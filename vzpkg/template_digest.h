/*
 * The digest of what a template says. For vzpkg/template*.c only.
 */
#pragma once

#include "vzpkg/template_file.h"

/* Fills loader->template->digest; reads its key files and scripts. -1: the load is to end. */
int compute_digest(struct loader *loader);
