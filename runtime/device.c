#include "runtime/device.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/mount.h"

/* Numbers: Documentation/admin-guide/devices.txt of the kernel. */
static const struct {
	const char *name;
	unsigned major, minor;
} nodes[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const struct {
	const char *name, *target;
} links[] = {
	{ "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" },
};

static const char *const folders[] = { "pts", "shm" };

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int own(int dir, const char *name, unsigned base)
{
	return fchownat(dir, name, base, base, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
}

static int make_node(int dir, size_t i, unsigned base)
{
	dev_t device = makedev(nodes[i].major, nodes[i].minor);
	if (mknodat(dir, nodes[i].name, S_IFCHR | 0600, device) < 0)
		return -1;
	return fchmodat(dir, nodes[i].name, 0666, 0) < 0 ? -1 : own(dir, nodes[i].name, base);
}

static int fill(int dir, unsigned base, const char **what)
{
	for (size_t i = 0; i < COUNT(nodes); i++)
		if (make_node(dir, i, base) < 0)
			return *what = nodes[i].name, -1;
	for (size_t i = 0; i < COUNT(links); i++)
		if (symlinkat(links[i].target, dir, links[i].name) < 0 ||
		    own(dir, links[i].name, base) < 0)
			return *what = links[i].name, -1;
	for (size_t i = 0; i < COUNT(folders); i++)
		if (mkdirat(dir, folders[i], 0755) < 0 || own(dir, folders[i], base) < 0)
			return *what = folders[i], -1;
	*what = "";
	return own(dir, "", base);
}

int device_folder_new(unsigned base, struct error *err)
{
	static const char *const options[] = { "mode", "0755", "size", "1m", NULL };
	const char *what = "";
	autoclose int fd = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
	if (fd < 0)
		return -1;
	if (fill(fd, base, &what) == 0)
		return steal_fd(&fd);
	error_errno(err, errno, "creating /dev/%s for the VE", what);
	return errno == EPERM ? error_hint(err, "CAP_MKNOD is needed, also inside a container")
			      : -1;
}
