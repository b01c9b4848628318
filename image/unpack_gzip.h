/*
 * A series of gzip members (RFC 1952), each with its check sum and its length proved, which libarchive's filter
 * does not do, and with nothing but zeros after the last. Members as image/pack.h makes them, of a MiB or
 * so, go through libdeflate, which is two or three times as fast as zlib but must have all of one in memory; zlib
 * has the larger ones.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "image/unpack_input.h"

enum { UNPACK_PIECE = 2 << 20 };

/* Where decompressed bytes go. */
struct unpack_sink {
	char *(*room)(void *data); /* UNPACK_PIECE bytes; NULL: nobody wants more */
	void (*hand_over)(void *data, size_t size); /* that many of the last room(); not 0 */
	/* A member that is in one piece, as it was and as it is, before it is handed over. May be NULL. */
	void (*member)(void *data, const struct strbuf *tar, const struct strbuf *gzip);
	void *data;
};

bool unpack_gzip_is(const struct unpack_input *input);

/* To the end of the file. 0 also if room() has said to stop. */
int unpack_gzip(struct unpack_input *input, const struct unpack_sink *sink, struct error *err);
