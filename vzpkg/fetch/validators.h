/*
 * NAME.fetched: from where NAME came and what the server calls this version of it (RFC 9110, 8.8),
 * so that the next run asks only for a newer one. The file's digest binds it to the content: after a
 * crash between the two writes, or when somebody changed NAME, it counts for nothing.
 *
 *	url URL
 *	sha256 HEX
 *	etag "…"
 *	last-modified DATE
 */
#pragma once

#include <stdbool.h>

#include "base/digest.h"
#include "base/error.h"

struct validators {
	char *url;
	char *etag; /* as the server wrote it, with its quotes; NULL if it gave none */
	char *last_modified; /* HTTP date, unparsed; NULL if it gave none */
	struct digest digest;
};

#define VALIDATORS_INIT ((struct validators){ 0 })

/* True if NAME and NAME.fetched are there and belong together. Reads at most `limit` bytes of NAME
 * (a longer file is as good as none). Whatever is wrong with them means only: no. */
bool validators_load(struct validators *validators, int dirfd, const char *name, uint64_t limit);

/* Writes NAME.fetched, or removes it if there is neither an ETag nor a date. */
int validators_store(const struct validators *validators, int dirfd, const char *name,
		     struct error *err);

void validators_release(struct validators *validators);
