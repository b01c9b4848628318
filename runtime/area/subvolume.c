#include "runtime/area/subvolume.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

static int check_name(const char *name, struct error *err)
{
	return strlen(name) > BTRFS_SUBVOL_NAME_MAX
		       ? error_errno(err, ENAMETOOLONG, "making the subvolume %s", name)
		       : 0;
}

int subvolume_make(int folder, const char *name, struct error *err)
{
	struct btrfs_ioctl_vol_args args = { 0 };
	struct statfs fs;
	if (check_name(name, err) < 0)
		return -1;
	if (fstatfs(folder, &fs) < 0 || fs.f_type != BTRFS_SUPER_MAGIC)
		return error_set(err, ERROR_TECHNOLOGY, "the file system is not btrfs");
	memcpy(args.name, name, strlen(name));
	if (ioctl(folder, BTRFS_IOC_SUBVOL_CREATE, &args) < 0)
		return error_errno(err, errno, "making the subvolume %s", name);
	return 0;
}

int subvolume_snapshot(int from, int folder, const char *name, struct error *err)
{
	struct btrfs_ioctl_vol_args_v2 args = { .fd = from };
	if (check_name(name, err) < 0)
		return -1;
	memcpy(args.name, name, strlen(name));
	if (ioctl(folder, BTRFS_IOC_SNAP_CREATE_V2, &args) < 0)
		return error_errno(err, errno, "making a copy of a subvolume as %s", name);
	return 0;
}

int subvolume_limit(int subvolume, uint64_t bytes, struct error *err)
{
	struct btrfs_ioctl_qgroup_limit_args args = {
		.lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = bytes ?: UINT64_MAX },
	};
	if (ioctl(subvolume, BTRFS_IOC_QGROUP_LIMIT, &args) == 0)
		return 0;
	error_set(err, ERROR_QUOTA, "limiting a subvolume: %s", strerror(errno));
	return error_hint(err, "enable quotas: \"btrfs quota enable\" of the file system");
}

bool subvolume_remove(int folder, const char *name)
{
	struct btrfs_ioctl_vol_args args = { 0 };
	if (strlen(name) > BTRFS_SUBVOL_NAME_MAX)
		return false;
	memcpy(args.name, name, strlen(name));
	return ioctl(folder, BTRFS_IOC_SNAP_DESTROY, &args) == 0;
}
