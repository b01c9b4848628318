/*
 * The bytes of a tarball after decompression, made by a thread of their own while others use them: gzip of any number of members, xz, zstd, bzip2,
 * lz4 or none, with a SHA-256 of what was read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/error.h"
#include "image/member_cache.h"

struct unpack_stream;

/* `cache`: gets the gzip members that are read; may be NULL. */
int unpack_stream_open(int fd, const char *name, struct member_cache *cache,
		       struct unpack_stream **ret, struct error *err);

/* The next piece, valid until the next call; 0 at the end, -1 with *err. */
ssize_t unpack_stream_read(struct unpack_stream *stream, const void **piece, struct error *err);

/* At the end: of the file. */
void unpack_stream_digest(const struct unpack_stream *stream, struct digest *ret);

/* How many bytes were handed out, and how many of them at the end are zeros. */
uint64_t unpack_stream_size(const struct unpack_stream *stream);
uint64_t unpack_stream_zeros(const struct unpack_stream *stream);

void unpack_stream_free(struct unpack_stream *stream);
void unpack_stream_freep(struct unpack_stream **stream);
