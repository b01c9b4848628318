#include "runtime/tenant_root.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/mount.h"

#define DEVPTS "devpts"

enum {
	TERMINALS_MAX = 1 << 20, /* the kernel's own (devpts) */
	SAFE = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	SAFEST = SAFE | MOUNT_ATTR_NOEXEC,
};

static const char *const shm[] = { "mode", "1777", NULL };
static const char *const run[] = { "mode", "0755", NULL };

/* In the order in which they are placed. */
static const struct {
	const char *type, *target;
	const char *const *options;
	uint64_t attributes;
	bool optional; /* a host without it has VEs without it */
} file_systems[] = {
	{ "proc", "/proc", NULL, SAFEST, false },
	{ "sysfs", "/sys", NULL, SAFEST | MOUNT_ATTR_RDONLY, false },
	{ "cgroup2", "/sys/fs/cgroup", NULL, SAFEST, true },
	{ DEVPTS, "/dev/pts", NULL, 0, false },
	{ "tmpfs", "/dev/shm", shm, SAFE, false },
	{ "mqueue", "/dev/mqueue", NULL, SAFEST, true },
	{ "tmpfs", "/run", run, SAFE, false },
};

enum { COUNT = sizeof(file_systems) / sizeof(*file_systems) };

int tenant_terminals_new(unsigned terminals, unsigned group, struct error *err)
{
	unsigned most = terminals < TERMINALS_MAX ? terminals + 1 : TERMINALS_MAX;
	autofree char *most_text = xasprintf("%u", most), *group_text = xasprintf("%u", group);
	const char *const options[] = { "newinstance", NULL,      "ptmxmode", "0666",
					"mode",        "0620",    "gid",      group_text,
					"max",         most_text, NULL };
	return mount_new(DEVPTS, options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
}

static int make_all(unsigned terminals, int fds[COUNT], struct error *err)
{
	for (int i = 0; i < COUNT; i++) {
		struct error *why = file_systems[i].optional ? NULL : err;
		fds[i] = !strcmp(file_systems[i].type, DEVPTS)
				 ? tenant_terminals_new(terminals, TENANT_TTY_GROUP, why)
				 : mount_new(file_systems[i].type, file_systems[i].options,
					     file_systems[i].attributes, why);
		if (fds[i] < 0 && !file_systems[i].optional)
			return -1;
	}
	return 0;
}

static int place_all(const int fds[COUNT], int dev, struct error *err)
{
	if (mount_place(dev, "/dev", err) < 0)
		return -1;
	if (mkdir("/dev/mqueue", 0755) < 0)
		return error_errno(err, errno, "creating /dev/mqueue in the VE");
	for (int i = 0; i < COUNT; i++)
		if (fds[i] >= 0 && mount_place(fds[i], file_systems[i].target, err) < 0)
			return -1;
	/* Where scripts of sysvinit look for it. */
	if (mkdir("/run/lock", 01777) < 0 || chmod("/run/lock", 01777) < 0)
		return error_errno(err, errno, "creating /run/lock in the VE");
	return 0;
}

int tenant_root_enter(int tree, int dev, unsigned terminals, struct error *err)
{
	int fds[COUNT];
	for (int i = 0; i < COUNT; i++)
		fds[i] = -1;
	umask(022);
	/* Made before the host's are out of sight: the kernel wants to see a proc and a sysfs. */
	int result = make_all(terminals, fds, err);
	if (result == 0)
		result = mount_pivot(tree, err);
	if (result == 0)
		result = place_all(fds, dev, err);
	for (int i = 0; i < COUNT; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return result;
}

int tenant_console(int *slave, struct error *err)
{
	int unlock = 0;
	autoclose int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return error_errno(err, errno, "opening a terminal in the VE");
	autoclose int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "opening a terminal in the VE");
	/* One that is there is of a terminal before this, which may be gone: nothing can be mounted onto that. */
	umount2("/dev/console", MNT_DETACH | UMOUNT_NOFOLLOW);
	int place = open("/dev/console", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (place >= 0)
		close(place);
	autoclose int mount = mount_copy(fd, "", err);
	if (mount < 0 || mount_place(mount, "/dev/console", err) < 0)
		return error_wrap(err, "making the VE's console");
	*slave = steal_fd(&fd);
	return steal_fd(&master);
}
