/*
 * Two trees, entry by entry: everything that a tarball holds of them.
 */
#pragma once

#include "base/error.h"

enum {
	DIFFERS_FIRST_ONLY = 1 << 0, /* it is in the first tree alone */
	DIFFERS_SECOND_ONLY = 1 << 1,
	DIFFERS_TYPE = 1 << 2,
	DIFFERS_CONTENT = 1 << 3, /* or where a symbolic link points to */
	DIFFERS_MODE = 1 << 4,
	DIFFERS_OWNER = 1 << 5,
	DIFFERS_TIME = 1 << 6,
	DIFFERS_LINK = 1 << 7, /* which other name of the same file comes first */
	DIFFERS_ATTRIBUTES = 1 << 8, /* extended ones, ACLs among them */
};

/* `path` is "" for the top folder, else without "./". -1 with *err ends the comparison. */
typedef int tree_difference(const char *path, unsigned differs, void *data, struct error *err);

/* Calls `found` for each entry that differs, in the order of a tarball. A folder's time is left out if what is in it differs. */
int trees_compare(int first, int second, tree_difference *found, void *data, struct error *err);
