#include "runtime/area/private.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/area/saved.h"
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

static int open_folder(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static const char *own_part(const struct private_area *area)
{
	return area->layout == VE_LAYOUT_SIMFS ? "fs" : "upper";
}

int private_open(const struct host_config *host, const struct ve_config *config,
		 struct private_area *ret, struct error *err)
{
	*ret = PRIVATE_AREA_INIT;
	ret->layout = config->layout;
	ret->ids_shifted = config->ids_shifted;
	const char *missing = NULL;
	ret->dir = open_folder(AT_FDCWD, config->private_area);
	if (ret->dir >= 0 && saved_reconcile(ret->dir, own_part(ret), err) < 0)
		return error_wrap(err, "VE %u", config->ctid);
	if (ret->dir < 0)
		missing = "";
	else if (config->layout == VE_LAYOUT_SIMFS && (ret->tree = open_folder(ret->dir, "fs")) < 0)
		missing = "/fs";
	else if (config->layout == VE_LAYOUT_OVERLAY && faccessat(ret->dir, "upper", F_OK, 0) < 0)
		missing = "/upper";
	if (missing) {
		error_set(err, ERROR_NO_PRIVATE,
			  "the private area of the VE %u, %s%s, cannot be opened: %s", config->ctid,
			  config->private_area, missing, strerror(errno));
		return error_hint(err, "restore it from a backup, or see VE_PRIVATE and VE_LAYOUT "
				       "in the VE's configuration");
	}
	if (config->layout == VE_LAYOUT_SIMFS)
		return 0;
	if (!config->layer)
		return error_set(err, ERROR_PARSE, "%s has no VE_LAYER, which an overlay VE needs",
				 config->conf.path);
	return layer_open(host, config->layer, &ret->layer, err);
}

void private_release(struct private_area *area)
{
	if (area->dir >= 0)
		close(area->dir);
	if (area->tree >= 0)
		close(area->tree);
	if (area->saved >= 0)
		close(area->saved);
	layer_release(&area->layer);
	*area = PRIVATE_AREA_INIT;
}

/* ---- saving ----------------------------------------------------------------------------------------- */

int private_save(struct private_area *area, struct error *err)
{
	area->saved = saved_make(area->dir, own_part(area), err);
	return area->saved < 0 ? -1 : 0;
}

static void end_saving(struct private_area *area)
{
	close(area->saved);
	area->saved = -1;
}

int private_put_back(struct private_area *area, struct error *err)
{
	if (saved_put_back(area->dir, own_part(area), err) < 0)
		return -1;
	end_saving(area);
	if (area->layout != VE_LAYOUT_SIMFS)
		return 0;
	close(area->tree);
	area->tree = open_folder(area->dir, "fs");
	return area->tree < 0 ? error_errno(err, errno, "opening a private area") : 0;
}

int private_forget(struct private_area *area, struct error *err)
{
	if (saved_drop(area->dir, own_part(area), err) < 0)
		return -1;
	end_saving(area);
	return 0;
}

/* ---- making ----------------------------------------------------------------------------------------- */

/* The top folder of what is merged looks as that of `upper`. */
int private_make_overlay(int dir, const struct layer *layer, struct error *err)
{
	struct stat st;
	if (fstat(layer->dir, &st) < 0)
		return error_errno(err, errno, "looking at the layer");
	if (mkdirat(dir, "upper", 0700) < 0 || mkdirat(dir, "work", 0700) < 0)
		return error_errno(err, errno, "creating upper and work in the private area");
	if (fchownat(dir, "upper", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dir, "upper", st.st_mode & 07777, 0) < 0)
		return error_errno(err, errno, "setting the mode of upper in the private area");
	return 0;
}

/* ---- mounting ------------------------------------------------------------------------------------ */

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

static int copy_mapped(int dir, uint64_t attributes, int userns, const char *what,
		       struct error *err)
{
	autoclose int fd = mount_copy(dir, "", err);
	autofree char *path = fd_path(dir);
	if (fd < 0)
		return -1;
	if (mount_change(fd, attributes, userns, path, err) < 0) {
		error_wrap(err, "the VE's %s", what);
		return -1;
	}
	return steal_fd(&fd);
}

int private_copy(const struct private_area *area, int userns, struct private_copies *ret,
		 struct error *err)
{
	*ret = PRIVATE_COPIES_INIT;
	if (area->layout == VE_LAYOUT_SIMFS) {
		uint64_t attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME;
		if (!area->ids_shifted)
			attributes |= MOUNT_ATTR_IDMAP;
		ret->tree = copy_mapped(area->tree, attributes, userns, "private area", err);
		return ret->tree < 0 ? -1 : 0;
	}
	ret->lower = copy_mapped(area->layer.dir, MOUNT_ATTR_IDMAP, userns, "layer", err);
	if (ret->lower < 0)
		return -1;
	ret->tree = copy_mapped(area->dir, MOUNT_ATTR_IDMAP, userns, "private area", err);
	return ret->tree < 0 ? -1 : 0;
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

/* redirect_dir lets folders of the layer be renamed, metacopy lets a file's owner change without copying it. */
static int mount_overlay(const char *target, const char *lower, const char *private_area,
			 unsigned long flags, struct error *err)
{
	autofree char *options = xasprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work,"
					   "redirect_dir=on,metacopy=on,index=off",
					   lower, private_area, private_area);
	if (mount("overlay", target, "overlay", flags, options) == 0)
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

int private_mount(const struct private_copies *copies, unsigned base, const char *scratch,
		  struct error *err)
{
	if (copies->lower < 0) {
		int fd = fcntl(copies->tree, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? error_errno(err, errno, "taking the VE's tree") : fd;
	}
	if (enter_scratch(scratch, err) < 0 || mount_place(copies->lower, LOWER, err) < 0 ||
	    mount_place(copies->tree, PRIVATE, err) < 0)
		return -1;
	/* As the host's root, whom the mapped layers do not know, it would silently be read-only. */
	if (namespace_take_file_ids(base) < 0)
		return error_set(err, ERROR_CONTAINER, "taking the file system id %u failed", base);
	int result = mount_overlay(MERGED, LOWER, PRIVATE, MS_NODEV | MS_NOATIME, err);
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

/* ---- tidying ------------------------------------------------------------------------------------------ */

/* What overlay writes for its own use, and what says nothing about an empty folder. */
static bool has_own_attributes(int folder)
{
	static const char *const plain[] = { "trusted.overlay.origin", "trusted.overlay.impure",
					     "trusted.overlay.uuid" };
	char names[1024];
	ssize_t size = flistxattr(folder, names, sizeof(names));
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
		bool known = false;
		for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
			known |= !strcmp(names + at, plain[i]);
		if (!known)
			return true;
	}
	return size < 0 && errno != EOPNOTSUPP;
}

static bool looks_same(int upper, int lower)
{
	struct stat a, b;
	return fstat(upper, &a) == 0 && fstat(lower, &b) == 0 && a.st_mode == b.st_mode &&
	       a.st_uid == b.st_uid && a.st_gid == b.st_gid &&
	       a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
	       !has_own_attributes(upper);
}

/* Only an empty folder can be removed so; the one that it was in is to look as before. */
static void remove_folder(int parent, const char *name)
{
	struct stat before;
	if (fstat(parent, &before) == 0 && unlinkat(parent, name, AT_REMOVEDIR) == 0)
		utimensat(parent, ".", (struct timespec[]){ before.st_atim, before.st_mtim }, 0);
}

static void tidy(int upper, int lower, const char *path)
{
	path += strspn(path, "/");
	size_t length = strcspn(path, "/");
	if (!length)
		return;
	autofree char *name = xstrndup(path, length);
	autoclose int above = open_folder(upper, name), below = open_folder(lower, name);
	if (above < 0 || below < 0)
		return;
	tidy(above, below, path + length);
	if (looks_same(above, below))
		remove_folder(upper, name);
}

void private_tidy(const struct private_area *area, const char *folder)
{
	if (area->layout != VE_LAYOUT_OVERLAY)
		return;
	autoclose int upper = open_folder(area->dir, "upper");
	if (upper >= 0)
		tidy(upper, area->layer.dir, folder);
}

/* ---- for the host ---------------------------------------------------------------------------------- */

static int mount_bind(int tree, bool read_only, const char *target, struct error *err)
{
	autoclose int fd = mount_copy(tree, "", err);
	uint64_t attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
	if (read_only)
		attributes |= MOUNT_ATTR_RDONLY;
	if (fd < 0 || mount_change(fd, attributes, -1, "the VE's tree", err) < 0)
		return -1;
	return mount_place(fd, target, err);
}

int private_mount_host(const struct private_area *area, bool read_only, const char *target,
		       struct error *err)
{
	if (area->layout == VE_LAYOUT_SIMFS)
		return mount_bind(area->tree, read_only, target, err);
	/* By descriptor, so that no character of a path has to be quoted. */
	autofree char *lower = xasprintf("/proc/self/fd/%d", area->layer.dir);
	autofree char *own = xasprintf("/proc/self/fd/%d", area->dir);
	return mount_overlay(target, lower, own,
			     MS_NODEV | MS_NOSUID | MS_NOATIME | (read_only ? MS_RDONLY : 0), err);
}
