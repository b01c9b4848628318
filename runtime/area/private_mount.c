/* How a private area is mounted: for its VE, and for the host. */
#include "runtime/area/private.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/apart.h"
#include "runtime/mount.h"
#include "runtime/namespace.h"
#include "runtime/wire.h"

/* Folders of the scratch file system, relative to it, so that no path of the host has to be quoted. */
#define LOWER "lower"
#define PRIVATE "private"
#define MERGED "merged"
/* What overlay makes in its work folder when it can write there. */
#define OVERLAY_WORK    \
	PRIVATE "/work" \
		"/work"

/* A small tmpfs at `scratch`, in which the layers are put where overlay can be told of them: it takes no mount
 * that is not in some place. It becomes the working folder. */
static int enter_scratch(const char *scratch, struct error *err)
{
	static const char *const options[] = { "mode", "0700", "size", "64k", NULL };
	autoclose int fd = mount_new("tmpfs", options, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, err);
	if (fd < 0 || mount_place(fd, scratch, err) < 0)
		return -1;
	if (fchdir(fd) < 0 || mkdir(LOWER, 0700) < 0 || mkdir(PRIVATE, 0700) < 0 ||
	    mkdir(MERGED, 0700) < 0)
		return error_errno(err, errno, "preparing %s", scratch);
	return 0;
}

static int map(int mount, const char *what, uint64_t attributes, int userns, struct error *err)
{
	if (userns >= 0)
		attributes |= MOUNT_ATTR_IDMAP;
	if (!attributes || mount_change(mount, attributes, userns, what, err) == 0)
		return 0;
	return error_wrap(err, "the VE's %s", what);
}

/* Of an image, only the whole can be mounted. */
static int copy_tree(const struct private_area *area, struct private_copies *ret, struct error *err)
{
	bool whole = area->disk.kind == DISK_IMAGE || area->layout == VE_LAYOUT_OVERLAY;
	if (area->layout == VE_LAYOUT_SIMFS && whole)
		ret->below = "fs";
	ret->tree = whole ? disk_mount(&area->disk, err) : mount_copy(area->tree, "", err);
	return ret->tree < 0 ? -1 : 0;
}

int private_copy(const struct private_area *area, int userns, struct private_copies *ret,
		 struct error *err)
{
	bool simfs = area->layout == VE_LAYOUT_SIMFS;
	*ret = PRIVATE_COPIES_INIT;
	if (!simfs && (ret->lower = mount_copy(area->layer.dir, "", err)) < 0)
		return -1;
	if (!simfs && map(ret->lower, "layer", 0, userns, err) < 0)
		return -1;
	if (copy_tree(area, ret, err) < 0)
		return -1;
	return map(ret->tree, "private area", simfs ? MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME : 0,
		   area->ids_shifted ? -1 : userns, err);
}

void private_copies_release(struct private_copies *copies)
{
	if (copies->tree >= 0)
		close(copies->tree);
	if (copies->lower >= 0)
		close(copies->lower);
	*copies = PRIVATE_COPIES_INIT;
}

static void unbecome(void)
{
	setfsuid(0);
	setfsgid(0);
}

/* redirect_dir lets folders of the layer be renamed, metacopy lets a file's owner change without copying it. Read-only there is no upper layer, so that
 * overlay leaves nothing in its work folder. */
static char *overlay_options(unsigned long flags)
{
	static const char with[] = "redirect_dir=on,metacopy=on,index=off";
	if (flags & MS_RDONLY)
		return xasprintf("lowerdir=" PRIVATE "/upper:" LOWER ",%s", with);
	return xasprintf(
		"lowerdir=" LOWER ",upperdir=" PRIVATE "/upper,workdir=" PRIVATE "/work,%s", with);
}

static int mount_overlay(unsigned long flags, struct error *err)
{
	autofree char *options = overlay_options(flags);
	if (mount("overlay", MERGED, "overlay", flags, options) == 0)
		return 0;
	int number = errno;
	error_set(err,
		  number == ENODEV || number == EINVAL || number == EPERM ? ERROR_CONTAINER
									  : ERROR_MOUNT,
		  "mounting the VE's overlay: %s", strerror(number));
	return error_hint(err, "the kernel's log (dmesg) says why; --layout simfs does without it");
}

/* A mount that was refused quietly can be read only. */
static int check_writable(struct error *err)
{
	struct stat st;
	if (access(OVERLAY_WORK, F_OK) < 0 || stat(MERGED, &st) < 0) {
		error_set(err, ERROR_CONTAINER, "overlay cannot be written here with mapped ids");
		return error_hint(err, "it takes Linux 5.19 or newer; --layout simfs does without");
	}
	return 0;
}

