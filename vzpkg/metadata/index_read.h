/*
 * A stored index as a stream: verified by its digest, then decompressed in a process of its own, by which a hostile file can
 * do no harm to this one. For vzpkg/metadata/ only.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "vzpkg/metadata/metadata.h"

/* Reads the plain text from the descriptor, to its end, into `target`. `name` is for messages; *total: bytes that were read. */
typedef int index_parser(int fd, const char *name, void *target, uint64_t *total,
			 struct error *err);

/* A file below `pm` that is not what it was is removed. */
int index_read(int pm, const struct metadata_index *index, index_parser *parse, void *target,
	       struct error *err);
