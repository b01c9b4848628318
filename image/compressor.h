/*
 * One member after the other: tar bytes, and the same compressed. A compressor belongs to one thread.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "image/member.h"
#include "image/member_cache.h"
#include "image/walk.h"

/* libdeflate's 4 makes tarballs 1 % larger than zlib's 6, which gzip and all others use. Its own 5 makes them 1.6 % smaller, and takes
 * a quarter longer. */
#define COMPRESSION_LEVEL 4
#define COMPRESSION_LEVEL_ZLIB 6

struct member_compressor;

struct member_compressor *member_compressor_new(int tree, int64_t epoch, struct error *err);
void member_compressor_free(struct member_compressor *compressor);

/* tar_writer_live() for it. */
void member_compressor_live(struct member_compressor *compressor, const struct walk *walk,
			    unsigned char *changed);

/* Appends the member's tar bytes, and to `gzip` (NULL: not wanted) the gzip member: from the cache (NULL: none)
 * if it is there, else compressed now. */
int member_compress(struct member_compressor *compressor, const struct walk *walk,
		    const struct member *member, const struct member_cache *cache,
		    struct strbuf *tar, struct strbuf *gzip, struct error *err);

/* What the last member_compress() made came from the cache, where it was known that the tar bytes can be got out of it. */
bool member_compressor_unpacked(const struct member_compressor *compressor);

/* Appends what the last member_compress() made to the cache, unless it came from there. */
void member_compressor_keep(struct member_compressor *compressor, struct member_cache *cache,
			    const struct strbuf *gzip);
