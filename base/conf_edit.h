/*
 * Changing a configuration file (base/conf.h) and leaving the rest of it as it is: comments, order, keys
 * that nobody here knows.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"

struct conf_change {
	const char *key;
	const char *value; /* NULL: the key is removed */
};

/* Replaces the file by one that says so (file_write_atomic()); creates it if it is not there. A file that
 * cannot be parsed is not touched. */
int conf_edit(int dirfd, const char *path, const struct conf_change *changes, size_t count,
	      struct error *err);
