#include "runtime/area/saved.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/duplicate.h"

#define MAKING ".saving"
#define SAVED ".saved."
#define DROPPED ".dropped."

enum { NAME_SIZE = 48 };

static int open_folder(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool begins(const char *name, const char *word)
{
	return strncmp(name, word, strlen(word)) == 0;
}

static int name_by_inode(int dir, const char *name, const char *prefix, char *ret,
			 struct error *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "looking at %s in a private area", name);
	snprintf(ret, NAME_SIZE, "%s%ju", prefix, (uintmax_t)st.st_ino);
	return 0;
}

/* By a name of its own, since something that cannot be removed may be there from before. It is removed by the next one otherwise. */
static int drop(int dir, const char *name, struct error *err)
{
	char dropped[NAME_SIZE];

	if (name_by_inode(dir, name, DROPPED, dropped, err) < 0)
		return -1;
	if (renameat(dir, name, dir, dropped) < 0)
		return error_errno(err, errno, "renaming %s in a private area", name);
	tree_remove(dir, dropped, NULL);
	return 0;
}

/* ---- making ------------------------------------------------------------------------------------------------- */

static int make_folder(int parent, const char *name, struct error *err)
{
	int fd = mkdirat(parent, name, 0700) < 0 ? -1 : open_folder(parent, name);
	return fd < 0 ? error_errno(err, errno, "creating %s in a private area", name) : fd;
}

static int lock(int fd, struct error *err)
{
	return flock(fd, LOCK_EX | LOCK_NB) < 0
		       ? error_errno(err, errno, "locking a copy in a private area")
		       : 0;
}

/* Complete is what has its last name; so all of it has to be on disk before. */
static int make(int dir, const char *name, int making, struct error *err)
{
	char saved[NAME_SIZE];
	autoclose int from = open_folder(dir, name);
	autoclose int links = make_folder(making, "links", err);
	autoclose int tree = links < 0 ? -1 : make_folder(making, "tree", err);

	if (tree < 0 || lock(tree, err) < 0 || name_by_inode(dir, name, SAVED, saved, err) < 0)
		return -1;
	if (from < 0)
		return error_errno(err, errno, "opening %s in a private area", name);
	if (tree_duplicate(from, tree, links, err) < 0)
		return -1;
	if (syncfs(dir) < 0 || renameat(making, "tree", dir, saved) < 0 || fsync(dir) < 0)
		return error_errno(err, errno, "finishing a copy in a private area");
	return steal_fd(&tree);
}

int saved_make(int dir, const char *name, struct error *err)
{
	if (saved_reconcile(dir, name, err) < 0)
		return -1;
	autoclose int making = make_folder(dir, MAKING, err);
	if (making < 0 || lock(making, err) < 0)
		return -1;
	int fd = make(dir, name, making, err);
	tree_remove(dir, MAKING, NULL);
	return fd;
}

/* ---- ending ------------------------------------------------------------------------------------------------- */

static int exchange(int dir, const char *name, const char *saved, struct error *err)
{
	if (renameat2(dir, saved, dir, name, RENAME_EXCHANGE) < 0)
		return error_errno(err, errno, "putting the saved copy of %s back", name);
	return drop(dir, saved, err);
}

int saved_put_back(int dir, const char *name, struct error *err)
{
	char saved[NAME_SIZE];

	if (name_by_inode(dir, name, SAVED, saved, err) < 0)
		return -1;
	return exchange(dir, name, saved, err);
}

int saved_drop(int dir, const char *name, struct error *err)
{
	char saved[NAME_SIZE];

	if (name_by_inode(dir, name, SAVED, saved, err) < 0)
		return -1;
	return drop(dir, saved, err);
}

/* ---- what somebody has left --------------------------------------------------------------------------------- */

static int reconcile(int dir, const char *name, const char *left, struct error *err)
{
	char saved[NAME_SIZE];
	autoclose int fd = open_folder(dir, left);

	/* Its maker is at work. */
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	if (!begins(left, SAVED)) {
		tree_remove(dir, left, NULL);
		return 0;
	}
	if (name_by_inode(dir, name, SAVED, saved, err) < 0)
		return -1;
	return strcmp(left, saved) == 0 ? exchange(dir, name, left, err) : drop(dir, left, err);
}

int saved_reconcile(int dir, const char *name, struct error *err)
{
	int fd = open_folder(dir, ".");
	autoclosedir DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!entries) {
		cleanup_close(&fd);
		return error_errno(err, errno, "reading a private area");
	}
	while ((entry = readdir(entries))) {
		const char *left = entry->d_name;
		if ((strcmp(left, MAKING) == 0 || begins(left, SAVED) || begins(left, DROPPED)) &&
		    reconcile(dir, name, left, err) < 0)
			return -1;
	}
	return 0;
}
