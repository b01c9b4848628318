#include "vzpkg/install/rpm_placeholder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool on;

static int make_placeholder(int dirfd, const char *path, mode_t mode)
{
	int fd = openat(dirfd, path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode & 07777);
	return fd < 0 ? -1 : close(fd);
}

/* The kernel's coding of a device in 32 bits. */
static unsigned device_number(dev_t device)
{
	unsigned major = (unsigned)(device >> 8) & 0xfff, minor = (unsigned)(device & 0xff);
	minor |= (unsigned)(device >> 12) & 0xfff00;
	return (minor & 0xff) | major << 8 | (minor & 0xfff00) << 12;
}

/* These stand for the C library's in the whole program. */
int mknodat(int dirfd, const char *path, mode_t mode, dev_t device)
{
	if (on)
		return make_placeholder(dirfd, path, mode);
	return (int)syscall(SYS_mknodat, dirfd, path, mode, device_number(device));
}

int mkfifoat(int dirfd, const char *path, mode_t mode)
{
	return mknodat(dirfd, path, mode | S_IFIFO, 0);
}

void rpm_placeholders_begin(void)
{
	on = true;
}

int rpm_placeholder_to_fifo(const char *path, struct error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size)
		return 0; /* a script has put something else there */
	if (unlink(path) < 0 ||
	    syscall(SYS_mknodat, AT_FDCWD, path, S_IFIFO | (st.st_mode & 07777), 0) < 0 ||
	    lchown(path, st.st_uid, st.st_gid) < 0 || chmod(path, st.st_mode & 07777) < 0)
		return error_errno(err, errno, "making the FIFO %s", path);
	return 0;
}
