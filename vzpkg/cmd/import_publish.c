#include "vzpkg/cmd/import_publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

static const char *const archs[] = { "x86_64", "i386", "aarch64" };
enum { ARCHS = sizeof(archs) / sizeof(archs[0]), OLD_MAX = 1000 };

void import_place_release(struct import_place *place)
{
	free(place->root);
	free(place->config);
	free(place->source_config);
	*place = IMPORT_PLACE_INIT;
}

/* ---- where ------------------------------------------------------------------------------------------------- */

/* Without links; the folder need not be there. To be freed. */
static char *absolute(const char *path, struct error *err)
{
	char *real = realpath(path, NULL);
	if (real)
		return real;
	if (errno != ENOENT) {
		error_errno(err, errno, "opening the folder %s", path);
		return NULL;
	}
	autofree char *here = getcwd(NULL, 0);
	return *path == '/' ? xstrdup(path) : xasprintf("%s/%s", here ?: "", path);
}

static bool is_same(const char *path, const struct stat *other)
{
	struct stat st;
	return stat(path, &st) == 0 && st.st_dev == other->st_dev && st.st_ino == other->st_ino;
}

/* The tree that was read may be where OpenVZ had it, below the same root: a level of the new template. */
static char *find_source(const char *root, const char *dir, const struct import *import)
{
	autofree char *below = xasprintf("%s/config", dir);
	struct stat st;

	if (stat(below, &st) < 0 && stat(dir, &st) < 0)
		return NULL;
	for (size_t i = 0; i < ARCHS; i++) {
		char *path = xasprintf("%s/%s/%s/%s/config", root, import->os, import->release,
				       archs[i]);
		if (is_same(path, &st))
			return path;
		free(path);
	}
	return NULL;
}

static int in_the_way(const char *path, struct error *err)
{
	error_set(err, ERROR_EXISTS, "%s is there already", path);
	error_subject(err, "%s", path);
	return error_hint(err, "--force replaces it, and keeps it as config.old; --output DIR "
			       "writes somewhere else");
}

int import_place_find(const char *root, const char *dir, const struct import *import, bool replace,
		      struct import_place *place, struct error *err)
{
	struct stat st;

	place->root = absolute(root, err);
	if (!place->root)
		return -1;
	place->config = xasprintf("%s/%s/%s/config", place->root, import->os, import->release);
	place->source_config = find_source(place->root, dir, import);
	place->there = lstat(place->config, &st) == 0;
	if (place->there && !replace)
		return in_the_way(place->config, err);
	if (place->source_config && !replace) {
		error_set(err, ERROR_EXISTS,
			  "%s, the tree itself, would win over what is made of it",
			  place->source_config);
		error_subject(err, "%s", place->source_config);
		return error_hint(err, "--force renames it to config.old; --output DIR writes "
				       "somewhere else");
	}
	return 0;
}

/* ---- a copy of what it will be --------------------------------------------------------------------------------- */

static int link_level(const char *root, const char *folder, const char *level, struct error *err)
{
	autofree char *target = xasprintf("%s/%s", root, level);
	autofree char *link = xasprintf("%s/%s", folder, level);
	autofree char *parent = xstrndup(link, (size_t)(strrchr(link, '/') - link));

	if (access(target, F_OK) < 0)
		return 0;
	autoclose int dir = dir_open(AT_FDCWD, parent, true, 0755, err);
	if (dir < 0)
		return -1;
	return symlink(target, link) < 0 ? error_errno(err, errno, "creating %s", link) : 0;
}

int import_stage(const struct import *import, const struct import_place *place, const char *folder,
		 struct error *err)
{
	autofree char *config = xasprintf("%s/%s/%s/config", folder, import->os, import->release);
	autofree char *above = xasprintf("%s/config", import->os);
	autoclose int dir = dir_open(AT_FDCWD, config, true, 0755, err);

