#include "image/compare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "image/walk.h"

enum { PIECE = 1 << 16 };

/* Of what the caller owns: no path of it is followed out of it. */
static int open_file(int tree, const char *path, struct error *err)
{
	int fd = open_in_root(tree, path, O_RDONLY | O_NOFOLLOW, 0);
	return fd < 0 ? error_errno(err, errno, "opening %s", path) : fd;
}

static ssize_t fill(int fd, char *buffer, const char *path, struct error *err)
{
	ssize_t filled = 0, got;

	while (filled < PIECE && (got = read(fd, buffer + filled, (size_t)(PIECE - filled))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, errno, "reading %s", path);
		filled += got;
	}
	return filled;
}

/* 1: the same, 0: not, -1. */
static int same_content(int first, int second, const char *path, struct error *err)
{
	autoclose int a = open_file(first, path, err);
	autoclose int b = a < 0 ? -1 : open_file(second, path, err);
	autofree char *buffer = xmalloc(2 * PIECE);
	ssize_t size;

	if (b < 0)
		return -1;
	do {
		size = fill(a, buffer, path, err);
		ssize_t other = size < 0 ? -1 : fill(b, buffer + PIECE, path, err);
		if (other < 0)
			return -1;
		if (size != other || memcmp(buffer, buffer + PIECE, (size_t)size) != 0)
			return 0;
	} while (size > 0);
	return 1;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_attributes(const struct walk_entry *a, const struct walk_entry *b)
{
	if (a->xattr_count != b->xattr_count)
		return false;
	for (size_t i = 0; i < a->xattr_count; i++)
		if (strcmp(a->xattrs[i].name, b->xattrs[i].name) != 0 ||
		    a->xattrs[i].size != b->xattrs[i].size ||
		    memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].size) != 0)
			return false;
	return true;
}

struct comparison {
	int first, second;
	tree_difference *found;
	void *data;
	struct walk a, b;
	bool *disturbed; /* of each of `a`: something in that folder differs */
};

static int compare_entry(const struct comparison *comparison, const struct walk_entry *a,
			 const struct walk_entry *b, unsigned *differs, struct error *err)
{
	*differs = 0;
	if ((a->mode & S_IFMT) != (b->mode & S_IFMT)) {
		*differs = DIFFERS_TYPE;
		return 0;
	}
	bool content = S_ISREG(a->mode) && !a->hardlink && !b->hardlink;
	int same = !content ? 1
		   : a->size != b->size
			   ? 0
			   : same_content(comparison->first, comparison->second, a->path, err);
	if (same < 0)
		return -1;
	*differs |= same && same_text(a->symlink, b->symlink) ? 0 : DIFFERS_CONTENT;
	*differs |= a->mode == b->mode ? 0 : DIFFERS_MODE;
	*differs |= a->uid == b->uid && a->gid == b->gid ? 0 : DIFFERS_OWNER;
	*differs |= a->mtime == b->mtime ? 0 : DIFFERS_TIME;
	*differs |= same_text(a->hardlink, b->hardlink) ? 0 : DIFFERS_LINK;
	*differs |= same_attributes(a, b) ? 0 : DIFFERS_ATTRIBUTES;
	return 0;
}

/* The folder that `path` is in has another time, too, and that says nothing more. */
static void disturb(const struct comparison *comparison, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	for (size_t i = 0; *path && i < comparison->a.count; i++) {
		const char *folder = comparison->a.entries[i].path;
		if (strlen(folder) == length && memcmp(folder, path, length) == 0)
			comparison->disturbed[i] = true;
	}
}

/* With `tell` NULL only the folders are noted. */
static int pass(const struct comparison *comparison, tree_difference *tell, struct error *err)
{
	size_t i = 0, j = 0;

	while (i < comparison->a.count || j < comparison->b.count) {
		const struct walk_entry *a =
			i < comparison->a.count ? &comparison->a.entries[i] : NULL;
		const struct walk_entry *b =
			j < comparison->b.count ? &comparison->b.entries[j] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);
		const char *path = order <= 0 ? a->path : b->path;
		unsigned differs = order < 0 ? DIFFERS_FIRST_ONLY : DIFFERS_SECOND_ONLY;

		if (order == 0 && compare_entry(comparison, a, b, &differs, err) < 0)
			return -1;
		if (!tell && differs & ~(unsigned)DIFFERS_TIME)
			disturb(comparison, path);
		if (order == 0 && S_ISDIR(a->mode) && comparison->disturbed[i])
			differs &= ~(unsigned)DIFFERS_TIME;
		if (tell && differs && tell(path, differs, comparison->data, err) < 0)
			return -1;
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

int trees_compare(int first, int second, tree_difference *found, void *data, struct error *err)
{
	struct comparison comparison = {
		.first = first,
		.second = second,
		.data = data,
		.a = WALK_INIT,
		.b = WALK_INIT,
	};
	int result = walk_tree(first, NULL, NULL, &comparison.a, err);

	if (result == 0)
		result = walk_tree(second, NULL, NULL, &comparison.b, err);
	comparison.disturbed = xcalloc(comparison.a.count + 1, sizeof(bool));
	if (result == 0)
		result = pass(&comparison, NULL, err);
	if (result == 0)
		result = pass(&comparison, found, err);
	free(comparison.disturbed);
	walk_release(&comparison.a);
	walk_release(&comparison.b);
	return result;
}
