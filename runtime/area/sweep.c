/*
 * Leftovers in a private area. Which disk is the VE's is what its configuration says, and whoever makes another one, or takes its place, changes that
 * in one step. So all else is of a command that was killed before or after that step; unless the configuration is not the one that belongs to these
 * files, a copy of an earlier time perhaps: then what it names is not there, and nothing is touched.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/private.h"
#include "runtime/area/snapshot.h"

static bool is_whole(int private_area, const struct ve_config *config, const struct ve_disk *which)
{
	autoclose int folder = openat(private_area, which->folder ?: ".",
				      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const char *name = which->kind == DISK_IMAGE ? "image" : disk_own_part(config->layout);
	return folder >= 0 && faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Of the private area itself there are upper, work and fs, and what a saved copy leaves (saved.h). */
static bool is_left(const char *name, const struct ve_disk *which)
{
	static const char *const first[] = { "upper", "work", "fs", NULL };
	if (ve_disk_is_folder(name))
		return !which->folder || strcmp(name, which->folder) != 0;
	for (size_t i = 0; which->folder && first[i]; i++)
		if (!strcmp(name, first[i]))
			return true;
	return false;
}

static void remove_left(int private_area, const struct ve_disk *which)
{
	int folder = openat(private_area, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = folder < 0 ? NULL : fdopendir(folder);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (is_left(entry->d_name, which))
			disk_remove(folder, entry->d_name, NULL);
}

static int open_area(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void private_sweep(const struct ve_config *config)
{
	AUTO(ve_disk_release) struct ve_disk which = VE_DISK_INIT;
	autoclose int private_area = open_area(config->private_area);
	if (private_area < 0 || ve_disk_load(config, &which, NULL) < 0 ||
	    !is_whole(private_area, config, &which))
		return;
	snapshot_sweep(private_area);
	remove_left(private_area, &which);
}

/* What is more than a tree goes first. */
int private_remove(const char *path, struct error *err)
{
	static const struct ve_disk none = { .folder = NULL };
	autoclose int private_area = open_area(path);
	if (private_area >= 0) {
		remove_left(private_area, &none);
		snapshot_remove_all(private_area);
	}
	return tree_remove(AT_FDCWD, path, err);
}
