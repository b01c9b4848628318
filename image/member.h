/*
 * Where a tarball is cut into gzip members. The borders depend on the entries alone (paths, types,
 * sizes), so a change in the tree moves only the borders near it.
 *
 * An entry counts as 512 bytes and its content rounded up to 512: what extended headers take does not
 * matter. A member is closed when it counts CLOSE_AT bytes, and before an entry whose path's hash
 * (32-bit FNV-1a) is a multiple of HASH_CUT. An entry of more than PART bytes has members of its own: one
 * for each PART bytes of its content.
 */
#pragma once

#include <stdint.h>

#include "image/walk.h"

enum { MEMBER_CLOSE_AT = 256 << 10, MEMBER_PART = 512 << 10, MEMBER_HASH_CUT = 32 };

struct member {
	size_t first, count; /* entries */
	uint64_t offset; /* in the content of a large file; its header goes with offset 0 */
	uint64_t length; /* bytes of content from there; only for a large file */
	bool large;
	bool last; /* the end-of-archive blocks go here, and nothing else */
};

/* The members of a tarball of these entries, in order; to be freed. */
struct member *members_plan(const struct walk *walk, size_t *ret_count);