static int mount_simfs(const struct private_copies *copies, const char *scratch, struct error *err)
{
	if (!copies->below) {
		int fd = fcntl(copies->tree, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? error_errno(err, errno, "taking the VE's tree") : fd;
	}
	if (enter_scratch(scratch, err) < 0 || mount_place(copies->tree, PRIVATE, err) < 0)
		return -1;
	autofree char *path = xasprintf(PRIVATE "/%s", copies->below);
	return mount_copy(AT_FDCWD, path, err);
}

static int place_layers(const struct private_copies *copies, const char *scratch, struct error *err)
{
	if (enter_scratch(scratch, err) < 0 || mount_place(copies->lower, LOWER, err) < 0)
		return -1;
	return mount_place(copies->tree, PRIVATE, err);
}

int private_mount(const struct private_copies *copies, unsigned base, const char *scratch,
		  struct error *err)
{
	if (copies->lower < 0)
		return mount_simfs(copies, scratch, err);
	if (place_layers(copies, scratch, err) < 0)
		return -1;
	/* As the host's root, whom the mapped layers do not know, it would silently be read-only. */
	if (namespace_take_file_ids(base) < 0)
		return error_set(err, ERROR_CONTAINER, "taking the file system id %u failed", base);
	int result = mount_overlay(MS_NODEV | MS_NOATIME, err);
	unbecome();
	if (result < 0 || check_writable(err) < 0)
		return -1;
	return mount_copy(AT_FDCWD, MERGED, err);
}

static int try(const struct private_area *area, int userns, unsigned base, const char *scratch,
	       struct error *err)
{
	AUTO(private_copies_release) struct private_copies copies = PRIVATE_COPIES_INIT;
	if (private_copy(area, userns, &copies, err) < 0)
		return -1;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "creating a mount namespace");
	autoclose int fd = private_mount(&copies, base, scratch, err);
	return fd < 0 ? -1 : 0;
}

int private_try(const struct private_area *area, int userns, unsigned base, const char *scratch,
		struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	int ends[2], status = 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	pid_t child = fork();
	if (child == 0) {
		struct error why = ERROR_INIT;
		interrupt_reset_child();
		if (try(area, userns, base, scratch, &why) == 0)
			_exit(0);
		wire_pack_error(&text, &why);
		write_all(ends[1], text.text, text.length, "a pipe", NULL);
		_exit(1);
	}
	close(ends[1]);
	if (child > 0)
		file_read_fd(ends[0], "a pipe", 65536, &text, NULL);
	close(ends[0]);
	if (child < 0 || TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) < 0)
		return error_errno(err, errno, "starting a process");
	return status == 0 ? 0 : wire_unpack_error(text.text, text.length, err);
}

/* ---- for the host ---------------------------------------------------------------------------------- */

static int show_overlay(const struct private_copies *copies, unsigned long flags,
			const char *scratch, struct error *err)
{
	if (place_layers(copies, scratch, err) < 0 || mount_overlay(MS_NOATIME | flags, err) < 0)
		return -1;
	return mount_copy(AT_FDCWD, MERGED, err);
}

int private_show(const struct private_area *area, bool read_only, const char *scratch,
		 struct error *err)
{
	AUTO(private_copies_release) struct private_copies copies = PRIVATE_COPIES_INIT;
	uint64_t attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
	if (read_only)
		attributes |= MOUNT_ATTR_RDONLY;
	if (private_copy(area, -1, &copies, err) < 0)
		return -1;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "creating a mount namespace");
	autoclose int fd = copies.lower < 0
				   ? mount_simfs(&copies, scratch, err)
				   : show_overlay(&copies, read_only ? MS_RDONLY : 0, scratch, err);
	if (fd < 0 || mount_change(fd, attributes, -1, "the VE's tree", err) < 0)
		return -1;
	return steal_fd(&fd);
}

struct showing {
	const struct private_area *area;
	bool read_only;
	const char *scratch;
};

static int show(const void *data, struct strbuf *said, struct error *err)
{
	const struct showing *showing = data;
	(void)said;
	return private_show(showing->area, showing->read_only, showing->scratch, err);
}

int private_show_apart(const struct private_area *area, bool read_only, const char *scratch,
		       struct error *err)
{
	const struct showing showing = { area, read_only, scratch };
	return apart_open(show, &showing, NULL, err);
}

int private_mount_host(const struct private_area *area, const char *target, struct error *err)
{
	autoclose int fd = private_show_apart(area, false, target, err);
	return fd < 0 ? -1 : mount_place(fd, target, err);
}
