#include "runtime/loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/interrupt.h"

/* Of file systems in such files: then the host's cache need not hold them once more (O_DIRECT). */
enum { BLOCK = 4096 };

enum { TRIES = 100, STEP_NS = 20000000, WAIT_STEPS = 500 };

static void step(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = STEP_NS }, NULL);
}

/* ---- which device has it ------------------------------------------------------------------------------- */

/* The kernel's numbers of devices are packed in another way than those of stat(2). */
static bool is_of(const struct loop_info64 *info, const struct stat *st)
{
	return info->lo_inode == st->st_ino &&
	       (info->lo_device >> 8 & 0xfff) == major(st->st_dev) &&
	       ((info->lo_device & 0xff) | (info->lo_device >> 12 & 0xfff00)) == minor(st->st_dev);
}

static bool open_if(unsigned number, const struct stat *st, struct loop *ret)
{
	struct loop_info64 info;
	snprintf(ret->path, sizeof(ret->path), "/dev/loop%u", number);
	autoclose int fd = open(ret->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) < 0 || !is_of(&info, st))
		return false;
	ret->fd = steal_fd(&fd);
	return true;
}

static bool is_attached(const char *name)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "/sys/block/%s/loop", name);
	return access(path, F_OK) == 0;
}

/* false if there is none. */
static bool find(const struct stat *st, struct loop *ret)
{
	autoclosedir DIR *dir = opendir("/sys/block");
	unsigned number;
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (sscanf(entry->d_name, "loop%u", &number) == 1 && is_attached(entry->d_name) &&
		    open_if(number, st, ret))
			return true;
	return false;
}

/* ---- attaching ------------------------------------------------------------------------------------------ */

static int missing(int number, struct error *err)
{
	error_set(err, ERROR_TECHNOLOGY, "this host has no loop devices: opening %s: %s",
		  "/dev/loop-control", strerror(number));
	return error_hint(err, "load the kernel module loop (modprobe loop)");
}

/* -1 with errno set; EBUSY: somebody else was faster. */
static int configure(int control, int file, struct loop *ret)
{
	struct loop_config config = {
		.fd = (unsigned)file,
		.block_size = BLOCK,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	if (number < 0)
		return -1;
	snprintf(ret->path, sizeof(ret->path), "/dev/loop%d", number);
	autoclose int fd = open(ret->path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config) < 0)
		return -1;
	ret->fd = steal_fd(&fd);
	return 0;
}

static int attach(int file, const char *name, struct loop *ret, struct error *err)
{
	struct stat st;
	autoclose int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return missing(errno, err);
	if (fstat(file, &st) < 0)
		return error_errno(err, errno, "looking at %s", name);
	for (unsigned i = 0; i < TRIES; i++) {
		if (find(&st, ret) || configure(control, file, ret) == 0)
			return 0;
		if (errno != EBUSY && errno != ENXIO)
			break;
		if (interrupt_check(err) < 0)
			return -1;
		step();
	}
	return error_errno(err, errno, "attaching %s to a loop device", name);
}

/* Under a lock, since another process may just be doing the same. The device has the same open file, and so would keep the lock. */
int loop_attach(int file, const char *name, struct loop *ret, struct error *err)
{
	*ret = LOOP_INIT;
	while (flock(file, LOCK_EX) < 0)
		if (errno != EINTR || interrupt_check(err) < 0)
			return error_errno(err, errno, "locking %s", name);
	int result = attach(file, name, ret, err);
	flock(file, LOCK_UN);
	return result;
}

void loop_release(struct loop *loop)
{
	if (loop->fd >= 0)
		close(loop->fd);
	*loop = LOOP_INIT;
}

/* What was mounted from it may still be going. */
int loop_wait_detached(int file, const char *name, struct error *err)
{
	struct stat st;
	if (fstat(file, &st) < 0)
		return error_errno(err, errno, "looking at %s", name);
	for (unsigned i = 0; i < WAIT_STEPS; i++) {
		AUTO(loop_release) struct loop loop = LOOP_INIT;
		if (!find(&st, &loop))
			return 0;
		if (interrupt_check(err) < 0)
			return -1;
		loop_release(&loop);
		step();
	}
	error_set(err, ERROR_TIME_LIMIT, "%s is in use", name);
	return error_hint(err, "\"losetup -j %s\" shows by which device", name);
}

int loop_resized(const struct loop *loop, struct error *err)
{
	return ioctl(loop->fd, LOOP_SET_CAPACITY) < 0
		       ? error_errno(err, errno, "telling %s the size of its file", loop->path)
		       : 0;
}
