/*
 * What the lines of template metadata mean: each kind of file takes its lines into the template that
 * is being loaded. For vzpkg/template*.c and
 * vzpkg/import/ only.
 */
#pragma once

#include "vzpkg/template_file.h"

/* Takes a file's lines (none, if no level has it) into loader->template. -1: the load is to end. */
typedef int config_take(struct loader *loader, const struct metadata_file *file);

struct config_kind {
	const char *name;
	config_take *take;
};

/* In the order in which they are to be read (how a repository is written depends on the package
 * manager); the last has no name. `packages` and `environment` are not among them. */
extern const struct config_kind config_kinds[];

/* The list of a set. */
config_take take_packages;

/* `trust` is in template_trust.c, `repositories` and `mirrorlist` are in template_repository.c. */
config_take take_trust, take_repositories, take_mirrorlist, take_guest_repositories;

/* Reads one level's `environment` on top of `merged`. */
int add_environment(struct loader *loader, struct conf *merged, const char *path);
