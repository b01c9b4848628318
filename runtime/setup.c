#include "runtime/setup.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "runtime/capability.h"
#include "runtime/confine.h"
#include "runtime/entry.h"
#include "runtime/namespace.h"
#include "runtime/protocol.h"
#include "runtime/seccomp.h"
#include "runtime/wire.h"

enum { MESSAGE_MAX = 16384 };

/* ---- the runtime's side ---------------------------------------------------------------------- */

/* Order: tree, dev, host…, binds…; which of `host` are there is in the packet. */
int setup_hand_over(const struct setup *setup, struct error *err)
{
	const struct rootfs *root = &setup->ve->root;
	char present[ROOTFS_HOST_MAX];
	autofree int *fds = xcalloc(2 + ROOTFS_HOST_MAX + root->bind_count, sizeof(*fds));
	size_t count = 0;
	fds[count++] = root->tree;
	fds[count++] = root->dev;
	for (size_t i = 0; i < ROOTFS_HOST_MAX; i++) {
		present[i] = root->host[i] >= 0;
		if (present[i])
			fds[count++] = root->host[i];
	}
	for (size_t i = 0; i < root->bind_count; i++)
		fds[count++] = root->binds[i];
	if (wire_send(setup->ve->control, present, sizeof(present), fds, count) < 0)
		return error_errno(err, errno, "starting the VE's first process");
	return 0;
}

int setup_wait(const struct setup *setup, struct error *err)
{
	char message[MESSAGE_MAX];
	struct vzinit_reply reply = { 0 };
	ssize_t size;
	do {
		int listener = -1;
		size_t count = 1;
		size = wire_receive(setup->ve->control, message, sizeof(message), &listener,
				    &count);
		if (count)
			setup->ve->listener = listener;
		if (size < (ssize_t)sizeof(reply))
			return error_set(err, ERROR_CONTAINER,
					 "the VE's first process ended early");
		memcpy(&reply, message, sizeof(reply));
	} while (reply.kind == VZINIT_LISTENER);
	if (reply.kind == VZINIT_READY)
		return 0;
	return wire_unpack_error(message + sizeof(reply), (size_t)size - sizeof(reply), err);
}

/* ---- the VE's side --------------------------------------------------------------------------- */

static int take_over(const struct setup *setup, struct error *err)
{
	struct rootfs *root = &setup->ve->root;
	char present[ROOTFS_HOST_MAX];
	autofree int *fds = xcalloc(3 + ROOTFS_HOST_MAX + setup->spec->bind_count, sizeof(*fds));
	size_t count = 2 + ROOTFS_HOST_MAX + setup->spec->bind_count, next = 2;

	ssize_t size = wire_receive(setup->inner, present, sizeof(present), fds, &count);
	if (size == 0)
		_exit(1); /* the runtime gave up; nobody is there to be told */
	if (size != sizeof(present) || count < 2)
		return error_set(err, ERROR_INTERNAL, "the VE's mounts did not arrive");
	*root = (struct rootfs){ .tree = fds[0], .dev = fds[1] };
	for (size_t i = 0; i < ROOTFS_HOST_MAX; i++)
		root->host[i] = present[i] && next < count ? fds[next++] : -1;
	root->bind_count = count - next;
	root->binds = xmemdup(fds + next, (root->bind_count + 1) * sizeof(*fds));
	if (root->bind_count != setup->spec->bind_count)
		return error_set(err, ERROR_INTERNAL, "some of the VE's mounts did not arrive");
	return 0;
}

static void limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit now;
	if (getrlimit(resource, &now) < 0)
		return;
	now.rlim_max = hard < now.rlim_max ? hard : now.rlim_max;
	now.rlim_cur = soft < now.rlim_max ? soft : now.rlim_max;
	setrlimit(resource, &now); /* only ever lowers, so it works or does not matter */
}

/* The same for every build, whatever the caller's shell had. Old programs close all descriptors up to
 * the limit one by one, so that is not large. */
static void set_limits(const struct setup *setup)
{
	unsigned pids = setup->spec->pids_max ? setup->spec->pids_max : VE_PIDS_DEFAULT;
	/* core(5): 0 would keep files from being written, but not the host's crash handler from being
	 * started; 1 does both. */
	limit(RLIMIT_CORE, 1, 1);
	limit(RLIMIT_NOFILE, 1024, 4096);
	limit(RLIMIT_STACK, 8 << 20, RLIM_INFINITY);
	if (!setup->ve->group.pids)
		limit(RLIMIT_NPROC, pids, pids);
}

