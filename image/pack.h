/*
 * A tree on disk becomes a template tarball whose bytes depend on nothing but the tree.
 *
 * tar: POSIX pax, restricted (an extended header only where ustar cannot say it), entries sorted by
 * path bytes with "/" first (a folder is followed by all that is in it), "./"-prefixed, owner ids only,
 * no names, atime or ctime, whole-second mtimes clamped to `epoch`, xattrs (user.* and
 * security.capability) as SCHILY.xattr.*, ACLs as SCHILY.acl.*, which both GNU tar and libarchive
 * restore, hard links to the first path in order, sparse files in full, no sockets, no device nodes
 * (dropped and counted). A file that changes its size meanwhile is an error, unless the tree is said to be live.
 *
 * gzip: a series of members (RFC 1952, 2.2) whose borders depend only on the entries (member.h), so that
 * an unchanged member can be taken over byte for byte from an earlier tarball. The end-of-archive
 * blocks are a member of their own. No name, no time, OS byte 255; libdeflate at level 4. With
 * single_member, one member by zlib, which unlike libdeflate need not hold all of it in memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/report.h"
#include "image/member_cache.h"
#include "image/precompress.h"

struct image_pack {
	int tree; /* directory to pack */
	int64_t epoch; /* seconds; later file times are set back to it */
	unsigned threads; /* compressing threads; at least 1 */
	bool single_member; /* --gzip-single: one member, for readers that see only the first */
	bool live; /* the tree is in use: files that change or go meanwhile are counted, and are as
		    * long as they were when they were first seen: cut, or with zeros at the end */

	/* Paths (without "./") for which this returns true are left out, folders with all in them.
	 * May be NULL. */
	bool (*leave_out)(const char *path, void *data);
	void *data;

	struct member_cache *cache; /* members that may be taken over; may be NULL */
	struct precompress *
		precompress; /* fills `cache`, and is ended when the tree has been listed; may be NULL */
	struct report *report; /* progress in bytes; may be NULL */
};

struct image_packed {
	struct digest tar; /* SHA-256 of the uncompressed tar, end-of-archive blocks included */
	struct digest gzip; /* SHA-256 of the file */
	uint64_t tar_bytes;
	uint64_t gzip_bytes;
	uint64_t entries;
	uint64_t members;
	uint64_t nodes_dropped; /* device nodes and sockets that were left out */
	uint64_t changed; /* files of a live tree that have changed their size, or are gone */
	uint32_t *member_sizes; /* bytes in the file; NULL for a single member */
	bool *member_unpacked; /* it was unpacked before it was put there once more; NULL likewise */
};

#define IMAGE_PACKED_INIT ((struct image_packed){ 0 })

void image_packed_release(struct image_packed *packed);

/*
 * Writes to `fd` (a regular file at offset 0) and fsyncs it. Threads live only inside this call, in
 * the calling process: call it from a process that does not start VEs meanwhile.
 */
int image_pack(const struct image_pack *pack, int fd, const char *name, struct image_packed *ret,
	       struct error *err);

/*
 * Reads the file back from offset 0: its digest, so that it is what was written; the CRC of every member that nobody has unpacked yet, so that it
 * becomes what was compressed; the size of the tar, and its end-of-archive blocks.
 * A multi-member gzip cut at a member border looks whole to gzip -t and tar; it does not to this.
 */
int image_verify(int fd, const char *name, const struct image_packed *expected, unsigned threads,
		 struct report *report, struct error *err);

/* "libdeflate 1.14 level 4", for the manifest: another version may write other bytes. */
const char *image_compressor(bool single_member);
