#include "runtime/mount.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

static int copy(int dirfd, const char *path, unsigned recursive, struct error *err)
{
	struct mount_attr alone = { .propagation = MS_PRIVATE };
	autoclose int fd = open_tree(
		dirfd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive);
	if (fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH | recursive, &alone, sizeof(alone)) == 0)
		return steal_fd(&fd);
	if (errno == ENOSYS)
		return error_set(err, ERROR_CONTAINER, "Linux 5.12 or newer is needed for a VE");
	return error_errno(err, errno, "taking %s to show it in the VE", *path ? path : "the tree");
}

int mount_copy(int dirfd, const char *path, struct error *err)
{
	return copy(dirfd, path, 0, err);
}

int mount_copy_all(int dirfd, const char *path, struct error *err)
{
	return copy(dirfd, path, AT_RECURSIVE, err);
}

static int configure(int fs, const char *type, const char *const *options, struct error *err)
{
	bool has_source = options && *options && !strcmp(*options, "source");
	if (!has_source && fsconfig(fs, FSCONFIG_SET_STRING, "source", type, 0) < 0)
		return error_errno(err, errno, "naming a %s", type);
	for (; options && *options; options += 2) {
		unsigned command = options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
		if (fsconfig(fs, command, options[0], options[1], 0) < 0)
			return error_errno(err, errno, "option %s of %s", options[0], type);
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_errno(err, errno, "creating a %s", type);
	return 0;
}

int mount_new(const char *type, const char *const *options, uint64_t attributes, struct error *err)
{
	autoclose int fs = fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0)
		return error_errno(err, errno, "opening the file system type %s", type);
	if (configure(fs, type, options, err) < 0)
		return -1;
	int fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attributes);
	if (fd >= 0)
		return fd;
	error_errno(err, errno, "mounting a %s", type);
	if (errno == EPERM)
		error_hint(err, "inside another container its own %s must not be covered in parts",
			   type);
	return -1;
}

int mount_change(int mount, uint64_t attributes, int userns, const char *what, struct error *err)
{
	struct mount_attr change = { .attr_set = attributes };
	if (attributes & MOUNT_ATTR_NOATIME)
		change.attr_clr = MOUNT_ATTR__ATIME;
	if (attributes & MOUNT_ATTR_IDMAP)
		change.userns_fd = (uint64_t)userns;
	if (mount_setattr(mount, "", AT_EMPTY_PATH, &change, sizeof(change)) == 0)
		return 0;
	int number = errno;
	if (!(attributes & MOUNT_ATTR_IDMAP) || (number != EINVAL && number != ENOSYS))
		return error_errno(err, number, "changing the mount of %s", what);
	struct statfs fs = { 0 };
	fstatfs(mount, &fs);
	error_set(err, ERROR_CONTAINER,
		  "the file system of %s (type 0x%lx) cannot be shown with mapped ids", what,
		  (unsigned long)fs.f_type);
	return error_hint(err, "put it on ext4, xfs or btrfs with Linux 5.12 or newer, or on tmpfs "
			       "with Linux 6.3 or newer");
}

int mount_place(int mount, const char *path, struct error *err)
{
	if (move_mount(mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, errno, "mounting onto %s of the VE", path);
	return 0;
}

/* pivot_root(2), "pivot_root(".", ".")": no folder for the old root is needed. */
int mount_pivot(int mount, struct error *err)
{
	autoclose int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || mount_place(mount, "/", err) < 0)
		return -1;
	if (fchdir(mount) < 0 || syscall(SYS_pivot_root, ".", ".") < 0) {
		int number = errno;
		error_set(err, ERROR_CONTAINER, "changing to the VE's root: %s", strerror(number));
		return error_hint(err, "the host's root must not be an initramfs");
	}
	if (fchdir(old) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_errno(err, errno, "leaving the host's root");
	return 0;
}
