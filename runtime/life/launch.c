#include "runtime/life/launch.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/confine.h"
#include "runtime/device.h"
#include "runtime/guest/guest.h"
#include "runtime/life/monitor.h"
#include "runtime/life/network.h"
#include "runtime/mount.h"
#include "runtime/namespace.h"
#include "runtime/resource/limit.h"
#include "runtime/tenant_root.h"
#include "runtime/wire.h"

enum { MESSAGE_MAX = 16384 };

/* What a process on the way says to the one that waits for it. */
enum say { SAY_INIT = 1, SAY_READY, SAY_GO, SAY_FAILED };

struct said {
	uint32_t what;
	int32_t pid; /* SAY_INIT */
};

#ifndef PR_SET_MEMORY_MERGE /* Linux 6.4 */
#define PR_SET_MEMORY_MERGE 67
#endif

struct pairs {
	int control[2]; /* vzctl, init */
	int console[2]; /* monitor, init */
};

struct start {
	const struct launch *launch;
	struct pairs pairs;
	int dev; /* a mount */
	int bundled; /* vzinit, for a VE without an init; -1: it is not wanted */
	int report; /* of the mounter: where init's number is said */
};

static void fail(int socket, const struct error *err)
{
	struct said said = { .what = SAY_FAILED };
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	strbuf_add(&text, &said, sizeof(said));
	wire_pack_error(&text, err);
	wire_send(socket, text.text, text.length < MESSAGE_MAX ? text.length : MESSAGE_MAX, NULL,
		  0);
}

/* ---- init ---------------------------------------------------------------------------------------- */

const char *launch_find_init(int root)
{
	/* The kernel's own order (init/main.c), without the shell. */
	static const char *const paths[] = { "/sbin/init", "/etc/init", "/bin/init" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct stat st;
		autoclose int fd = open_in_root(root, paths[i], O_PATH | O_CLOEXEC, 0);
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0111)
			return paths[i];
	}
	return NULL;
}

static int become_init(const struct launch *launch, struct error *err)
{
	const struct ve_config *config = launch->config;
	const char *hostname = config->hostname ?: config->name ?: "localhost";
	if (cgroup_join_v1(launch->group) < 0)
		return error_errno(err, errno, "joining the VE's control groups");
	/* After joining, so that the VE sees its own group as "/". */
	if (unshare(CLONE_NEWCGROUP) < 0)
		return error_errno(err, errno, "creating a control group namespace");
	if (namespace_become_root() < 0)
		return error_errno(err, errno, "becoming root of the VE");
	if (sethostname(hostname, strlen(hostname)) < 0 || setdomainname("", 0) < 0)
		return error_errno(err, errno, "setting the host name %s", hostname);
	return 0;
}

/* The kernel does not let a VE mount these, and systemd would call itself degraded for it. What is in /run
 * is gone with the VE. */
static void mask_units(void)
{
	static const char *const units[] = { "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
					     "sys-kernel-config.mount", "dev-hugepages.mount" };
	if (mkdir("/run/systemd", 0755) < 0 || mkdir("/run/systemd/system", 0755) < 0)
		return;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		autofree char *path = xasprintf("/run/systemd/system/%s", units[i]);
		(void)!symlink("/dev/null", path);
	}
}

static int wait_for_go(int control, struct error *err)
{
	struct said said = { .what = SAY_READY };
	if (wire_send(control, &said, sizeof(said), NULL, 0) < 0 ||
	    wire_receive(control, &said, sizeof(said), NULL, NULL) != sizeof(said) ||
	    said.what != SAY_GO)
		return error_set(err, ERROR_SYSTEM, "the command that starts the VE ended");
	return 0;
}

static int take_stdio(int console, struct error *err)
{
	for (int fd = 0; fd < 3; fd++)
		if (dup2(console, fd) < 0)
			return error_errno(err, errno, "giving init its console");
	return 0;
}

/* PR_SET_MEMORY_MERGE(2const): passed on to all that init starts. */
static int merge_memory(const struct launch *launch, struct error *err)
{
	if (!launch->config->merge_memory || prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0) == 0)
		return 0;
	error_errno(err, errno, "merging equal pages of memory (MERGE_MEMORY)");
	return error_hint(err,
			  "it needs Linux 6.7 with CONFIG_KSM; \"vzctl set %u --merge-memory no "
			  "--save\" does without",
			  launch->config->ctid);
}

