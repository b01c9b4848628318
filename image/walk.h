/*
 * What is in a tree, as a list in a tarball's order: sorted by the bytes of the paths, "/" before all
 * others. So what is in a folder follows it with nothing between; GNU tar sets a folder's time as soon
 * as it sees an entry from elsewhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct walk_xattr {
	char *name;
	void *value;
	size_t size;
};

struct walk_entry {
	char *path; /* "" for the top folder; no "./" */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size; /* bytes; 0 unless a regular file that is not a link to another */
	int64_t mtime; /* Unix seconds */
	uint32_t mtime_ns; /* … and what is beyond them */
	int64_t ctime; /* when it last changed in any way, nanoseconds */
	char *symlink; /* target, or NULL */
	const char *hardlink; /* path of the first entry of the same file, or NULL */
	struct walk_xattr *xattrs; /* sorted by name */
	size_t xattr_count;
	bool xattrs_later; /* they have not been read: walk_read_xattrs() */
	dev_t dev;
	ino_t ino;
	bool linked; /* has other names */
};

struct walk {
	struct walk_entry *entries;
	size_t count, capacity;
	uint64_t nodes; /* device nodes and sockets that were passed over */
	uint64_t left_out; /* extended attributes in user.* that were */
};

#define WALK_INIT ((struct walk){ 0 })

/* Lists the tree below the folder `tree`. Entries for whose path leave_out() is true are passed over,
 * folders with all in them; it may be NULL. The working folder is another one meanwhile. */
int walk_tree(int tree, bool (*leave_out)(const char *path, void *data), void *data,
	      struct walk *walk, struct error *err);

/* The same without the extended attributes of regular files with content: where a file is opened anyway, they are had in a tenth
 * of the time. */
int walk_tree_lightly(int tree, bool (*leave_out)(const char *path, void *data), void *data,
		      struct walk *walk, struct error *err);

/* Reads those of the entry's file, which is open. A copy of an entry owns what is read: walk_release_xattrs(). */
int walk_read_xattrs(int fd, struct walk_entry *entry, struct error *err);
void walk_release_xattrs(struct walk_entry *entry);
void walk_release(struct walk *walk);
