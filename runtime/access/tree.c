#include "runtime/access/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/area/private.h"
#include "runtime/life/life.h"
#include "runtime/mount.h"
#include "runtime/namespace.h"
#include "runtime/wire.h"

enum { MESSAGE_MAX = 16384 };

/* Opens something in a process of its own, which may change its namespaces. */
typedef int opening_function(const void *data, struct error *err);

static int open_in_child(opening_function *opening, const void *data, int socket)
{
	struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	interrupt_reset_child();
	int fd = opening(data, &err);
	if (fd >= 0)
		return wire_send(socket, "", 1, &fd, 1) < 0;
	wire_pack_error(&text, &err);
	return wire_send(socket, text.text, text.length, NULL, 0) < 0;
}

static int receive(int socket, struct error *err)
{
	char message[MESSAGE_MAX];
	int fd = -1;
	size_t count = 1;
	ssize_t got = wire_receive(socket, message, sizeof(message), &fd, &count);
	if (got > 0 && count == 1)
		return fd;
	if (got > 0)
		return wire_unpack_error(message, (size_t)got, err);
	return error_set(err, ERROR_CHILD, "the process that opens the VE's files was killed");
}

static int open_apart(opening_function *opening, const void *data, struct error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "creating a socket");
	pid_t child = fork();
	if (child == 0)
		_exit(open_in_child(opening, data, pair[1]));
	int number = errno;
	close(pair[1]);
	int fd = child < 0 ? error_errno(err, number, "starting a process") : receive(pair[0], err);
	close(pair[0]);
	if (child > 0) {
		kill(child, SIGKILL);
		TEMP_FAILURE_RETRY(waitpid(child, NULL, 0));
	}
	return fd;
}

/* ---- of a VE that runs ------------------------------------------------------------------------------------ */

static int open_running(const void *data, struct error *err)
{
	const struct running *running = data;
	/* Not its pid namespace: nobody in it sees this process. */
	if (setns(running->pidfd, CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return error_errno(err, errno, "entering the VE's namespaces");
	return mount_copy(AT_FDCWD, "/", err);
}

int tree_of_running(const struct running *running, struct error *err)
{
	return open_apart(open_running, running, err);
}

/* ---- of a stopped one --------------------------------------------------------------------------------------- */

struct stopped {
	const struct host_config *host;
	const struct ve_config *config;
};

static int open_stopped(const void *data, struct error *err)
{
	const struct stopped *stopped = data;
	AUTO(private_release) struct private_area area = PRIVATE_AREA_INIT;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "creating a mount namespace");
	if (private_open(stopped->host, stopped->config, &area, err) < 0 ||
	    private_mount_host(&area, true, stopped->config->root, err) < 0)
		return -1;
	return mount_copy(AT_FDCWD, stopped->config->root, err);
}

int tree_of_stopped(const struct host_config *host, const struct ve_config *config,
		    struct error *err)
{
	const struct stopped stopped = { host, config };
	/* An overlay must not be mounted twice. */
	if (is_mounted(config->root))
		return mount_copy(AT_FDCWD, config->root, err);
	autoclose int root = dir_open(AT_FDCWD, config->root, true, 0700, err);
	return root < 0 ? -1 : open_apart(open_stopped, &stopped, err);
}
