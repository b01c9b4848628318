#include "vzpkg/cache/workdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/* In the work folder itself, so that it goes with it. */
static const char lock_name[] = ".lock";

static int open_parent(const char *template_dir, bool create, struct error *err)
{
	autofree char *path = xasprintf("%s/tmp", template_dir);
	return dir_open(AT_FDCWD, path, create, 0755, err);
}

/* mkdtemp(3) below a descriptor: the name is not secret, it has to be free. */
static int make_folder(struct workdir *dir, const char *name, struct error *err)
{
	for (unsigned i = 0; i < 10000; i++) {
		autofree char *try = xasprintf("%s.%06u", name, ((unsigned)getpid() + i) % 1000000);
		if (mkdirat(dir->parent, try, 0700) == 0) {
			dir->name = steal_ptr(try);
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return error_errno(err, errno, "creating a work folder for %s", name);
}

int workdir_create(struct workdir *dir, const char *template_dir, const char *name,
		   struct error *err)
{
	dir->parent = open_parent(template_dir, true, err);
	if (dir->parent < 0 || make_folder(dir, name, err) < 0)
		goto undo;
	dir->fd = dir_open(dir->parent, dir->name, false, 0, err);
	if (dir->fd < 0 ||
	    lock_take(&dir->lock, dir->fd, lock_name, LOCK_EXCLUSIVE, 0, NULL, NULL, err) < 0)
		goto undo;
	dir->path = fd_path(dir->fd);
	return 0;
undo:
	workdir_remove(dir);
	return -1;
}

void workdir_remove(struct workdir *dir)
{
	if (dir->name)
		tree_remove(dir->parent, dir->name, NULL);
	lock_release(&dir->lock);
	if (dir->fd >= 0)
		close(dir->fd);
	if (dir->parent >= 0)
		close(dir->parent);
	free(dir->name);
	free(dir->path);
	*dir = WORKDIR_INIT;
}

/* A folder that is just being made has no lock file yet: it is left alone for a minute. */
static bool is_newborn(int fd)
{
	struct stat st;
	return faccessat(fd, lock_name, F_OK, 0) < 0 && fstat(fd, &st) == 0 &&
	       time(NULL) - st.st_mtime < 60;
}

static bool sweep_one(int parent, const char *name)
{
	struct lock lock = LOCK_INIT;
	autoclose int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || is_newborn(fd) || !lock_try(&lock, fd, lock_name, LOCK_EXCLUSIVE))
		return false;
	int removed = tree_remove(parent, name, NULL);
	lock_release(&lock);
	return removed == 0;
}

unsigned workdir_sweep(const char *template_dir)
{
	unsigned count = 0;
	int fd = open_parent(template_dir, false, NULL);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && sweep_one(fd, entry->d_name))
			count++;
	return count;
}