	if (dir < 0 || import_write(import, dir, err) < 0 ||
	    link_level(place->root, folder, above, err) < 0)
		return -1;
	for (size_t i = 0; i < ARCHS; i++) {
		autofree char *level =
			xasprintf("%s/%s/%s/config", import->os, import->release, archs[i]);
		autofree char *path = xasprintf("%s/%s", place->root, level);
		bool leaves = place->source_config && strcmp(path, place->source_config) == 0;
		if (!leaves && link_level(place->root, folder, level, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- to its place ------------------------------------------------------------------------------------------------ */

/* Renames to "config.old", or the first such name with a number that is free, which *name is then. */
static int rename_to_old(int from_dir, const char *from, int dir, char **name, struct error *err)
{
	for (unsigned i = 0; i < OLD_MAX; i++) {
		autofree char *old = i ? xasprintf("config.old.%u", i) : xstrdup("config.old");
		if (renameat2(from_dir, from, dir, old, RENAME_NOREPLACE) == 0) {
			*name = steal_ptr(old);
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return error_errno(err, errno, "renaming %s to config.old", from);
}

/* The new one takes the old one's future name first: at no time is there none, and what was there is nowhere else. */
static int replace(const struct import_place *place, int staged, int dir, struct strvec *kept,
		   struct error *err)
{
	autofree char *old = NULL;

	if (rename_to_old(staged, "config", dir, &old, err) < 0)
		return -1;
	if (renameat2(dir, old, dir, "config", RENAME_EXCHANGE) < 0) {
		error_errno(err, errno, "replacing %s", place->config);
		tree_remove(dir, old, NULL);
		return -1;
	}
	size_t parent = (size_t)(strrchr(place->config, '/') - place->config);
	strvec_pushf(kept, "%.*s/%s", (int)parent, place->config, old);
	return 0;
}

/* Moves the topmost folder of OS/RELEASE/config that is not there yet, so that no empty one is ever left. */
static int move_in(const struct import *import, const struct import_place *place, int work,
		   int root, struct error *err)
{
	autofree char *release = xasprintf("%s/%s", import->os, import->release);
	autofree char *config = xasprintf("%s/config", release);
	const char *names[] = { import->os, release, config };

	for (size_t i = 0; i < 3; i++) {
		if (renameat2(work, names[i], root, names[i], RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return error_errno(err, errno, "writing %s", place->config);
	}
	return in_the_way(place->config, err); /* somebody else's, since it was looked for */
}

static int leave_source(const struct import_place *place, struct strvec *kept, struct error *err)
{
	size_t length = (size_t)(strrchr(place->source_config, '/') - place->source_config);
	autofree char *folder = xstrndup(place->source_config, length);
	autofree char *old = NULL;
	autoclose int dir = dir_open(AT_FDCWD, folder, false, 0, err);

	if (dir < 0 || rename_to_old(dir, "config", dir, &old, err) < 0)
		return -1;
	strvec_pushf(kept, "%s/%s", folder, old);
	return fsync(dir) < 0 ? error_errno(err, errno, "writing %s", folder) : 0;
}

int import_publish(const struct import *import, const struct import_place *place,
		   const struct workdir *work, struct strvec *kept, struct error *err)
{
	autofree char *release = xasprintf("%s/%s", import->os, import->release);
	autoclose int root = dir_open(AT_FDCWD, place->root, false, 0, err);
	int ret;

	if (root < 0)
		return -1;
	if (place->there) {
		autoclose int staged = dir_open(work->fd, release, false, 0, err);
		autoclose int dir = dir_open(root, release, false, 0, err);
		ret = staged < 0 || dir < 0 ? -1 : replace(place, staged, dir, kept, err);
	} else {
		ret = move_in(import, place, work->fd, root, err);
	}
	if (ret < 0)
		return -1;
	/* One call for all the folders that have changed. */
	if (syncfs(root) < 0)
		return error_errno(err, errno, "writing %s", place->config);
	return place->source_config ? leave_source(place, kept, err) : 0;
}
