#include "runtime/access/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/access/session.h"
#include "runtime/confine.h"
#include "runtime/mount.h"
#include "runtime/protocol.h"
#include "runtime/state.h"
#include "runtime/wire.h"

enum { BEGIN_MS = 30000, LOCK_POLL_MS = 100, STALE_MAX = 64, INIT_FD = VZINIT_SOCKET + 1 };

struct agent {
	const struct agent_spec *spec;
	int control; /* its end */
	int init; /* the program */
	int shown; /* a mount; -1: none */
};

/* ---- inside ---------------------------------------------------------------------------------------------- */

/* Links in the VE's own paths are for nobody but those who want to lead us somewhere. */
static int enter_folder(const char *target, const char **name, struct error *err)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	*name = strrchr(target, '/') + 1;
	autofree char *folder = xstrndup(target, (size_t)(*name - target));
	autoclose int fd = (int)syscall(SYS_openat2, AT_FDCWD, folder, &how, sizeof(how));
	if (fd < 0 || fchdir(fd) < 0)
		return error_errno(err, errno, "opening %s of the VE", folder);
	return 0;
}

/* What a visit that was killed has left is taken away before. */
static int place(int mount, const char *target, struct error *err)
{
	const char *name;
	if (enter_folder(target, &name, err) < 0)
		return -1;
	for (int i = 0; i < STALE_MAX; i++)
		if (umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			break;
	if (mkdir(name, 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "creating %s in the VE", target);
	autoclose int folder = open(name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0) {
		error_errno(err, errno, "opening %s of the VE", target);
		return error_hint(err, "it is to be a folder; remove what is there in the VE");
	}
	if (move_mount(mount, "", folder, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
	    0)
		return error_errno(err, errno, "mounting onto %s of the VE", target);
	return 0;
}

static void take_away(const char *target)
{
	umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
	rmdir(target);
}

static int execute(const struct agent *agent, int *failure, struct error *err)
{
	char *const argv[] = { (char[]){ "vzinit" }, (char[]){ "visit" },
			       agent->shown >= 0 ? (char *)(uintptr_t)agent->spec->target : NULL,
			       NULL };
	char *const env[] = { (char[]){ "container=vz" }, NULL };
	autoclose int null = open("/dev/null", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (null < 0)
		return error_errno(err, errno, "opening /dev/null in the VE");
	const int fds[] = { null, null, null, agent->control, agent->init };
	if (session_settle(fds, sizeof(fds) / sizeof(*fds), failure) < 0 ||
	    fcntl(INIT_FD, F_SETFD, FD_CLOEXEC) < 0)
		return error_errno(err, errno, "preparing the descriptors of a process in the VE");
	if (confine_apply(agent->spec->running->confine, err) < 0)
		return -1;
	execveat(INIT_FD, "", argv, env, AT_EMPTY_PATH);
	return error_errno(err, errno, "executing %s in the VE", agent->spec->init);
}

static int inside(void *data, int *failure, struct error *err)
{
	const struct agent *agent = data;
	entry_forget_caller();
	umask(022);
	if (setsid() < 0 || chdir("/") < 0)
		return error_errno(err, errno, "preparing a process in the VE");
	if (agent->shown >= 0 && place(agent->shown, agent->spec->target, err) < 0)
		return -1;
	if (chdir("/") < 0)
		return error_errno(err, errno, "changing to the VE's root");
	execute(agent, failure, err);
	if (agent->shown >= 0)
		take_away(agent->spec->target);
	return -1;
}

/* ---- outside --------------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* 1: it is readable or at its end; 0: not by then; -1: interrupted. */
static int wait_until(int fd, int64_t end, struct error *err)
{
	for (;;) {
		struct pollfd polled[] = { { .fd = fd, .events = POLLIN },
					   { .fd = interrupt_fd(), .events = POLLIN } };
		int64_t left = end - now_ms();
		int ready = poll(polled, 2,
				 left < 0           ? 0
				 : left > INT32_MAX ? INT32_MAX
						    : (int)left);
		if (interrupt_check(err) < 0)
			return -1;
		if (ready > 0 && polled[0].revents)
			return 1;
		if (ready == 0 && left <= 0)
			return 0;
	}
}

static int begin(struct agent *agent, struct session *session, struct error *err)
{
	if (session_begin(agent->spec->running, inside, agent, session, err) < 0)
		return -1;
	int ready = wait_until(session->failure, now_ms() + BEGIN_MS, err);
	if (ready < 0)
		return -1;
	if (ready == 0) {
		error_set(err, ERROR_TIME_LIMIT, "a process in the VE did not begin within %d s",
			  BEGIN_MS / 1000);
		return error_hint(err,
				  "the VE may be frozen, or something is mounted on its /proc, "
				  "/dev or /run that does not answer");
	}
	return session_begun(session, err);
}

/* Its package files are for reading alone: nothing in there is executed. */
static int take_shown(const struct agent_spec *spec, struct agent *agent, struct error *err)
{
	if (!spec->shown)
		return 0;
	agent->shown = mount_copy(AT_FDCWD, spec->shown, err);
	if (agent->shown < 0)
		return -1;
	return mount_change(agent->shown,
			    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
				    MOUNT_ATTR_NOEXEC,
			    -1, spec->shown, err);
}

static struct ve *ve_of(const struct running *running)
{
	struct ve *ve = xcalloc(1, sizeof(*ve));
	*ve = (struct ve){
		.name = xasprintf("%u", running->config.ctid),
		.pidfd = fcntl(running->pidfd, F_DUPFD_CLOEXEC, 0),
		.control = -1,
		.tree = -1,
		.listener = -1,
		.ids = ID_BLOCK_INIT,
		.group = CGROUP_INIT,
		.root = ROOTFS_INIT,
		.confine = running->confine,
	};
	ve->ids.base = running->state.ids_base; /* whose block it is and stays */
	return ve;
}

static int start(const struct agent_spec *spec, struct agent *agent, struct ve *ve,
		 struct error *err)
{
	AUTO(session_release) struct session session = SESSION_INIT;
	int pair[2];
	agent->init = open(spec->init, O_RDONLY | O_CLOEXEC);
	if (agent->init < 0)
		return error_errno(err, errno, "opening %s", spec->init);
	if (take_shown(spec, agent, err) < 0 ||
	    cgroup_open(&spec->running->state.groups, &ve->group, err) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "creating a socket pair");
	ve->control = pair[0];
	agent->control = pair[1];
	int result = begin(agent, &session, err);
	close(pair[1]);
	if (result < 0)
		return -1;
	ve->init = session.pid;
	session.pid = 0;
	return 0;
}

int agent_start(const struct agent_spec *spec, struct ve **ret, struct error *err)
{
	struct agent agent = { .spec = spec, .control = -1, .init = -1, .shown = -1 };
	AUTO(ve_freep) struct ve *ve = ve_of(spec->running);
	int result = start(spec, &agent, ve, err);
	cleanup_close(&agent.init);
	cleanup_close(&agent.shown);
	if (result < 0)
		return -1;
	*ret = steal_ptr(ve);
	return 0;
}

/* ---- locks -------------------------------------------------------------------------------------------------- */

/* As protocol.h says: the working folder, and one argument. */
static int ask(const struct ve *ve, const char *path, struct error *err)
{
	size_t size = strlen(path) + 3;
	struct vzinit_request request = { .flags = VZINIT_LOCK, .argc = 1, .size = (uint32_t)size };
	autofree char *strings = xcalloc(size, 1);
	memcpy(strings, "/", 2);
	memcpy(strings + 2, path, strlen(path) + 1);
	autoclose int fd = memfd_create("lock", MFD_CLOEXEC);
	if (fd < 0 || write_all(fd, strings, size, "a memory file", err) < 0)
		return error_errno(err, errno, "creating a memory file");
	if (wire_send(ve->control, &request, sizeof(request), &fd, 1) < 0)
		return error_errno(err, errno, "asking a process in the VE");
	return 0;
}

static int answer(const struct ve *ve, int64_t end, struct vzinit_reply *reply, struct error *err)
{
	int ready = wait_until(ve->control, end, err);
	if (ready < 0)
		return -1;
	if (ready == 0)
		return error_set(err, ERROR_TIME_LIMIT, "a process in the VE does not answer");
	if (wire_receive(ve->control, reply, sizeof(*reply), NULL, NULL) != sizeof(*reply))
		return error_set(err, ERROR_CHILD, "a process in the VE was killed");
	return 0;
}

/* A name that the VE chose is shown to people: letters and the like only. */
static const char *printable(struct vzinit_reply *reply)
{
	reply->name[sizeof(reply->name) - 1] = 0;
	for (char *c = reply->name; *c; c++)
		if ((unsigned char)*c < 0x21 || (unsigned char)*c > 0x7e)
			*c = '?';
	return *reply->name ? reply->name : "another process";
}

static int held(struct vzinit_reply *reply, const char *path, unsigned timeout_s, struct error *err)
{
	error_set(err, ERROR_LOCKED,
		  "%s in the VE is locked by %s (process %d there), still after %u s", path,
		  printable(reply), (int)reply->value, timeout_s);
	return error_hint(err, "wait until it is done, or look in the VE what it waits for");
}

static int try_lock(struct ve *ve, const char *path, int64_t end, struct vzinit_reply *reply,
		    struct error *err)
{
	if (ask(ve, path, err) < 0 || answer(ve, end, reply, err) < 0) {
		ve_kill(ve); /* a late answer would be taken for one to something else */
		return -1;
	}
	if (reply->kind == VZINIT_LOCKED)
		return 1;
	if (reply->kind == VZINIT_BUSY)
		return 0;
	if (reply->kind != VZINIT_FAILED)
		return error_set(err, ERROR_CHILD, "a process in the VE answers something else");
	return error_errno(err, reply->value, "locking %s in the VE", path);
}

int agent_lock(struct ve *ve, const char *path, unsigned timeout_s, struct error *err)
{
	enum { ANSWER_MS = 10000 };
	int64_t end = now_ms() + timeout_s * 1000LL;
	for (;;) {
		struct vzinit_reply reply = { 0 };
		int got = try_lock(ve, path, now_ms() + ANSWER_MS, &reply, err);
		if (got)
			return got < 0 ? -1 : 0;
		if (now_ms() >= end)
			return held(&reply, path, timeout_s, err);
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_POLL_MS * 1000000L }, NULL);
		if (interrupt_check(err) < 0)
			return -1;
	}
}
