/*
 * Snapshots: shown to the host. Where one is, is said by the link "mounted" in its folder, which is there before the mount and stays after a crash, a reboot, or an
 * umount(8) by hand: so it holds the number of the device and of the inode besides, and counts as long as these are what is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/private.h"
#include "runtime/area/snapshot.h"
#include "runtime/life/life.h"
#include "runtime/mount.h"

#define LINK "mounted"

/* Where it is mounted, to be freed; NULL: nowhere. */
static char *shown_at(int folder)
{
	char text[PATH_MAX];
	unsigned long long device, inode;
	int begin = 0;
	struct stat st;
	ssize_t got = readlinkat(folder, LINK, text, sizeof(text) - 1);
	if (got < 0)
		return NULL;
	text[got] = 0;
	bool holds = sscanf(text, "%llx:%llx:%n", &device, &inode, &begin) == 2 && begin &&
		     is_mounted(text + begin) && lstat(text + begin, &st) == 0 &&
		     st.st_dev == device && st.st_ino == inode;
	return holds ? xstrdup(text + begin) : NULL;
}

static int note(int folder, int mount, const char *target, struct error *err)
{
	struct stat st;
	if (fstat(mount, &st) < 0)
		return error_errno(err, errno, "looking at the mount");
	autofree char *text = xasprintf("%llx:%llx:%s", (unsigned long long)st.st_dev,
					(unsigned long long)st.st_ino, target);
	unlinkat(folder, LINK, 0);
	return symlinkat(text, folder, LINK) < 0
		       ? error_errno(err, errno, "noting where the snapshot is mounted")
		       : 0;
}

static int check_folder(const struct life *life, int folder, const char *id, struct error *err)
{
	autofree char *target = shown_at(folder);
	if (!target)
		return 0;
	error_set(err, ERROR_MOUNTED, "the snapshot %s of the VE %u is mounted at %s", id,
		  life->ctid, target);
	return error_hint(err, "\"vzctl snapshot-umount %u --id %s\" takes it away", life->ctid,
			  id);
}

/* A VE without a private area has no snapshots. */
static int open_area(const struct ve_config *config)
{
	return open(config->private_area, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int check_unshown(const struct life *life, const struct ve_config *config, const char *id,
		  struct error *err)
{
	AUTO(snapshots_release) struct snapshots all = SNAPSHOTS_INIT;
	autoclose int private_area = open_area(config);
	/* One that cannot be read cannot be mounted. */
	if (private_area < 0 || snapshots_read(config->private_area, &all, NULL) < 0)
		return 0;
	for (size_t i = 0; i < all.count; i++) {
		if (id && strcmp(id, all.items[i].id) != 0)
			continue;
		autoclose int folder = snapshot_open(private_area, all.items[i].id, err);
		if (folder < 0 || check_folder(life, folder, all.items[i].id, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- mounting and unmounting ------------------------------------------------------------------------------ */

/* A snapshot of a VE under lock. */
struct opened {
	struct held held;
	struct snapshots all;
	const struct snapshot *which;
	int folder;
};

#define OPENED_INIT ((struct opened){ .held = HELD_INIT, .all = SNAPSHOTS_INIT, .folder = -1 })

static void opened_release(struct opened *opened)
{
	if (opened->folder >= 0)
		close(opened->folder);
	snapshots_release(&opened->all);
	held_release(&opened->held);
}

static int open_snapshot(const struct life *life, const char *text, struct opened *ret,
			 struct error *err)
{
	char id[SNAPSHOT_ID_SIZE];
	if (snapshot_id_parse(text, id, err) < 0 || held_take(life, true, &ret->held, err) < 0 ||
	    snapshots_read(ret->held.config.private_area, &ret->all, err) < 0)
		return -1;
	ret->which = snapshots_find(&ret->all, id);
	if (!ret->which) {
		error_set(err, ERROR_VALUE, "there is no snapshot %s", id);
		return error_hint(err, "\"vzctl snapshot-list %u\" shows which there are",
				  life->ctid);
	}
	autoclose int private_area = open_area(&ret->held.config);
	ret->folder = private_area < 0 ? -1 : snapshot_open(private_area, id, err);
	return ret->folder < 0 ? -1 : 0;
}

static int check_target(const char *given, char **ret, struct error *err)
{
	struct stat st;
	*ret = realpath(given, NULL);
	if (!*ret || stat(*ret, &st) < 0) {
		error_set(err, ERROR_MOUNT, "%s: %s", given, strerror(errno));
		return error_hint(err, "--target is a folder that is there");
	}
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERROR_MOUNT, "%s is no folder", *ret);
	if (is_mounted(*ret))
		return error_set(err, ERROR_MOUNTED, "something is mounted at %s already", *ret);
	return 0;
}

static int show(const struct life *life, const struct opened *opened, const char *target,
		struct error *err)
{
	AUTO(private_release) struct private_area area = PRIVATE_AREA_INIT;
	if (private_open_snapshot(life->host, opened->folder, &opened->which->info, &area, err) < 0)
		return -1;
	autoclose int mount = private_show_apart(&area, true, target, err);
	if (mount < 0 || note(opened->folder, mount, target, err) < 0)
		return -1;
	if (mount_place(mount, target, err) == 0)
		return 0;
	unlinkat(opened->folder, LINK, 0);
	return -1;
}

int life_snapshot_mount(const struct life *life, const char *id, const char *target, char **where,
			struct error *err)
{
	AUTO(opened_release) struct opened opened = OPENED_INIT;
	autofree char *path = NULL;
	if (open_snapshot(life, id, &opened, err) < 0 ||
	    check_folder(life, opened.folder, opened.which->id, err) < 0 ||
	    check_target(target, &path, err) < 0)
		return -1;
	if (show(life, &opened, path, err) < 0) {
		if (err->kind == ERROR_SYSTEM)
			err->kind = ERROR_MOUNT;
		return error_wrap(err, "mounting a snapshot of the VE %u at %s", life->ctid, path);
	}
	*where = steal_ptr(path);
	return 0;
}

int life_snapshot_umount(const struct life *life, const char *id, struct error *err)
{
	AUTO(opened_release) struct opened opened = OPENED_INIT;
	if (open_snapshot(life, id, &opened, err) < 0)
		return -1;
	autofree char *target = shown_at(opened.folder);
	if (!target) {
		unlinkat(opened.folder, LINK, 0);
		return error_set(err, ERROR_NOT_MOUNTED,
				 "the snapshot %s of the VE %u is not mounted", opened.which->id,
				 life->ctid);
	}
	if (umount_root(target, err) < 0)
		return -1;
	unlinkat(opened.folder, LINK, 0);
	return 0;
}
