/*
 * The reverse of a change, made by the VE's own package manager. Inside of fleet/ only.
 */
#pragma once

#include "vzpkg/fleet/applier.h"
#include "vzpkg/fleet/undo_files.h"

/* Adds the configuration files of what is to be replaced or removed, and what there is of packages at all. */
int undo_look(struct applier *applier, struct undo_files *files, struct strvec *before,
	      struct error *err);

/* From whatever state the failure has left: packages that were added go, those that were replaced or removed come back, if their files are at
 * hand. */
int undo_packages(struct applier *applier, const struct strvec *before, struct error *err);

/* Which packages are not as they were, in words; clean. `before` is sorted. */
int undo_compare(struct applier *applier, struct strvec *before, struct strvec *left,
		 struct error *err);
