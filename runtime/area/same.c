#include "runtime/area/same.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum { PIECE = 64 << 10, PLACE_MAX = NAME_MAX + 40 };

/* ---- content ----------------------------------------------------------------------------------------------- */

static bool same_bytes(int from, int to, const char *name, off_t size)
{
	static const int flags = O_RDONLY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC;
	autoclose int one = openat(from, name, flags), other = openat(to, name, flags);
	autofree char *a = xmalloc(PIECE), *b = xmalloc(PIECE);

	if (one < 0 || other < 0)
		return false;
	for (off_t at = 0; at < size;) {
		ssize_t got = pread(one, a, PIECE, at);
		if (got <= 0 || pread(other, b, (size_t)got, at) != got ||
		    memcmp(a, b, (size_t)got) != 0)
			return false;
		at += got;
	}
	return true;
}

static bool same_target(int from, int to, const char *name)
{
	char one[PATH_MAX], other[PATH_MAX];
	ssize_t length = readlinkat(from, name, one, sizeof(one));

	return length >= 0 && readlinkat(to, name, other, sizeof(other)) == length &&
	       memcmp(one, other, (size_t)length) == 0;
}

bool same_content(int from, int to, const char *name, const struct stat *st)
{
	struct stat other;

	if (fstatat(to, name, &other, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (st->st_mode & S_IFMT) != (other.st_mode & S_IFMT) || st->st_nlink > 1 ||
	    other.st_nlink > 1)
		return false;
	if (S_ISREG(st->st_mode))
		return st->st_size == other.st_size && same_bytes(from, to, name, st->st_size);
	return S_ISLNK(st->st_mode) ? same_target(from, to, name) : st->st_rdev == other.st_rdev;
}

/* ---- attributes --------------------------------------------------------------------------------------------- */

/* Links and devices cannot be opened, and no call takes a folder and a name. */
static void place(int dir, const char *name, char *path)
{
	snprintf(path, PLACE_MAX, "/proc/self/fd/%d/%s", dir, name);
}

/* Each of the one's is the other's, and there are as many. */
static bool same_xattrs(const char *from, const char *to)
{
	ssize_t size = llistxattr(from, NULL, 0);
	if (size < 0)
		return errno == EOPNOTSUPP;
	if (size != llistxattr(to, NULL, 0))
		return false;
	if (size == 0)
		return true;
	autofree char *list = xmalloc((size_t)size);
	autofree char *one = xmalloc(XATTR_SIZE_MAX), *other = xmalloc(XATTR_SIZE_MAX);
	size = llistxattr(from, list, (size_t)size);
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(list + at) + 1) {
		ssize_t got = lgetxattr(from, list + at, one, XATTR_SIZE_MAX);
		if (got < 0 || lgetxattr(to, list + at, other, XATTR_SIZE_MAX) != got ||
		    memcmp(one, other, (size_t)got) != 0)
			return false;
	}
	return size > 0;
}

bool same_attributes(int from, int to, const char *name, const struct stat *st)
{
	char one[PLACE_MAX], other[PLACE_MAX];
	struct stat at;

	place(from, name, one);
	place(to, name, other);
	return fstatat(to, name, &at, AT_SYMLINK_NOFOLLOW) == 0 && st->st_mode == at.st_mode &&
	       st->st_uid == at.st_uid && st->st_gid == at.st_gid &&
	       st->st_mtim.tv_sec == at.st_mtim.tv_sec &&
	       st->st_mtim.tv_nsec == at.st_mtim.tv_nsec && same_xattrs(one, other);
}
