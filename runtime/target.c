#include "runtime/target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/* The folder that `path` is in; *name points to its last part. -1 with errno set. */
static int open_parent(int tree, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	autofree char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");
	*name = slash ? slash + 1 : path;
	return open_in_root(tree, *parent ? parent : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
}

int target_folder(int tree, const char *path, mode_t mode, struct error *err)
{
	const char *name;
	autoclose int parent = open_parent(tree, path, &name);
	if (parent < 0)
		return error_errno(err, errno, "opening the folder of %s in the tree", path);
	if (mkdirat(parent, name, 0700) < 0)
		return errno == EEXIST ? 0
				       : error_errno(err, errno, "creating %s in the tree", path);
	if (fchmodat(parent, name, mode, 0) < 0)
		return error_errno(err, errno, "setting the mode of %s in the tree", path);
	return 1;
}

static int make_file(int tree, const char *path, struct error *err)
{
	const char *name;
	autoclose int parent = open_parent(tree, path, &name);
	if (parent < 0)
		return error_errno(err, errno, "opening the folder of %s in the tree", path);
	autoclose int fd =
		openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_errno(err, errno, "creating %s in the tree", path);
	return 1;
}

/* Every folder on the way to `path`, which is not itself made. */
static int make_parents(int tree, const char *path, struct strvec *made, struct error *err)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		autofree char *parent = xstrndup(path, (size_t)(slash - path));
		int was_made = target_folder(tree, parent, 0755, err);
		if (was_made < 0)
			return -1;
		if (was_made)
			strvec_push(made, parent);
	}
	return 0;
}

int target_make(int tree, const char *path, bool folder, struct strvec *made, struct error *err)
{
	path += strspn(path, "/");
	autoclose int there = open_in_root(tree, path, O_PATH | O_CLOEXEC, 0);
	if (there >= 0)
		return 0;
	if (errno != ENOENT)
		return error_errno(err, errno, "opening %s in the tree", path);
	if (make_parents(tree, path, made, err) < 0)
		return -1;
	int result = folder ? target_folder(tree, path, 0755, err) : make_file(tree, path, err);
	if (result > 0)
		strvec_push(made, path);
	return result < 0 ? -1 : 0;
}

int target_remove(int tree, const char *path, struct error *err)
{
	struct stat st;
	const char *name;
	int ret = 0;
	autoclose int parent = open_parent(tree, path, &name);
	if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		ret = unlinkat(parent, name, AT_REMOVEDIR);
	else if (S_ISREG(st.st_mode) && st.st_size == 0)
		ret = unlinkat(parent, name, 0);
	/* Something was put into the folder. */
	if (ret == 0 || errno == ENOTEMPTY || errno == ENOENT)
		return 0;
	return error_errno(err, errno, "removing %s from the tree", path);
}
