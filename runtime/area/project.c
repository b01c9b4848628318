#include "runtime/area/project.h"

#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int control(int folder, unsigned command, unsigned project, void *data)
{
	return (int)syscall(SYS_quotactl_fd, folder, QCMD(command, PRJQUOTA), project, data);
}

int project_check(int folder, struct error *err)
{
	struct fs_quota_statv state = { .qs_version = FS_QSTATV_VERSION1 };
	if (control(folder, Q_XGETQSTATV, 0, &state) < 0)
		error_set(err, ERROR_QUOTA, "the file system has no project quotas: %s",
			  strerror(errno));
	else if (!(state.qs_flags & FS_QUOTA_PDQ_ENFD))
		error_set(err, ERROR_QUOTA, "the file system does not enforce project quotas");
	else
		return 0;
	return error_hint(err, "mount it with the option prjquota; ext4 needs the features quota "
			       "and project, see tune2fs(8)");
}

bool project_in_use(int folder, unsigned project)
{
	struct if_dqblk quota = { 0 };
	return control(folder, Q_GETQUOTA, project, &quota) == 0 &&
	       (quota.dqb_curspace || quota.dqb_curinodes || quota.dqb_bhardlimit ||
		quota.dqb_ihardlimit);
}

unsigned project_of(int folder)
{
	struct fsxattr attributes;
	return ioctl(folder, FS_IOC_FSGETXATTR, &attributes) < 0 ? 0 : attributes.fsx_projid;
}

int project_mark(int folder, unsigned project, struct error *err)
{
	struct fsxattr attributes;
	if (ioctl(folder, FS_IOC_FSGETXATTR, &attributes) < 0)
		return error_errno(err, errno, "reading the project of a folder");
	attributes.fsx_projid = project;
	attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	if (ioctl(folder, FS_IOC_FSSETXATTR, &attributes) < 0)
		return error_errno(err, errno, "making a folder part of the project %u", project);
	return 0;
}

int project_limit(int folder, unsigned project, const struct disk_limits *limits, struct error *err)
{
	static const struct disk_limits none;
	const struct disk_limits *set = limits ?: &none;
	struct if_dqblk quota = {
		.dqb_bsoftlimit = set->space.soft / QIF_DQBLKSIZE,
		.dqb_bhardlimit = set->space.hard / QIF_DQBLKSIZE,
		.dqb_isoftlimit = set->inodes.soft,
		.dqb_ihardlimit = set->inodes.hard,
		.dqb_valid = QIF_LIMITS,
	};
	if (control(folder, Q_SETQUOTA, project, &quota) == 0)
		return 0;
	int number = errno;
	error_errno(err, number, "setting the limits of the project %u", project);
	if (err)
		err->kind = ERROR_QUOTA;
	return -1;
}
