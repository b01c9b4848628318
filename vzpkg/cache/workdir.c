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
	if (dir->name && faccessat(dir->fd, WORKDIR_HOLD, F_OK, 0) < 0)
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

/* What is done with a folder that is ours while it is called: true if it counts. */
typedef bool sweeper(int parent, const char *name, int folder, void *data);

static bool remove_one(int parent, const char *name, int folder, void *data)
{
	(void)data;
	return faccessat(folder, WORKDIR_HOLD, F_OK, 0) < 0 && tree_remove(parent, name, NULL) == 0;
}

struct held {
	int (*take_away)(int folder, const char *path, void *data);
	void *data;
};

static bool take_one(int parent, const char *name, int folder, void *data)
{
	const struct held *held = data;
	autofree char *path = fd_path(folder);
	(void)parent;
	(void)name;
	return faccessat(folder, WORKDIR_HOLD, F_OK, 0) == 0 &&
	       held->take_away(folder, path, held->data) == 0 &&
	       unlinkat(folder, WORKDIR_HOLD, 0) == 0;
}

static bool sweep_one(int parent, const char *name, sweeper *run, void *data)
{
	struct lock lock = LOCK_INIT;
	autoclose int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || is_newborn(fd) || !lock_try(&lock, fd, lock_name, LOCK_EXCLUSIVE))
		return false;
	bool counts = run(parent, name, fd, data);
	lock_release(&lock);
	return counts;
}

static unsigned sweep(const char *template_dir, sweeper *run, void *data)
{
	unsigned count = 0;
	int fd = open_parent(template_dir, false, NULL);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && sweep_one(fd, entry->d_name, run, data))
			count++;
	return count;
}

unsigned workdir_sweep(const char *template_dir)
{
	return sweep(template_dir, remove_one, NULL);
}

unsigned workdir_sweep_held(const char *template_dir,
			    int (*take_away)(int folder, const char *path, void *data), void *data)
{
	struct held held = { take_away, data };
	return sweep(template_dir, take_one, &held);
}
