/*
 * Places in a tree to mount something on. All paths are below `tree` and never lead out of it, whatever
 * links are in it; a leading "/" means the tree.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strvec.h"

/* Creates a folder whose parent is there. 1 if it was made, 0 if something is there, -1. */
int target_folder(int tree, const char *path, mode_t mode, struct error *err);

/* Makes sure that something is there: else creates an empty folder or file, with the folders that it
 * is in, and appends what it made to `made`. */
int target_make(int tree, const char *path, bool folder, struct strvec *made, struct error *err);

/* Removes what was made, if it is still empty. */
int target_remove(int tree, const char *path, struct error *err);
