#include "runtime/area/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/duplicate.h"
#include "runtime/area/project.h"
#include "runtime/area/subvolume.h"
#include "runtime/mount.h"

#define LINKS ".links" /* tree_duplicate() */

static int open_folder(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

const char *disk_own_part(enum ve_layout layout)
{
	return layout == VE_LAYOUT_SIMFS ? "fs" : "upper";
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

/* With the folder open. */
static int open_files(struct disk *disk, struct error *err)
{
	int top = disk->folder;
	if (disk->kind == DISK_IMAGE) {
		if (image_open(disk->folder, &disk->image, err) < 0)
			return -1;
		top = disk->image.top;
	}
	disk->dir = fcntl(top, F_DUPFD_CLOEXEC, 0);
	return disk->dir < 0 ? error_errno(err, errno, "opening a VE's disk") : 0;
}

int disk_open(int private_area, const struct ve_disk *which, bool files, struct disk *ret,
	      struct error *err)
{
	*ret = DISK_INIT;
	ret->kind = which->kind;
	ret->project = which->project;
	ret->folder = open_folder(private_area, which->folder ?: ".");
	if (ret->folder < 0) {
		autofree char *path = fd_path(private_area);
		error_set(err, ERROR_NO_PRIVATE, "opening %s/%s: %s", path, which->folder ?: "",
			  strerror(errno));
		return error_hint(err, "VE_DISK in the VE's configuration names it");
	}
	return files || ret->kind != DISK_IMAGE ? open_files(ret, err) : 0;
}

void disk_release(struct disk *disk)
{
	cleanup_close(&disk->dir);
	image_release(&disk->image);
	cleanup_close(&disk->folder);
	*disk = DISK_INIT;
}

int disk_mount(const struct disk *disk, struct error *err)
{
	return disk->kind == DISK_IMAGE ? image_mount(&disk->image, err)
					: mount_copy(disk->dir, "", err);
}

/* ---- limits ----------------------------------------------------------------------------------------------- */

bool disk_can_hold(enum disk_kind kind, const struct disk_limits *limits)
{
	if (limits->users && kind != DISK_IMAGE)
		return false;
	switch (kind) {
	case DISK_PROJECT:
		return true;
	case DISK_IMAGE:
		return limits->space.hard;
	case DISK_QGROUP:
		return !limits->inodes.hard;
	default:
		return !disk_limited(limits);
	}
}

int disk_limit(const struct disk *disk, const struct disk_limits *limits, struct error *err)
{
	if (disk->kind == DISK_PROJECT)
		return project_limit(disk->folder, disk->project, limits, err);
	if (disk->kind == DISK_QGROUP)
		return subvolume_limit(disk->folder, limits->space.hard, err);
	return 0;
}

/* ---- making ----------------------------------------------------------------------------------------------- */

static int make_folder(const struct disk_make *make, struct error *err)
{
	if (make->kind == DISK_QGROUP)
		return subvolume_make(make->parent, make->name, err);
	return mkdirat(make->parent, make->name, 0700) < 0
		       ? error_errno(err, errno, "creating the folder %s", make->name)
		       : 0;
}

/* What makes it the kind that it is. */
static int prepare(const struct disk_make *make, int folder, struct error *err)
{
	if (make->kind == DISK_IMAGE)
		return image_make(folder, make->limits, err);
	return make->kind == DISK_PROJECT ? project_mark(folder, make->project, err) : 0;
}

static int open_new(const struct disk_make *make, struct disk *ret, struct error *err)
{
	*ret = DISK_INIT;
	ret->kind = make->kind;
	ret->project = make->project;
	ret->folder = open_folder(make->parent, make->name);
	return ret->folder < 0 ? error_errno(err, errno, "opening the folder %s", make->name) : 0;
}

static int make_new(const struct disk_make *make, struct disk *ret, struct error *err)
{
	if (make->kind == DISK_PROJECT && project_check(make->parent, err) < 0)
		return -1;
	if (make_folder(make, err) < 0 || open_new(make, ret, err) < 0 ||
	    prepare(make, ret->folder, err) < 0 || open_files(ret, err) < 0)
		return -1;
	return make->limits ? disk_limit(ret, make->limits, err) : 0;
}

int disk_make(const struct disk_make *make, struct disk *ret, struct error *err)
{
	*ret = DISK_INIT;
	if (make_new(make, ret, err) == 0)
		return 0;
	disk_release(ret);
	disk_remove(make->parent, make->name, NULL);
	return -1;
}

int disk_remove(int parent, const char *name, struct error *err)
{
	autoclose int folder = open_folder(parent, name);
	unsigned project = folder < 0 ? 0 : project_of(folder);
	if (!subvolume_remove(parent, name) && tree_remove(parent, name, err) < 0)
		return -1;
	if (project)
		project_limit(parent, project, NULL, NULL);
	return 0;
}

/* ---- copying ---------------------------------------------------------------------------------------------- */

static int copy_files(const struct disk *from, enum ve_layout layout, const struct disk *to,
		      struct error *err)
{
	const char *own = disk_own_part(layout);
	if (mkdirat(to->dir, LINKS, 0700) < 0 || mkdirat(to->dir, own, 0700) < 0 ||
	    (layout == VE_LAYOUT_OVERLAY && mkdirat(to->dir, "work", 0700) < 0))
		return error_errno(err, errno, "creating folders for a copy of the VE's files");
	autoclose int old = open_folder(from->dir, own), new = open_folder(to->dir, own);
	autoclose int links = open_folder(to->dir, LINKS);
	if (old < 0 || new < 0 || links < 0)
		return error_errno(err, errno, "opening folders to copy the VE's files");
	if (tree_duplicate(old, new, links, err) < 0)
		return -1;
	return tree_remove(to->dir, LINKS, err);
}

static int copy_image(const struct disk *from, bool frozen, const struct disk_make *make,
		      struct error *err)
{
	if (mkdirat(make->parent, make->name, 0700) < 0)
		return error_errno(err, errno, "creating the folder %s", make->name);
	autoclose int folder = open_folder(make->parent, make->name);
	if (folder < 0)
		return error_errno(err, errno, "opening the folder %s", make->name);
	return image_copy(from->folder, folder, frozen, err);
}

static int copy_subvolume(const struct disk *from, const struct disk_make *make, struct error *err)
{
	AUTO(disk_release) struct disk copy = DISK_INIT;
	if (subvolume_snapshot(from->folder, make->parent, make->name, err) < 0 ||
	    open_new(make, &copy, err) < 0)
		return -1;
	return make->limits ? disk_limit(&copy, make->limits, err) : 0;
}

static int copy_tree(const struct disk *from, enum ve_layout layout, const struct disk_make *make,
		     struct error *err)
{
	AUTO(disk_release) struct disk copy = DISK_INIT;
	return disk_make(make, &copy, err) < 0 ? -1 : copy_files(from, layout, &copy, err);
}

int disk_copy(const struct disk *from, enum ve_layout layout, bool frozen,
	      const struct disk_make *make, struct error *err)
{
	int result;
	if (from->kind == DISK_IMAGE && make->kind == DISK_IMAGE)
		result = copy_image(from, frozen, make, err);
	else if (from->kind == DISK_QGROUP && make->kind == DISK_QGROUP)
		result = copy_subvolume(from, make, err);
	else
		result = copy_tree(from, layout, make, err);
	if (result < 0)
		disk_remove(make->parent, make->name, NULL);
	return result;
}
