#include "runtime/life/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "runtime/cgroup.h"
#include "runtime/life/console.h"
#include "runtime/life/life.h"
#include "runtime/life/network.h"
#include "runtime/life/running.h"
#include "runtime/namespace.h"
#include "runtime/tenant_root.h"
#include "runtime/wire.h"

/* The monitor is told of all but the last one, which is for "vzctl reap", which reads the counters of the VE's devices: they go with
 * the namespace. */
enum { PIDFD = 3, CONSOLE, LOG, LISTENER, NETNS, FIRST_FREE, GIVEN = NETNS - PIDFD };

static int open_log(const struct host_config *host, unsigned ctid)
{
	autofree char *path = xasprintf("%s/%u.console", host->lock_dir, ctid);
	return open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* Puts the descriptors into their places, whatever numbers they have. */
static int arrange(int pidfd, int console, int log, int listener, int netns)
{
	int wanted[] = { pidfd, console, log, listener, netns };
	enum { COUNT = sizeof(wanted) / sizeof(*wanted) };
	for (int i = 0; i < COUNT; i++)
		if (wanted[i] < 0 || (wanted[i] = fcntl(wanted[i], F_DUPFD, 16)) < 0)
			return -1;
	for (int i = 0; i < COUNT; i++)
		if (dup2(wanted[i], PIDFD + i) < 0)
			return -1;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			return -1;
	return close_range(FIRST_FREE, ~0U, 0);
}

pid_t monitor_fork(void)
{
	enum { TRIES = 20 };
	pid_t child = -1;
	/* The last monitor to end removes the group, which may be between our opening it and being born in it: ENOENT while it goes,
	 * ENODEV when it is gone (cgroup_css_set_fork() of the kernel). */
	for (unsigned i = 0; child < 0 && i < TRIES; i++) {
		autoclose int group = cgroup_shared_open(MONITOR_GROUP);
		child = namespace_fork(group);
		if (child < 0 && errno != ENODEV && errno != ENOENT)
			break;
	}
	return child;
}

void monitor_execute(const struct host_config *host, unsigned ctid, const struct ve_process *init,
		     int pidfd, int console)
{
	char ctid_text[16], pid_text[16], fds[GIVEN][16];
	autofree char *program = xasprintf("%s/vzmonitor", host->libexec_dir);
	autofree char *vzctl = xasprintf("%s/vzctl", host->bin_dir);
	snprintf(ctid_text, sizeof(ctid_text), "%u", ctid);
	snprintf(pid_text, sizeof(pid_text), "%d", init->pid);
	int log = open_log(host, ctid), listener = console_listen(host, ctid);
	int namespace = network_namespace_of(init, NULL);
	for (int i = 0; i < GIVEN; i++)
		snprintf(fds[i], sizeof(fds[i]), "%d",
			 PIDFD + i == LISTENER && listener < 0 ? -1 : PIDFD + i);
	const char *argv[] = { "vzmonitor", fds[0],          fds[1], fds[2],    fds[3],
			       pid_text,    vzctl,           "reap", ctid_text, pid_text,
			       "--conf",    host->conf.path, NULL };
	if (!host->conf.path)
		argv[10] = NULL;
	/* An init that has ended already has none. */
	autofree char *netns = xasprintf(MONITOR_NETNS "=%d", namespace < 0 ? -1 : NETNS);
	char *const env[] = { (char[]){ "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin" },
			      netns, NULL };
	if (chdir("/") == 0 && arrange(pidfd, console, log, listener < 0 ? log : listener,
				       namespace < 0 ? log : namespace) == 0)
		execve(program, (char *const *)argv, env);
}

/* ---- another one ----------------------------------------------------------------------------------- */

static int make_console(void *data, struct error *err)
{
	const int *socket = data;
	int slave = -1;
	char byte = 0;
	autoclose int master = tenant_console(&slave, err);
	if (slave >= 0)
		close(slave);
	if (master < 0)
		return -1;
	if (wire_send(*socket, &byte, 1, &master, 1) < 0)
		return error_errno(err, errno, "giving the console to the monitor");
	return 0;
}

static pid_t start_another(const struct host_config *host, unsigned ctid,
			   const struct running *running, int console)
{
	pid_t child = monitor_fork();
	if (child)
		return child;
	interrupt_reset_child();
	setsid();
	cgroup_shared_join_v1(MONITOR_GROUP);
	monitor_execute(host, ctid, &running->state.init, ve_process_open(&running->state.init),
			console);
	_exit(1);
}

int monitor_ensure(const struct host_config *host, unsigned ctid, struct running *running,
		   struct error *err)
{
	struct ve_state *state = &running->state;
	int pair[2];
	if (ve_process_alive(state, &state->monitor))
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "creating a socket pair");
	pid_t child = start_another(host, ctid, running, pair[0]);
	close(pair[0]);
	int result = child < 0 ? error_errno(err, errno, "starting a monitor") : 0;
	if (result == 0) {
		state->monitor = ve_process_of(child);
		result = ve_state_save(host, ctid, state, err);
	}
	/* Without a console a VE can live. */
	if (result == 0)
		running_call(running, make_console, &pair[1], &pair[1], 1, NULL);
	close(pair[1]);
	return result;
}

int life_monitor(const struct life *life, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	AUTO(running_release) struct running running = { .pidfd = -1 };
	if (held_take(life, true, &held, err) < 0 ||
	    running_open(life->host, life->ctid, &running, err) < 0)
		return -1;
	return monitor_ensure(life->host, life->ctid, &running, err);
}