static int execute(const struct start *start, struct error *err)
{
	autoclose int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *init = launch_find_init(top);
	if (!init && start->bundled < 0) {
		error_set(err, ERROR_NO_INIT, "the VE has no /sbin/init");
		return error_hint(err, "its template is none that can be started");
	}
	char *const argv[] = { (char *)(uintptr_t)init, NULL };
	char *const bundled[] = { (char[]){ "vzinit" }, (char[]){ "stay" }, NULL };
	char *const env[] = { (char[]){ "container=vz" }, (char[]){ "TERM=linux" },
			      (char[]){ "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
					"/sbin:/bin" },
			      NULL };
	limit_take(start->launch->resources);
	if (merge_memory(start->launch, err) < 0)
		return -1;
	/* Whatever the caller of vzctl had open: a folder of the host's would be a way out. */
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return error_errno(err, errno, "closing descriptors");
	if (confine_apply(start->launch->confine, err) < 0)
		return -1;
	if (!init)
		execveat(start->bundled, "", bundled, env, AT_EMPTY_PATH);
	else
		execve(init, argv, env);
	return error_errno(err, errno, "executing %s of the VE", init ?: "the bundled init");
}

static int open_console(const struct start *start, int *slave, struct error *err)
{
	char byte = 0;
	autoclose int master = tenant_console(slave, err);
	if (master < 0)
		return -1;
	if (wire_send(start->pairs.console[1], &byte, 1, &master, 1) < 0)
		return error_errno(err, errno, "giving the console to the monitor");
	close(start->pairs.console[1]);
	return 0;
}

static int run_init(const struct start *start, struct error *err)
{
	const struct launch *launch = start->launch;
	autoclose int tree = -1, console = -1;
	/* A copy that is in no place yet; the flags of the one that the mounter made are locked in it. Taken
	 * while folders of the host's root can still be passed. */
	tree = mount_copy_all(AT_FDCWD, launch->host->lock_dir, err);
	if (tree < 0 || become_init(launch, err) < 0 ||
	    tenant_root_enter(tree, start->dev, limit_terminals(launch->resources), err) < 0 ||
	    open_console(start, &console, err) < 0)
		return -1;
	mask_units();
	if (wait_for_go(start->pairs.control[1], err) < 0 ||
	    network_configure_inside(launch->config, err) < 0 ||
	    network_write_guest(launch->config, err) < 0 || take_stdio(console, err) < 0)
		return -1;
	return execute(start, err);
}

static int init_main(const struct start *start)
{
	struct error err = ERROR_INIT;
	interrupt_reset_child();
	prctl(PR_SET_PDEATHSIG, 0);
	setsid();
	close(start->pairs.control[0]);
	close(start->pairs.console[0]);
	run_init(start, &err);
	fail(start->pairs.control[1], &err);
	return 1;
}

/* ---- the mounter ----------------------------------------------------------------------------------- */

static int mount_root(const struct launch *launch, struct error *err)
{
	const char *place = launch->host->lock_dir;
	AUTO(private_copies_release) struct private_copies copies = PRIVATE_COPIES_INIT;
	if (private_copy(launch->area, launch->userns, &copies, err) < 0)
		return -1;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "creating a mount namespace");
	autoclose int fd = private_mount(&copies, launch->base, place, err);
	if (fd < 0 || mount_place(fd, place, err) < 0 ||
	    submounts_place(launch->mounts, fd, err) < 0)
		return -1;
	if (chdir("/") < 0)
		return error_errno(err, errno, "leaving %s", place);
	return 0;
}

static int mounter(const struct start *start, struct error *err)
{
	struct said said = { .what = SAY_INIT };
	const struct launch *launch = start->launch;
	limit_raise(launch->resources);
	if (mount_root(launch, err) < 0)
		return -1;
	if (setns(launch->userns, CLONE_NEWUSER) < 0)
		return error_errno(err, errno, "entering the VE's user namespace");
	said.pid = namespace_clone_init(launch->group->unified);
	if (said.pid == 0)
		_exit(init_main(start));
	if (said.pid < 0)
		return error_errno(err, errno, "creating the VE's namespaces");
	if (wire_send(start->report, &said, sizeof(said), NULL, 0) < 0) {
		kill(said.pid, SIGKILL);
		return -1;
	}
	return 0;
}

static int mounter_main(const struct start *start)
{
	struct error err = ERROR_INIT;
	if (mounter(start, &err) == 0)
		return 0;
	fail(start->report, &err);
	return 1;
}

/* ---- the monitor ----------------------------------------------------------------------------------- */

/* Everything that it does not need is closed when it executes. Never returns. */
static void monitor_main(struct start *start)
{
	struct error err = ERROR_INIT;
	struct said said;
	const struct launch *launch = start->launch;
	interrupt_reset_child();
	setsid();
	close(start->pairs.control[0]);
	cgroup_shared_join_v1(MONITOR_GROUP);
	pid_t child = fork();
	if (child == 0)
		_exit(mounter_main(start));
	if (child < 0) {
		error_errno(&err, errno, "starting a process");
		fail(start->report, &err);
		_exit(1);
	}
	if (TEMP_FAILURE_RETRY(waitpid(child, NULL, 0)) < 0 ||
	    wire_receive(start->report, &said, sizeof(said), NULL, NULL) < 0)
		_exit(1);
	close(start->pairs.control[1]);
	close(start->pairs.console[1]);
	struct ve_process init = ve_process_of(said.pid);
	/* Our child: the number is its own, also when it has ended. */
	monitor_execute(launch->host, launch->config->ctid, &init, pidfd_open(init.pid, 0),
			start->pairs.console[0]);
	_exit(1);
}

