#include "runtime/life/relaunch.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/strbuf.h"
#include "runtime/config/ve_dump.h"
#include "runtime/criu/criu.h"
#include "runtime/device.h"
#include "runtime/life/monitor.h"
#include "runtime/mount.h"
#include "runtime/namespace.h"
#include "runtime/resource/limit.h"
#include "runtime/tenant_root.h"
#include "runtime/wire.h"

/* In CRIU's mount namespace. All may go in there, and CRIU's own temporary folder is not left behind. */
#define STAGE "/tmp"

enum {
	MESSAGE_MAX = 16384,
	/* In CRIU. */
	SOCKET = 3,
	CONSOLE = 4,
};

const struct external externals[] = {
	{ "/dev", "dev" },
	{ "/dev/pts", "pts" },
	{ "/dev/console", "console" },
	{ "/sys/fs/cgroup", "cgroup" },
	{ NULL, NULL },
};

struct restart {
	const struct launch *launch;
	const char *criu;
	int kept_dev;
	int socket[2]; /* vzctl, CRIU */
	int report[2]; /* vzctl, monitor */
	int console[2]; /* monitor, who has made it */
};

/* ---- files of /dev -------------------------------------------------------------------------------------- */

static int copy_special(int from, int to, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	int result = 0;
	if (S_ISLNK(st->st_mode)) {
		ssize_t length = readlinkat(from, name, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		result = length < 0 ? -1 : symlinkat(target, to, name);
	} else if (S_ISFIFO(st->st_mode)) {
		result = mkfifoat(to, name, 0600);
	} else if (S_ISDIR(st->st_mode)) {
		result = mkdirat(to, name, 0700);
	} else {
		return 0;
	}
	if (result < 0)
		return errno == EEXIST ? 0 : -1;
	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return S_ISLNK(st->st_mode) ? 0 : fchmodat(to, name, st->st_mode & 07777, 0);
}

int copy_specials(int from, int to, struct error *err)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_errno(err, errno, "reading the VE's /dev");
	for (const struct dirent *entry; (entry = readdir(dir));) {
		struct stat st;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (fstatat(from, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    copy_special(from, to, entry->d_name, &st) < 0)
			return error_errno(err, errno, "copying /dev/%s of the VE", entry->d_name);
	}
	return 0;
}

/* ---- what CRIU begins with -------------------------------------------------------------------------------- */

static int fail(int socket, const struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	wire_pack_error(&text, err);
	wire_send(socket, text.text, text.length < MESSAGE_MAX ? text.length : MESSAGE_MAX, NULL,
		  0);
	return 1;
}

static int place_at(int mount, const char *name, struct error *err)
{
	return mount < 0 ? -1 : mount_place(mount, name, err);
}

/* The folder where all is placed becomes the working folder. */
static int make_stage(struct error *err)
{
	static const char *const options[] = { "mode", "0755", "size", "64k", NULL };
	autoclose int stage =
		mount_new("tmpfs", options, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, err);
	if (place_at(stage, STAGE, err) < 0)
		return -1;
	int file = -1;
	if (fchdir(stage) < 0 || mkdir("root", 0700) < 0 || mkdir("dev", 0700) < 0 ||
	    mkdir("pts", 0700) < 0 || mkdir("cgroup", 0700) < 0 ||
	    (file = open("console", O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		return error_errno(err, errno, "preparing " STAGE);
	close(file);
	return 0;
}

static int place_dev(const struct restart *restart, struct error *err)
{
	autoclose int dev = device_folder_new(restart->launch->base, err);
	if (dev < 0)
		return -1;
	int console = openat(dev, "console", O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (console < 0)
		return error_errno(err, errno, "creating the VE's /dev/console");
	close(console);
	return copy_specials(restart->kept_dev, dev, err) < 0 ? -1 : place_at(dev, "dev", err);
}

static int own(int fd, const char *name, unsigned base, unsigned group)
{
	return fchownat(fd, name, base, base + group, AT_EMPTY_PATH);
}

/* Its first terminal is the console: *slave, and the master is the monitor's. */
static int place_terminals(const struct restart *restart, int *slave, struct error *err)
{
	unsigned base = restart->launch->base;
	int unlock = 0;
	char byte = 0;
	autoclose int pts = tenant_terminals_new(limit_terminals(restart->launch->resources),
						 base + TENANT_TTY_GROUP, err);
	/* A terminal of a mount that is nowhere cannot be mounted itself. */
	if (place_at(pts, "pts", err) < 0)
		return -1;
	autoclose int master = open("pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 ||
	    (*slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0 ||
	    own(pts, "", base, 0) < 0 || own(pts, "ptmx", base, 0) < 0 ||
	    own(*slave, "", base, TENANT_TTY_GROUP) < 0)
		return error_errno(err, errno, "making the VE's terminals");
	autoclose int console = mount_copy(*slave, "", err);
	if (place_at(console, "console", err) < 0)
		return -1;
	if (wire_send(restart->console[1], &byte, 1, &master, 1) < 0)
		return error_errno(err, errno, "giving the console to the monitor");
	return 0;
}

static int place_root(const struct launch *launch, const struct private_copies *copies,
		      struct error *err)
{
	autoclose int root = private_mount(copies, launch->base, launch->host->lock_dir, err);
	if (root < 0 || make_stage(err) < 0 || place_at(root, "root", err) < 0)
		return -1;
	return submounts_place(launch->mounts, root, err);
}

static int place_groups(struct error *err)
{
	AUTO(error_clear) struct error none = ERROR_INIT;
	autoclose int fd = mount_new(
		"cgroup2", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &none);
	return fd < 0 ? 0 : mount_place(fd, "cgroup", err); /* not every host has it */
}

static int prepare(const struct restart *restart, int *slave, struct error *err)
{
	const struct launch *launch = restart->launch;
	AUTO(private_copies_release) struct private_copies copies = PRIVATE_COPIES_INIT;
	limit_raise(launch->resources);
	if (cgroup_join_v1(launch->group) < 0)
		return error_errno(err, errno, "joining the VE's control groups");
	if (private_copy(launch->area, launch->userns, &copies, err) < 0)
		return -1;
	/* After joining, so that the VE sees its own group as "/". */
	if (unshare(CLONE_NEWCGROUP | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "creating namespaces");
	umask(022);
	if (place_root(launch, &copies, err) < 0 || place_dev(restart, err) < 0 ||
	    place_terminals(restart, slave, err) < 0 || place_groups(err) < 0)
		return -1;
	return chdir("/") < 0 ? error_errno(err, errno, "leaving the VE's files") : 0;
}

static int take_descriptors(int socket, int slave)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high_socket = fcntl(socket, F_DUPFD_CLOEXEC, 16),
	    high_slave = fcntl(slave, F_DUPFD_CLOEXEC, 16);
	if (null < 0 || high_socket < 0 || high_slave < 0 || dup2(null, 0) < 0 ||
	    dup2(null, 1) < 0 || dup2(null, 2) < 0 || dup2(high_socket, SOCKET) < 0 ||
	    dup2(high_slave, CONSOLE) < 0)
		return -1;
	return close_range(CONSOLE + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

static int criu_main(const struct restart *restart)
{
	struct error err = ERROR_INIT;
	int slave = -1, report = fcntl(restart->report[1], F_DUPFD_CLOEXEC, 16);
	interrupt_reset_child();
	if (prepare(restart, &slave, &err) < 0)
		return fail(report, &err);
	if (take_descriptors(restart->socket[1], slave) == 0)
		criu_execute(restart->criu, SOCKET);
	error_errno(&err, errno, "executing %s", restart->criu);
	return fail(report, &err);
}

/* ---- the monitor -------------------------------------------------------------------------------------------- */

/* Never returns. */
static void monitor_main(struct restart *restart)
{
	struct ve_process init = { 0 };
	const struct launch *launch = restart->launch;
	interrupt_reset_child();
	setsid();
	close(restart->socket[0]);
	close(restart->report[0]);
	cgroup_shared_join_v1(MONITOR_GROUP);
	pid_t child = namespace_fork(launch->group->unified);
	if (child == 0) {
		close(restart->console[0]);
		_exit(criu_main(restart));
	}
	close(restart->socket[1]);
	close(restart->console[1]);
	if (child < 0 ||
	    wire_receive(restart->report[1], &init, sizeof(init), NULL, NULL) != sizeof(init))
		_exit(1);
	TEMP_FAILURE_RETRY(waitpid(child, NULL, 0));
	/* Our child (rst_sibling): the number is its own, also when it has ended. */
	int pidfd = pidfd_open(init.pid, 0);
	/* Should vzctl not come to it: a VE that goes on changes its files, and its processes must not be made from that once more. */
	if (pidfd >= 0)
		ve_dump_end(launch->host, launch->config->ctid);
	monitor_execute(launch->host, launch->config->ctid, &init, pidfd, restart->console[0]);
	_exit(1);
}

/* ---- vzctl ------------------------------------------------------------------------------------------------------ */

static void close_pair(int pair[2])
{
	for (int i = 0; i < 2; i++) {
		if (pair[i] >= 0)
			close(pair[i]);
		pair[i] = -1;
	}
}

static void describe(struct relaunched *ret)
{
	for (const struct external *one = externals; one->place; one++)
		strvec_pushf(&ret->external, "mnt[%s]:" STAGE "/%s", one->name, one->name);
	ret->root = xstrdup(STAGE "/root");
	ret->console = CONSOLE;
}

static int begin(struct restart *restart, struct relaunched *ret, struct error *err)
{
	for (int i = 0; i < 3; i++) {
		int *pair = i == 0 ? restart->socket : i == 1 ? restart->report : restart->console;
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
			return error_errno(err, errno, "creating a socket pair");
	}
	pid_t monitor = monitor_fork();
	if (monitor == 0)
		monitor_main(restart);
	if (monitor < 0)
		return error_errno(err, errno, "starting the VE's monitor");
	ret->monitor = ve_process_of(monitor);
	ret->socket = steal_fd(&restart->socket[0]);
	ret->report = steal_fd(&restart->report[0]);
	describe(ret);
	return 0;
}

int relaunch_begin(const struct launch *launch, const char *criu, int kept_dev,
		   struct relaunched *ret, struct error *err)
{
	struct restart restart = { launch, criu, kept_dev, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	*ret = RELAUNCHED_INIT;
	int result = begin(&restart, ret, err);
	close_pair(restart.socket);
	close_pair(restart.report);
	close_pair(restart.console);
	return result;
}

int relaunch_failure(struct relaunched *relaunched, struct error *err)
{
	char message[MESSAGE_MAX];
	ssize_t size = recv(relaunched->report, message, sizeof(message), MSG_DONTWAIT);
	return size > 0 ? wire_unpack_error(message, (size_t)size, err) : 0;
}

int relaunch_end(struct relaunched *relaunched, const struct ve_process *init, struct error *err)
{
	if (wire_send(relaunched->report, init, sizeof(*init), NULL, 0) < 0)
		return error_errno(err, errno, "telling the VE's monitor");
	return 0;
}

void relaunched_release(struct relaunched *relaunched)
{
	if (relaunched->socket >= 0)
		close(relaunched->socket);
	if (relaunched->report >= 0)
		close(relaunched->report);
	strvec_release(&relaunched->external);
	free(relaunched->root);
	*relaunched = RELAUNCHED_INIT;
}
