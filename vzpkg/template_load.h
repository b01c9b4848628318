/*
 * Loading into a given loader: what template_load() and template_lint() have in common. For
 * vzpkg/template*.c only.
 */
#pragma once

#include "vzpkg/template_file.h"

/* Config folders that exist, the most specific first; at one level, TEMPLATE's before the shipped. */
void template_levels(const struct template_source *source, const struct template_name *name,
		     struct strvec *levels);

/* Fills loader->template, whose memory is zero. -1: failed, or ended at a mistake. */
int template_load_into(struct loader *loader, const char *name);

/* Not the template, which is the caller's. */
void loader_release(struct loader *loader);