/* ---- vzctl ----------------------------------------------------------------------------------------- */

static int make_pairs(struct pairs *pairs, struct error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pairs->control) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pairs->console) < 0)
		return error_errno(err, errno, "creating a socket pair");
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A message of SAY_… in *said, or the error in one. */
static int receive(int socket, struct said *said, const char *who, struct error *err)
{
	char message[MESSAGE_MAX];
	ssize_t size = wire_receive(socket, message, sizeof(message), NULL, NULL);
	if (size < (ssize_t)sizeof(*said))
		return error_set(err, ERROR_CONTAINER, "%s ended early", who);
	memcpy(said, message, sizeof(*said));
	if (said->what != SAY_FAILED)
		return 0;
	return wire_unpack_error(message + sizeof(*said), (size_t)size - sizeof(*said), err);
}

/* Before there is another root. In the VE its owner is nobody, and so it is for reading alone. */
static int open_bundled(struct start *start, struct error *err)
{
	if (!start->launch->config->bundled_init)
		return 0;
	autofree char *path = xasprintf("%s/vzinit", start->launch->host->libexec_dir);
	start->bundled = open(path, O_RDONLY | O_CLOEXEC);
	return start->bundled < 0 ? error_errno(err, errno, "opening %s", path) : 0;
}

static int begin(const struct launch *launch, struct start *start, int report[2],
		 struct launched *ret, struct error *err)
{
	struct said said;
	if (make_pairs(&start->pairs, err) < 0 || open_bundled(start, err) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0)
		return error_errno(err, errno, "creating a socket pair");
	start->report = report[1];
	start->dev = device_folder_new(launch->base, err);
	if (start->dev < 0)
		return -1;
	pid_t monitor = monitor_fork();
	if (monitor == 0) {
		close(report[0]);
		monitor_main(start);
	}
	close_fd(&report[1]);
	close_fd(&start->pairs.control[1]);
	close_fd(&start->pairs.console[1]);
	close_fd(&start->pairs.console[0]);
	if (monitor < 0)
		return error_errno(err, errno, "starting the VE's monitor");
	ret->monitor = ve_process_of(monitor);
	if (receive(report[0], &said, "the VE's monitor", err) < 0)
		return -1;
	ret->init = ve_process_of(said.pid);
	ret->pidfd = ve_process_open(&ret->init);
	ret->control = steal_fd(&start->pairs.control[0]);
	/* So that the monitor knows it, too. */
	if (wire_send(report[0], &said, sizeof(said), NULL, 0) < 0)
		return error_errno(err, errno, "telling the VE's monitor");
	return receive(ret->control, &said, "the VE's first process", err);
}

int launch_begin(const struct launch *launch, struct launched *ret, struct error *err)
{
	int report[2] = { -1, -1 };
	struct start start = {
		.launch = launch,
		.pairs = { { -1, -1 }, { -1, -1 } },
		.dev = -1,
		.bundled = -1,
	};
	*ret = LAUNCHED_INIT;
	int result = begin(launch, &start, report, ret, err);
	for (int i = 0; i < 2; i++) {
		close_fd(&start.pairs.control[i]);
		close_fd(&start.pairs.console[i]);
		close_fd(&report[i]);
	}
	close_fd(&start.dev);
	close_fd(&start.bundled);
	if (result < 0 && ret->pidfd >= 0)
		pidfd_send_signal(ret->pidfd, SIGKILL, NULL, 0);
	return result;
}

int launch_go(struct launched *launched, struct error *err)
{
	struct said said = { .what = SAY_GO };
	char message[MESSAGE_MAX];
	if (wire_send(launched->control, &said, sizeof(said), NULL, 0) < 0)
		return error_set(err, ERROR_CONTAINER, "the VE's first process ended early");
	ssize_t size = wire_receive(launched->control, message, sizeof(message), NULL, NULL);
	if (size > (ssize_t)sizeof(said))
		return wire_unpack_error(message + sizeof(said), (size_t)size - sizeof(said), err);
	/* It is closed by executing, and by dying. */
	if (size == 0)
		return 0;
	return error_errno(err, errno, "waiting for the VE's first process");
}

void launched_release(struct launched *launched)
{
	close_fd(&launched->pidfd);
	close_fd(&launched->control);
}
