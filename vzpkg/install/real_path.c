#include "vzpkg/install/real_path.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

struct real_folder {
	char *path, *real;
	UT_hash_handle hh;
};

void real_paths_open(struct real_paths *paths, int tree)
{
	*paths = (struct real_paths){ .tree = tree, .top = fd_path(tree) };
}

void real_paths_release(struct real_paths *paths)
{
	struct real_folder *folder, *next;

	HASH_ITER (hh, paths->folders, folder, next) {
		HASH_DEL(paths->folders, folder);
		free(folder->path);
		free(folder->real);
		free(folder);
	}
	free(paths->top);
	paths->top = NULL;
}

/* Without the tree's own path; NULL if the folder is not there. */
static char *look_up(const struct real_paths *paths, const char *folder)
{
	autoclose int fd =
		open_in_root(paths->tree, *folder ? folder : ".", O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return NULL;
	autofree char *real = fd_path(fd);
	size_t length = strlen(paths->top);
	if (strncmp(real, paths->top, length) != 0)
		return NULL;
	return xstrdup(real[length] == '/' ? real + length + 1 : real + length);
}

static const char *real_folder(struct real_paths *paths, const char *path)
{
	struct real_folder *folder;

	HASH_FIND_STR(paths->folders, path, folder);
	if (!folder) {
		folder = xcalloc(1, sizeof(*folder));
		folder->path = xstrdup(path);
		folder->real = look_up(paths, path) ?: xstrdup(path);
		HASH_ADD_KEYPTR(hh, paths->folders, folder->path, strlen(folder->path), folder);
	}
	return folder->real;
}

char *real_path(struct real_paths *paths, const char *path)
{
	while (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1])))
		path++;
	size_t length = strlen(path);
	while (length && path[length - 1] == '/')
		length--;
	autofree char *own = xstrndup(path, length);
	char *slash = strrchr(own, '/');
	if (!slash)
		return steal_ptr(own);
	*slash = '\0';
	const char *real = real_folder(paths, own);
	return xasprintf("%s%s%s", real, *real ? "/" : "", slash + 1);
}
