/*
 * A compressed file as a stream, decompressed by a child process.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct decompressor {
	pid_t pid;
	int fd; /* the plain text */
};

#define DECOMPRESSOR_INIT ((struct decompressor){ .pid = 0, .fd = -1 })

/* Starts on the descriptor (at offset 0), which stays the caller's. xz, gzip, zstd, bzip2 or none. More than
 * `limit` bytes end the child with a failure. */
int decompressor_start(struct decompressor *decompressor, int fd, uint64_t limit,
		       struct error *err);

/* To be called when read(2) has given 0: was that really the end? `name` is for messages. */
int decompressor_finish(struct decompressor *decompressor, const char *name, struct error *err);

/* Ends it in any state. */
void decompressor_stop(struct decompressor *decompressor);
