#include "image/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "image/acl.h"

enum { LIST_USUAL = 1024 };

struct walker {
	struct walk *walk;
	int folder; /* that is the working folder now; -1: none of ours */
	bool lightly;
	bool (*leave_out)(const char *path, void *data);
	void *data;
};

/* "/" comes before every other byte. */
static int compare_paths(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (!*a || !*b || (*a != '/' && *b != '/'))
		return (unsigned char)*a - (unsigned char)*b;
	return *a == '/' ? -1 : 1;
}

static int by_path(const void *a, const void *b)
{
	return compare_paths(((const struct walk_entry *)a)->path,
			     ((const struct walk_entry *)b)->path);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct walk_xattr *)a)->name, ((const struct walk_xattr *)b)->name);
}

/* ---- extended attributes ---------------------------------------------------------------------- */

/* A file by its descriptor, or, if that is negative, by a path. */
struct xattr_source {
	int fd;
	const char *path;
};

static int add_xattr(const struct xattr_source *from, const char *name, struct walk_entry *entry,
		     size_t *capacity)
{
	char value[XATTR_SIZE_MAX];
	ssize_t size = from->fd >= 0 ? fgetxattr(from->fd, name, value, sizeof(value))
				     : lgetxattr(from->path, name, value, sizeof(value));
	if (size < 0)
		return -1;
	entry->xattrs = xgrow(entry->xattrs, entry->xattr_count, capacity, sizeof(*entry->xattrs));
	entry->xattrs[entry->xattr_count++] = (struct walk_xattr){
		.name = xstrdup(name),
		.value = xmemdup(value, size ? (size_t)size : 1),
		.size = (size_t)size,
	};
	return 0;
}

/* Labels of the host's security modules and of its overlays mean nothing elsewhere. */
static bool is_kept(const char *name)
{
	if (strncmp(name, "user.", 5) == 0)
		return strncmp(name, "user.overlay.", 13) != 0;
	return acl_is(name) || strcmp(name, "security.capability") == 0;
}

static ssize_t list_some(const struct xattr_source *from, char *list, size_t size)
{
	return from->fd >= 0 ? flistxattr(from->fd, list, size)
			     : llistxattr(from->path, list, size);
}

/* Nearly all have none or few; the kernel clears as much memory as it is offered. */
static ssize_t list_xattrs(const struct xattr_source *from, char list[XATTR_LIST_MAX])
{
	ssize_t length = list_some(from, list, LIST_USUAL);
	return length < 0 && errno == ERANGE ? list_some(from, list, XATTR_LIST_MAX) : length;
}

/* Adds to *left_out, unless it is NULL, how many of user.* are not kept. */
static int read_xattrs(const struct xattr_source *from, struct walk_entry *entry,
		       uint64_t *left_out)
{
	char list[XATTR_LIST_MAX];
	size_t capacity = 0;

	ssize_t length = list_xattrs(from, list);
	if (length < 0)
		return errno == ENOTSUP ? 0 : -1;
	for (const char *at = list; at < list + length; at += strlen(at) + 1) {
		if (is_kept(at) && add_xattr(from, at, entry, &capacity) < 0)
			return -1;
		if (left_out && !is_kept(at) && strncmp(at, "user.", 5) == 0)
			++*left_out;
	}
	if (entry->xattr_count > 1)
		qsort(entry->xattrs, entry->xattr_count, sizeof(*entry->xattrs), by_name);
	return 0;
}

/* There is no call for a name in an open folder, nor for a link by descriptor; so the folder becomes the working folder. A path through
 * /proc would do, too, and takes as long as all the rest. */
static int read_xattrs_at(struct walker *walker, int dir, const char *name,
			  struct walk_entry *entry)
{
	const struct xattr_source from = { .fd = -1, .path = name };

	if (walker->folder != dir && fchdir(dir) < 0)
		return -1;
	walker->folder = dir;
	return read_xattrs(&from, entry, &walker->walk->left_out);
}

static int xattrs_failed(const struct walk_entry *entry, struct error *err)
{
	return error_errno(err, errno, "reading the extended attributes of %s", entry->path);
}

int walk_read_xattrs(int fd, struct walk_entry *entry, struct error *err)
{
	const struct xattr_source from = { .fd = fd };
	return read_xattrs(&from, entry, NULL) < 0 ? xattrs_failed(entry, err) : 0;
}

void walk_release_xattrs(struct walk_entry *entry)
{
	for (size_t i = 0; i < entry->xattr_count; i++) {
		free(entry->xattrs[i].name);
		free(entry->xattrs[i].value);
	}
	free(entry->xattrs);
	entry->xattrs = NULL;
	entry->xattr_count = 0;
}

/* ---- entries --------------------------------------------------------------------------------------- */

static char *read_link(int dir, const char *name)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(dir, name, target, sizeof(target));
	if (length < 0 || (size_t)length == sizeof(target))
		return NULL;
	return xstrndup(target, (size_t)length);
}

