#include "runtime/rootfs.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/apart.h"
#include "runtime/device.h"
#include "runtime/mount.h"
#include "runtime/namespace.h"
#include "runtime/target.h"

/* The host's programs, and the little of /etc that they need. Links are made again as links. */
static const char *const host_paths[ROOTFS_HOST_MAX] = {
	"/usr",
	"/bin",
	"/sbin",
	"/lib",
	"/lib64",
	"/lib32",
	"/etc/ld.so.cache",
	"/etc/alternatives",
};

/* Where the VE's own file systems go. A tree that a package unpacks itself into has them. */
static const struct {
	const char *path;
	mode_t mode;
} mount_points[] = {
	{ "dev", 0755 }, { "proc", 0755 }, { "run", 0755 }, { "sys", 0755 }, { "tmp", 01777 },
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- the runtime's side ---------------------------------------------------------------------- */

static int prepare_tree(const struct ve_spec *spec, int userns, struct rootfs *root,
			struct error *err)
{
	root->tree = mount_copy(spec->tree, "", err);
	if (root->tree < 0)
		return -1;
	autofree char *path = fd_path(spec->tree);
	return mount_change(root->tree, MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME,
			    userns, path, err);
}

static int make_mount_points(int tree, struct strvec *made, struct error *err)
{
	for (size_t i = 0; i < COUNT(mount_points); i++) {
		/* A tree that is to stay as it is, and has none, has no use for it. */
		if (made && !strcmp(mount_points[i].path, "tmp"))
			continue;
		int result = target_folder(tree, mount_points[i].path, mount_points[i].mode, err);
		if (result < 0)
			return -1;
		if (result && made)
			strvec_push(made, mount_points[i].path);
	}
	return 0;
}

/* /dev, /proc, /run, /sys and /tmp are the VE's own and gone with it, and made by its first process. */
static bool on_own_mount(const char *target)
{
	const char *path = target + strspn(target, "/");
	for (size_t i = 0; i < COUNT(mount_points); i++) {
		size_t length = strlen(mount_points[i].path);
		if (!strncmp(path, mount_points[i].path, length) && path[length] == '/')
			return true;
	}
	return false;
}

static int prepare_bind(const struct ve_spec *spec, const struct ve_bind *bind, int userns,
			struct rootfs *root, struct error *err)
{
	struct stat st;
	/* Only what may be written has its ids mapped: what is read-only stays out of the VE's reach
	 * even if it finds a way to remount it. */
	uint64_t attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
			      (bind->writable ? MOUNT_ATTR_IDMAP : MOUNT_ATTR_RDONLY);
	int fd = mount_copy(AT_FDCWD, bind->source, err);
	if (fd < 0)
		return -1;
	root->binds[root->bind_count++] = fd;
	if (mount_change(fd, attributes, userns, bind->source, err) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "looking at %s", bind->source);
	if (spec->root_kind != VE_ROOT_TREE || on_own_mount(bind->target))
		return 0;
	return target_make(spec->tree, bind->target, S_ISDIR(st.st_mode), &root->made, err);
}

/* ---- VE_ROOT_MOUNT: a tree that is to be afterwards as it was before ------------------------------- */

/* The folder that `path` is in, and what it was like; -1: it is not there. */
static int open_parent(int tree, const char *path, struct stat *before)
{
	const char *slash = strrchr(path, '/');
	autofree char *folder =
		slash && slash > path ? xstrndup(path, (size_t)(slash - path)) : xstrdup("/");
	autoclose int parent = open_in_root(tree, folder, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	return parent >= 0 && fstat(parent, before) == 0 ? steal_fd(&parent) : -1;
}

/* Not worth failing for. */
static void keep_times(int parent, const struct stat *before)
{
	const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, before->st_mtim };
	if (parent >= 0)
		utimensat(parent, ".", times, 0);
}

static int remove_all(int tree, const struct strvec *made, bool quietly, struct error *err)
{
	int ret = 0;
	for (size_t i = made->count; i-- > 0;) {
		struct stat before = { 0 };
		autoclose int parent = quietly ? open_parent(tree, made->items[i], &before) : -1;
		if (target_remove(tree, made->items[i], err) < 0)
			ret = -1;
		keep_times(parent, &before);
	}
	return ret;
}

/* An empty file that a process that was killed left there. It means nothing to anybody, as it cannot be executed either. */
static bool is_leftover(int tree, const char *path)
{
	struct stat st;
	autoclose int fd = open_in_root(tree, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0 &&
	       st.st_nlink == 1 && !(st.st_mode & 0111);
}

static int make_target(int tree, const struct ve_bind *bind, struct strvec *made, struct error *err)
{
	struct stat st, before = { 0 };
	if (on_own_mount(bind->target))
		return 0;
	if (stat(bind->source, &st) < 0)
		return error_errno(err, errno, "looking at %s", bind->source);
	if (is_leftover(tree, bind->target)) {
		strvec_push(made, bind->target);
		return 0;
	}
	autoclose int parent = open_parent(tree, bind->target, &before);
	int result = target_make(tree, bind->target, S_ISDIR(st.st_mode), made, err);
	keep_times(parent, &before);
	return result;
}

static int make_targets(const struct ve_spec *spec, int tree, struct strvec *made,
			struct error *err)
{
	struct stat before = { 0 };
	autoclose int top = open_parent(tree, "/", &before);
	int result = make_mount_points(tree, made, err);
	keep_times(top, &before);
	for (size_t i = 0; i < spec->bind_count && result == 0; i++)
		result = make_target(tree, &spec->binds[i], made, err);
	return result;
}

struct preparation {
	const struct ve_spec *spec;
	int userns;
	unsigned base;
};

/* Says what it has made. */
static int open_mount(const void *data, struct strbuf *said, struct error *err)
{
	const struct preparation *preparation = data;
	const struct ve_spec *spec = preparation->spec;
	AUTO(strvec_release) struct strvec made = STRVEC_INIT;
	autoclose int fd =
		spec->mount(spec->mount_data, preparation->userns, preparation->base, err);
	if (fd < 0)
		return -1;
	umask(022);
	if (namespace_take_file_ids(preparation->base) < 0)
		return error_errno(err, errno, "taking the VE's ids");
	if (make_targets(spec, fd, &made, err) < 0) {
		remove_all(fd, &made, true, NULL);
		return -1;
	}
	for (size_t i = 0; i < made.count; i++)
		strbuf_add(said, made.items[i], strlen(made.items[i]) + 1);
	return steal_fd(&fd);
}

static int prepare_mount(const struct ve_spec *spec, int userns, unsigned base, struct rootfs *root,
			 struct error *err)
{
	const struct preparation preparation = { spec, userns, base };
	AUTO(strbuf_release) struct strbuf said = STRBUF_INIT;
	root->tree = apart_open(open_mount, &preparation, &said, err);
	if (root->tree < 0)
		return -1;
	root->base = base;
	for (size_t at = 0; at < said.length; at += strlen(said.text + at) + 1)
		strvec_push(&root->made, said.text + at);
	return 0;
}

/* ---- VE_ROOT_HOST_TOOLS ------------------------------------------------------------------------------ */

static int prepare_host(struct rootfs *root, struct error *err)
{
	for (size_t i = 0; i < ROOTFS_HOST_MAX; i++) {
		struct stat st;
		if (lstat(host_paths[i], &st) < 0 || S_ISLNK(st.st_mode))
			continue;
		root->host[i] = mount_copy(AT_FDCWD, host_paths[i], err);
		if (root->host[i] < 0 ||
		    mount_change(root->host[i],
				 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, -1,
				 host_paths[i], err) < 0)
			return -1;
	}
	return 0;
}

int rootfs_prepare(const struct ve_spec *spec, int userns, unsigned base, struct rootfs *root,
		   struct error *err)
{
	*root = ROOTFS_INIT;
	root->binds = xcalloc(spec->bind_count + 1, sizeof(*root->binds));
	if ((spec->root_kind == VE_ROOT_MOUNT ? prepare_mount(spec, userns, base, root, err)
					      : prepare_tree(spec, userns, root, err)) < 0)
		return -1;
	root->dev = device_folder_new(base, err);
	if (root->dev < 0)
		return -1;
	if (spec->root_kind == VE_ROOT_TREE && make_mount_points(spec->tree, NULL, err) < 0)
		return -1;
	if (spec->root_kind == VE_ROOT_HOST_TOOLS && prepare_host(root, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->bind_count; i++)
		if (prepare_bind(spec, &spec->binds[i], userns, root, err) < 0)
			return -1;
	return 0;
}

struct clean {
	const struct rootfs *root;
	int tree;
};

static int clean_mount(const void *data, struct error *err)
{
	const struct clean *clean = data;
	if (namespace_take_file_ids(clean->root->base) < 0)
		return error_errno(err, errno, "taking the VE's ids");
	return remove_all(clean->tree, &clean->root->made, true, err);
}

int rootfs_clean(struct rootfs *root, int tree, struct error *err)
{
	const struct clean clean = { root, tree };
	int ret = 0;
	if (root->made.count)
		ret = root->base ? apart_do(clean_mount, &clean, err)
				 : remove_all(tree, &root->made, false, err);
	strvec_release(&root->made);
	root->made = STRVEC_INIT;
	return ret;
}

static void close_all(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

void rootfs_release(struct rootfs *root)
{
	close_all(&root->tree, 1);
	close_all(&root->dev, 1);
	close_all(root->binds, root->bind_count);
	close_all(root->host, ROOTFS_HOST_MAX);
	free(steal_ptr(root->binds));
	root->bind_count = 0;
}

/* ---- the VE's side: "/" is still the host's until enter() ------------------------------------- */

/* File systems of the VE's own namespaces, made while the host's are still in sight (the kernel wants
 * that for proc and sysfs). */
struct own {
	int proc, sys, pts, shm, run, tmp, root;
};

#define OWN_INIT ((struct own){ -1, -1, -1, -1, -1, -1, -1 })

enum {
	SAFE = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	SAFEST = SAFE | MOUNT_ATTR_NOEXEC,
};

static const char *const pts_options[] = { "newinstance", NULL,  "ptmxmode", "0666", "mode",
					   "0620",        "gid", "5",        NULL };
static const char *const sticky[] = { "mode", "1777", NULL };
static const char *const plain[] = { "mode", "0755", NULL };

static int make_own(const struct ve_spec *spec, struct own *own, struct error *err)
{
	if ((own->proc = mount_new("proc", NULL, SAFEST, err)) < 0 ||
	    (own->sys = mount_new("sysfs", NULL, SAFEST | MOUNT_ATTR_RDONLY, err)) < 0 ||
	    (own->pts = mount_new("devpts", pts_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
				  err)) < 0 ||
	    (own->shm = mount_new("tmpfs", sticky, SAFE, err)) < 0 ||
	    (own->run = mount_new("tmpfs", plain, SAFE, err)) < 0 ||
	    (own->tmp = mount_new("tmpfs", sticky, SAFE, err)) < 0)
		return -1;
	if (spec->root_kind == VE_ROOT_HOST_TOOLS &&
	    (own->root = mount_new("tmpfs", plain, SAFE, err)) < 0)
		return -1;
	return 0;
}

static void close_own(struct own *own)
{
	close_all((int *)own, sizeof(*own) / sizeof(int));
}

static int place_own(const struct own *own, int dev, bool optional_tmp, struct error *err)
{
	if (mount_place(dev, "/dev", err) < 0 || mount_place(own->pts, "/dev/pts", err) < 0 ||
	    mount_place(own->shm, "/dev/shm", err) < 0 ||
	    mount_place(own->proc, "/proc", err) < 0 || mount_place(own->sys, "/sys", err) < 0 ||
	    mount_place(own->run, "/run", err) < 0)
		return -1;
	if ((!optional_tmp || access("/tmp", F_OK) == 0) && mount_place(own->tmp, "/tmp", err) < 0)
		return -1;
	if (mkdir("/run/lock", 01777) < 0 || chmod("/run/lock", 01777) < 0)
		return error_errno(err, errno, "creating /run/lock in the VE");
	return 0;
}

/* Its root owns none of this, so could not write it anyway; but some can be read, and some asks for
 * capabilities in its own namespaces. */
static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					 "/proc/sysrq-trigger" };
static const char *const masked[] = { "/proc/acpi",        "/proc/asound", "/proc/kcore",
				      "/proc/keys",        "/proc/kmsg",   "/proc/latency_stats",
				      "/proc/sched_debug", "/proc/scsi",   "/proc/timer_list",
				      "/proc/timer_stats" };

static int cover_read_only(const char *path, struct error *err)
{
	if (access(path, F_OK) < 0)
		return 0;
	autoclose int fd = mount_copy(AT_FDCWD, path, err);
	if (fd < 0 || mount_change(fd, MOUNT_ATTR_RDONLY, -1, path, err) < 0)
		return -1;
	return mount_place(fd, path, err);
}

static int mask(const char *path, struct error *err)
{
	static const char *const empty[] = { "mode", "0555", "size", "4k", NULL };
	struct stat st;
	if (stat(path, &st) < 0)
		return 0;
	autoclose int fd = S_ISDIR(st.st_mode)
				   ? mount_new("tmpfs", empty, SAFEST | MOUNT_ATTR_RDONLY, err)
				   : mount_copy(AT_FDCWD, "/dev/null", err);
	return fd < 0 ? -1 : mount_place(fd, path, err);
}

static int protect_proc(struct error *err)
{
	for (size_t i = 0; i < COUNT(read_only); i++)
		if (cover_read_only(read_only[i], err) < 0)
			return -1;
	for (size_t i = 0; i < COUNT(masked); i++)
		if (mask(masked[i], err) < 0)
			return -1;
	return 0;
}

static int place_binds(const struct ve_spec *spec, const struct rootfs *root, struct error *err)
{
	AUTO(strvec_release) struct strvec made = STRVEC_INIT;
	autoclose int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < spec->bind_count; i++) {
		const struct ve_bind *bind = &spec->binds[i];
		struct stat st;
		if (fstat(root->binds[i], &st) < 0)
			return error_errno(err, errno, "looking at %s", bind->source);
		if (target_make(top, bind->target, S_ISDIR(st.st_mode), &made, err) < 0 ||
		    mount_place(root->binds[i], bind->target, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- VE_ROOT_HOST_TOOLS ----------------------------------------------------------------------- */

static int write_text(const char *path, const char *text, struct error *err)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_errno(err, errno, "creating %s in the VE", path);
	return write_all(fd, text, strlen(text), path, err);
}

static int make_host_folders(struct error *err)
{
	static const char *const folders[] = { "/etc",  "/root", "/var", "/dev",
					       "/proc", "/run",  "/sys", "/tmp" };
	for (size_t i = 0; i < COUNT(folders); i++)
		if (mkdir(folders[i], 0755) < 0)
			return error_errno(err, errno, "creating %s in the VE", folders[i]);
	if (symlink("/tmp", "/var/tmp") < 0)
		return error_errno(err, errno, "creating /var/tmp in the VE");
	if (write_text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", err) < 0 ||
	    write_text("/etc/group", "root:x:0:\n", err) < 0 ||
	    write_text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n", err) <
		    0)
		return -1;
	return write_text("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", err);
}

/* The links of the host's root into /usr, read before its root is out of sight. */
static void read_links(char *links[ROOTFS_HOST_MAX])
{
	for (size_t i = 0; i < ROOTFS_HOST_MAX; i++) {
		char target[256];
		ssize_t length = readlink(host_paths[i], target, sizeof(target) - 1);
		links[i] = length > 0 ? xstrndup(target, (size_t)length) : NULL;
	}
}

static int place_host(const struct rootfs *root, char *const links[ROOTFS_HOST_MAX],
		      struct error *err)
{
	AUTO(strvec_release) struct strvec made = STRVEC_INIT;
	autoclose int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ROOTFS_HOST_MAX; i++) {
		const char *path = host_paths[i];
		struct stat st;
		if (links[i] && symlink(links[i], path) < 0)
			return error_errno(err, errno, "creating the link %s in the VE", path);
		if (root->host[i] < 0)
			continue;
		if (fstat(root->host[i], &st) < 0)
			return error_errno(err, errno, "looking at %s", path);
		if (target_make(top, path, S_ISDIR(st.st_mode), &made, err) < 0 ||
		    mount_place(root->host[i], path, err) < 0)
			return -1;
	}
	return 0;
}

static int place_tree(const struct ve_spec *spec, const struct rootfs *root, struct error *err)
{
	AUTO(strvec_release) struct strvec made = STRVEC_INIT;
	autoclose int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target_make(top, spec->tree_target, true, &made, err) < 0)
		return -1;
	return mount_place(root->tree, spec->tree_target, err);
}

/* When all is in its place, nothing can be written but the tree, /tmp, /run and /dev/shm. */
static int seal_root(struct error *err)
{
	autoclose int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return mount_change(top, MOUNT_ATTR_RDONLY, -1, "the VE's root", err);
}

static int enter_host_tools(const struct ve_spec *spec, const struct rootfs *root,
			    const struct own *own, struct error *err)
{
	char *links[ROOTFS_HOST_MAX];
	read_links(links);
	int result = -1;
	if (mount_pivot(own->root, err) == 0 && make_host_folders(err) == 0 &&
	    place_host(root, links, err) == 0 && place_own(own, root->dev, false, err) == 0 &&
	    place_tree(spec, root, err) == 0 && place_binds(spec, root, err) == 0 &&
	    protect_proc(err) == 0)
		result = seal_root(err);
	for (size_t i = 0; i < ROOTFS_HOST_MAX; i++)
		free(links[i]);
	return result;
}

static int enter_tree(const struct ve_spec *spec, const struct rootfs *root, const struct own *own,
		      struct error *err)
{
	if (mount_pivot(root->tree, err) < 0 ||
	    place_own(own, root->dev, spec->root_kind == VE_ROOT_MOUNT, err) < 0 ||
	    place_binds(spec, root, err) < 0)
		return -1;
	return protect_proc(err);
}

int rootfs_enter(const struct ve_spec *spec, const struct rootfs *root, struct error *err)
{
	AUTO(close_own) struct own own = OWN_INIT;
	umask(022);
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_errno(err, errno, "detaching the VE's mounts from the host's");
	if (make_own(spec, &own, err) < 0)
		return -1;
	return spec->root_kind == VE_ROOT_HOST_TOOLS ? enter_host_tools(spec, root, &own, err)
						     : enter_tree(spec, root, &own, err);
}