static int join(const struct setup *setup, struct error *err)
{
	if (cgroup_join_v1(&setup->ve->group) < 0)
		return error_errno(err, errno, "joining the VE's control groups");
	/* After joining, so that the VE sees its own group as "/". */
	if (unshare(CLONE_NEWCGROUP) < 0)
		return error_errno(err, errno, "creating a control group namespace");
	return 0;
}

static int set_identity(const struct setup *setup, struct error *err)
{
	const struct ve_spec *spec = setup->spec;
	const char *hostname = spec->hostname ? spec->hostname : "localhost";
	if (namespace_become_root() < 0)
		return error_errno(err, errno, "becoming root of the VE");
	if (sethostname(hostname, strlen(hostname)) < 0)
		return error_errno(err, errno, "setting the host name %s", hostname);
	if (setdomainname("", 0) < 0 || namespace_loopback_up() < 0)
		return error_errno(err, errno, "bringing the VE's loopback up");
	if (setup->ve->personality && personality(setup->ve->personality) < 0)
		return error_errno(err, errno, "setting the personality of %s", spec->arch);
	return 0;
}

/* The filter first: without no_new_privs it takes CAP_SYS_ADMIN, which goes then. */
static int restrict_self(const struct ve *ve, int inner, struct error *err)
{
	struct vzinit_reply message = { .kind = VZINIT_LISTENER };
	autoclose int listener = seccomp_filter_load(ve->filter);
	if (listener < 0 || wire_send(inner, &message, sizeof(message), &listener, 1) < 0)
		return error_errno(err, errno, "loading the VE's system call filter");
	if (capability_limit(CAPABILITY_BUILD) < 0)
		return error_errno(err, errno, "dropping capabilities");
	return 0;
}

static int execute(struct setup *setup, struct error *err)
{
	char *const argv[] = { (char[]){ "vzinit" }, NULL };
	char *const env[] = { (char[]){ "container=vz" }, NULL };
	int init = fcntl(setup->init, F_DUPFD_CLOEXEC, 16);
	int inner = fcntl(setup->inner, F_DUPFD_CLOEXEC, 16);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			return error_errno(err, errno, "opening /dev/null in the VE");
	setup->inner = inner;
	if (dup2(inner, VZINIT_SOCKET) < 0 || dup3(init, VZINIT_SOCKET + 1, O_CLOEXEC) < 0 ||
	    close_range(VZINIT_SOCKET + 2, ~0U, 0) < 0)
		return error_errno(err, errno, "closing descriptors");
	setup->inner = VZINIT_SOCKET;
	execveat(VZINIT_SOCKET + 1, "", argv, env, AT_EMPTY_PATH);
	return error_errno(err, errno, "executing the init program %s", setup->spec->init);
}

static int prepare(struct setup *setup, struct error *err)
{
	if (take_over(setup, err) < 0 || join(setup, err) < 0 || set_identity(setup, err) < 0)
		return -1;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* again: changing ids has cleared it */
	set_limits(setup);
	if (rootfs_enter(setup->spec, &setup->ve->root, err) < 0)
		return -1;
	if (setup->ve->personality_of_init && confine_personality(err) < 0)
		return -1;
	if (restrict_self(setup->ve, setup->inner, err) < 0)
		return -1;
	return execute(setup, err);
}

static void tell(int socket, const struct error *err)
{
	struct vzinit_reply reply = { .kind = VZINIT_SETUP_FAILED };
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	strbuf_add(&text, &reply, sizeof(reply));
	wire_pack_error(&text, err);
	wire_send(socket, text.text, text.length < MESSAGE_MAX ? text.length : MESSAGE_MAX, NULL,
		  0);
}

int setup_run(void *data)
{
	struct setup *setup = data;
	struct error err = ERROR_INIT;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	interrupt_reset_child();
	if (setup->spec->root_kind == VE_ROOT_MOUNT)
		entry_forget_caller();
	setsid();
	close(setup->ve->control);
	prepare(setup, &err);
	tell(setup->inner, &err);
	return 1;
}