static bool is_packed(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISFIFO(mode);
}

static int add_entry(struct walker *walker, int dir, const char *name, const char *path,
		     const struct stat *st, struct error *err)
{
	struct walk *walk = walker->walk;
	walk->entries = xgrow(walk->entries, walk->count, &walk->capacity, sizeof(*walk->entries));
	struct walk_entry *entry = &walk->entries[walk->count++];

	*entry = (struct walk_entry){
		.path = xstrdup(path),
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
		.mtime = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.ctime = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.linked = !S_ISDIR(st->st_mode) && st->st_nlink > 1,
	};
	if (S_ISLNK(st->st_mode) && !(entry->symlink = read_link(dir, name)))
		return error_errno(err, errno, "reading the link %s", path);
	entry->xattrs_later = walker->lightly && entry->size;
	if (!entry->xattrs_later && read_xattrs_at(walker, dir, name, entry) < 0)
		return xattrs_failed(entry, err);
	return 0;
}

static int walk_folder(struct walker *walker, int fd, const char *path, struct error *err);

static int visit(struct walker *walker, int dir, const char *name, const char *path,
		 struct error *err)
{
	struct stat st;

	if (walker->leave_out && walker->leave_out(path, walker->data))
		return 0;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "looking at %s", path);
	if (!is_packed(st.st_mode)) {
		walker->walk->nodes++;
		return 0;
	}
	if (add_entry(walker, dir, name, path, &st, err) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return 0;
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "opening %s", path);
	int ret = walk_folder(walker, fd, path, err);
	walker->folder = -1;
	return ret;
}

/* Takes `fd` over. */
static int walk_folder(struct walker *walker, int fd, const char *path, struct error *err)
{
	autoclosedir DIR *dir = fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		error_errno(err, errno, "reading %s", path);
		close(fd);
		return -1;
	}
	while ((errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		autofree char *below =
			*path ? xasprintf("%s/%s", path, entry->d_name) : xstrdup(entry->d_name);
		if (visit(walker, dirfd(dir), entry->d_name, below, err) < 0)
			return -1;
	}
	return errno ? error_errno(err, errno, "reading %s", path) : 0;
}

/* ---- hard links ---------------------------------------------------------------------------------- */

/* By file, and then by path: the first of each run is the one that carries the content. */
static int by_file(const void *a, const void *b)
{
	const struct walk_entry *x = *(struct walk_entry *const *)a;
	const struct walk_entry *y = *(struct walk_entry *const *)b;
	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return compare_paths(x->path, y->path);
}

static void find_hardlinks(struct walk *walk)
{
	struct walk_entry **linked = xcalloc(walk->count + 1, sizeof(struct walk_entry *));
	size_t count = 0;

	for (size_t i = 0; i < walk->count; i++)
		if (walk->entries[i].linked)
			linked[count++] = &walk->entries[i];
	qsort(linked, count, sizeof(*linked), by_file);
	const struct walk_entry *first = NULL;
	for (size_t i = 0; i < count; i++) {
		if (!first || first->dev != linked[i]->dev || first->ino != linked[i]->ino) {
			first = linked[i];
			continue;
		}
		linked[i]->hardlink = first->path;
		linked[i]->size = 0;
	}
	free(linked);
}

static int walk_from(struct walker *walker, int tree, struct error *err)
{
	struct stat st;
	int fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		error_errno(err, errno, "opening the tree");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (add_entry(walker, fd, ".", "", &st, err) < 0) {
		close(fd);
		return -1;
	}
	return walk_folder(walker, fd, "", err);
}

static int walk_all(struct walker *walker, int tree, struct error *err)
{
	struct walk *walk = walker->walk;
	autoclose int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ret = walk_from(walker, tree, err);

	if (before >= 0 && fchdir(before) < 0 && ret == 0)
		ret = error_errno(err, errno, "returning to the working folder");
	if (ret < 0)
		return -1;
	qsort(walk->entries, walk->count, sizeof(*walk->entries), by_path);
	find_hardlinks(walk);
	return 0;
}

int walk_tree(int tree, bool (*leave_out)(const char *path, void *data), void *data,
	      struct walk *walk, struct error *err)
{
	struct walker walker = { .walk = walk, .folder = -1, .leave_out = leave_out, .data = data };
	return walk_all(&walker, tree, err);
}

int walk_tree_lightly(int tree, bool (*leave_out)(const char *path, void *data), void *data,
		      struct walk *walk, struct error *err)
{
	struct walker walker = {
		.walk = walk,
		.folder = -1,
		.lightly = true,
		.leave_out = leave_out,
		.data = data,
	};
	return walk_all(&walker, tree, err);
}

void walk_release(struct walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		struct walk_entry *entry = &walk->entries[i];
		walk_release_xattrs(entry);
		free(entry->symlink);
		free(entry->path);
	}
	free(walk->entries);
	*walk = WALK_INIT;
}
