/*
 * Files by (dirfd, name). Every descriptor is close-on-exec from birth; nothing half-written is
 * ever seen under its real name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Opens a directory (O_PATH is not set), creating it and its parents with `mode` if `create`. */
int dir_open(int dirfd, const char *path, bool create, mode_t mode, struct error *err);

/* Opens `path` below the directory `root`: neither "..", nor an absolute path, nor a symlink leads
 * out of it (openat2 with RESOLVE_IN_ROOT). Returns the descriptor or -1 with errno set. */
int open_in_root(int root, const char *path, uint64_t flags, mode_t mode);

/* The same for reading where others may put what they like: not into what is mounted below `root` (EXDEV), and only what is of `type`, S_IFREG or
 * S_IFDIR, is opened at all (ENODEV), since opening something else may wait, or do something. */
int open_type_in_root(int root, const char *path, mode_t type);

/* Appends the whole file to `text`; more than `limit` bytes is an error that names the file. */
int file_read(int dirfd, const char *path, size_t limit, struct strbuf *text, struct error *err);
int file_read_fd(int fd, const char *name, size_t limit, struct strbuf *text, struct error *err);

/* Writes all of it; a short write is continued. */
int write_all(int fd, const void *data, size_t size, const char *name, struct error *err);

/* Writes to a temporary name beside it, fsyncs, renames, fsyncs the folder. */
int file_write_atomic(int dirfd, const char *path, mode_t mode, const void *data, size_t size,
		      struct error *err);

/* Makes `to` another name of the regular file `from`, or, on another file system, a copy of it with mode 0644. The folder of
 * `to` is made, too. There must be no file of that name. */
int file_link_or_copy(int from_dir, const char *from, int to_dir, const char *to,
		      struct error *err);

/* Copies from the current offset of `from` to its end, to the current offset of `to`. */
int file_copy_fd(int from, int to, const char *name, struct error *err);

/* Removes a file or a whole tree, of any depth, without following a link or entering a mount (an
 * error that names it; what else was there may be gone by then). A missing one is success. */
int tree_remove(int dirfd, const char *name, struct error *err);

/* Bytes free for root on the file system of `dirfd`. */
uint64_t space_free(int dirfd);

/* true if there is no room left for others than root, be it bytes or files. */
bool space_used_up(int dirfd);

/* The path of an open descriptor, for messages. Never NULL. */
char *fd_path(int fd);
