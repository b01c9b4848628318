/*
 * Compressed members that may be taken over: by a MAC of their tar bytes, whose key is the cache's. It is a file of records, to
 * which one process appends while it compresses and which another reads later; what a killed writer
 * left half-written at the end is not seen.
 */
#pragma once

#include <stdbool.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/strbuf.h"

struct member_cache;

/* A file without a name in the folder `dir`: it is gone with its last user. */
int member_cache_new(int dir, struct member_cache **ret, struct error *err);
void member_cache_free(struct member_cache *cache);
void member_cache_freep(struct member_cache **cache);

/* By what a member is kept and found. */
void member_cache_key(const struct member_cache *cache, const struct strbuf *tar, struct mac *ret);

/* Appends a record; it can be found after the next member_cache_load(). `unpacked`: the tar bytes were got out of these, so that nobody has to
 * try that once more. */
int member_cache_append(struct member_cache *cache, const struct mac *tar,
			const struct strbuf *gzip, bool unpacked, struct error *err);

/* Learns of records that were appended since, also by another process, which has ended: what it was killed in the
 * middle of is cut off. */
int member_cache_load(struct member_cache *cache, struct error *err);

/* Appends the compressed member to `gzip` if there is one. Several threads may ask. */
bool member_cache_find(const struct member_cache *cache, const struct mac *tar, struct strbuf *gzip,
		       bool *ret_unpacked);
