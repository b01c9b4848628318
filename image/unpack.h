/*
 * A template tarball becomes a tree: tar (ustar, pax, GNU), plain or compressed with gzip (also of many
 * members), xz, zstd, bzip2 or lz4, whoever made it. Owners, modes with set-id bits, times (nanoseconds),
 * xattrs (user.*, security.capability), ACLs, hard links, sparse files are restored; ids by number.
 *
 * Nothing is ever written outside the folder: a member with ".." or whose parent leads out by a symlink
 * (also one within the tree) is an error, as is an archive that is cut short (the two end-of-archive blocks are demanded), has a
 * bad checksum, holds more than the limits, or two members that cannot both be. Device nodes are passed
 * over and counted; sockets too.
 *
 * One thread decompresses while the caller's writes. It lives only inside the call; call it from a process that
 * does not start VEs meanwhile (a child). The working folder is changed meanwhile.
 */
#pragma once

#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "image/member_cache.h"

struct image_unpack {
	int fd; /* the tarball, read from its current offset; a pipe will do */
	const char *name; /* for messages */
	int tree; /* an empty folder */
	uint64_t bytes_max; /* of content in all; 0: as much as the file system has room for */
	struct member_cache *
		cache; /* gets its gzip members, for a tarball that is made from the tree; may be NULL */
};

struct image_unpacked {
	struct digest digest; /* SHA-256 of the tarball as it was read, to its end */
	uint64_t entries, bytes;
	uint64_t nodes_dropped;
};

/* -1: ERROR_BAD_TEMPLATE (the archive), ERROR_NO_SPACE, or others. What was unpacked by then stays for the
 * caller to remove. */
int image_unpack(const struct image_unpack *unpack, struct image_unpacked *ret, struct error *err);
