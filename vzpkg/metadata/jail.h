/*
 * A child that may do nothing but compute: it reads files of tenants with libraries that were not written for hostile ones. It has no
 * capabilities, nobody's user id, no network, no file but copies in a file system of its own, no process but itself, and limits of memory and time. For
 * vzpkg/metadata/ only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

struct jail_file {
	const char *name; /* in the child's root folder */
	int fd; /* what is to be in it, from the current offset */
};

struct jail {
	const struct jail_file *files;
	size_t count;
	uint64_t files_max; /* bytes of all files, and of what the child writes beside them */
	uint64_t memory_max; /* bytes that it may have more than we have */
	uint64_t output_max; /* bytes */
	unsigned limit_s; /* seconds, of its CPU time and of ours to wait */

	/* In the child, as root still and with our file system: what has to be loaded. Its messages go where run()'s go. May be NULL. */
	int (*prepare)(void *data, struct error *err);
	/* In the child: writes to the descriptor. What it says of an error is part of what cannot be trusted. */
	int (*run)(int output, void *data, struct error *err);
	void *data;
};

/* Appends what run() writes. ERROR_CHILD: it failed, or was ended by a limit, and what was written is of no use; other kinds: it cannot be started. */
int jail_run(const struct jail *jail, struct strbuf *output, struct error *err);
