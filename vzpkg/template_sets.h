/*
 * Package sets of template metadata: `packages`, os/SET/packages, SET.list. For vzpkg/template*.c only.
 */
#pragma once

#include "vzpkg/template_file.h"

/* The most specific list of a set, or NULL. To be freed. */
char *find_set(const struct loader *loader, const char *set);

/* Appends the lists of all sets of one config folder. */
void find_lists(const char *config, struct strvec *paths);

/* The sets that any level has, sorted, "default" first. */
void find_sets(const struct loader *loader, struct strvec *sets);
