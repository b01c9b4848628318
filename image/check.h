/*
 * Whether a tarball of ours holds exactly what is in a tree: each of its gzip members is unpacked, and has to be byte for byte what
 * image_pack() would put there. So either may be used for the other: what is published was then read back, and a tree
 * that has lain on a disk is still what was published.
 */
#pragma once

#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "image/member_cache.h"

struct image_check {
	int fd; /* the tarball, of many members; read from offset 0 */
	const char *name; /* for messages */
	int tree;
	int64_t epoch; /* of the tarball */
	struct member_cache *cache; /* gets its members; may be NULL */
};

/* ERROR_TRUST names what differs first. *ret is the file's SHA-256. */
int image_check(const struct image_check *check, struct digest *ret, struct error *err);
