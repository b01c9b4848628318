/*
 * The parent of a VE's init: static and small, as there is one for each VE that runs.
 *
 *	vzmonitor INIT_PIDFD CONSOLE_SOCKET LOG LISTENER INIT_PID VZCTL ARGUMENT…
 *
 * The first four are numbers of descriptors that it was started with. The master of init's console arrives on
 * the socket; what init prints there goes to LOG, which is kept short (somebody has to read, or init would
 * block), and to whoever has connected to LISTENER, one at a time (runtime/attach.h). When init ends, VZCTL is executed with the arguments and one word more, how it ended: "reboot" or
 * "halt".
 *
 * It believes nothing that comes from the console but that it is bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/attach.h"

enum { LOG_MAX = 65536 };

/* linux/pidfd.h since 6.13 and 6.15: how a process ended that is no child of ours. */
struct pidfd_exit_info {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};

enum { EXIT_CODE_WANTED = 8 };

#define GET_INFO _IOWR(0xFF, 11, struct pidfd_exit_info)

static int log_fd;
static off_t log_size;

/* Who is attached, and what he has typed and the console has not taken yet. */
static int client = -1;
static char typed[ATTACH_DATA_MAX];
static size_t typed_at, typed_end;

static void append(const char *bytes, size_t size)
{
	if (log_size + (off_t)size > LOG_MAX) {
		if (ftruncate(log_fd, 0) < 0)
			return;
		log_size = 0;
	}
	ssize_t put = pwrite(log_fd, bytes, size, log_size);
	if (put > 0)
		log_size += put;
}

static void detach(void)
{
	close(client);
	client = -1;
	typed_at = typed_end = 0;
}

/* The console is never kept waiting: what he does not take in time he does not get, and it is in the log. */
static void show(const char *bytes, size_t size)
{
	char packet[1 + ATTACH_DATA_MAX] = { ATTACH_DATA };
	memcpy(packet + 1, bytes, size);
	if (client >= 0)
		send(client, packet, 1 + size, MSG_DONTWAIT);
}

/* -1 when there is nothing more to come. */
static int read_console(int console)
{
	char bytes[ATTACH_DATA_MAX];
	ssize_t got = read(console, bytes, sizeof(bytes));
	if (got > 0) {
		append(bytes, (size_t)got);
		show(bytes, (size_t)got);
	}
	return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN)) ? 0 : -1;
}

static int receive_console(int socket)
{
	char byte;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd = -1;
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0)
		return -1;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

static void attach(int listener, int console)
{
	/* cppcheck-suppress nullPointer ; nobody asks for the address */
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	char word = console < 0 ? ATTACH_NONE : client >= 0 ? ATTACH_BUSY : ATTACH_READY;
	if (fd < 0)
		return;
	send(fd, &word, 1, 0);
	if (word == ATTACH_READY)
		client = fd;
	else
		close(fd);
}

static void type(int console)
{
	ssize_t put = write(console, typed + typed_at, typed_end - typed_at);
	if (put > 0)
		typed_at += (size_t)put;
	else if (put < 0 && errno != EAGAIN && errno != EINTR)
		typed_at = typed_end; /* nobody has it open */
	if (typed_at == typed_end)
		typed_at = typed_end = 0;
}

static void hear(int console)
{
	char packet[1 + ATTACH_DATA_MAX];
	struct winsize size;
	ssize_t got = recv(client, packet, sizeof(packet), 0);
	if (got <= 0) {
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			detach();
	} else if (packet[0] == ATTACH_DATA) {
		typed_end = (size_t)got - 1;
		memcpy(typed, packet + 1, typed_end);
		type(console);
	} else if (packet[0] == ATTACH_SIZE && got == 1 + sizeof(size)) {
		memcpy(&size, packet + 1, sizeof(size));
		ioctl(console, TIOCSWINSZ, &size);
	}
}

static bool how_it_ended(pid_t init, int pidfd, int *status)
{
	struct pidfd_exit_info info = { .mask = EXIT_CODE_WANTED };
	if (waitpid(init, status, 0) == init)
		return true;
	/* Not our child: another monitor before us was its parent. */
	if (ioctl(pidfd, GET_INFO, &info) < 0 || !(info.mask & EXIT_CODE_WANTED))
		return false;
	*status = info.exit_code;
	return true;
}

/* reboot(2): what a pid namespace's init is killed with says what was asked for. */
static const char *reason(pid_t init, int pidfd)
{
	int status;
	if (how_it_ended(init, pidfd, &status) && WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP)
		return "reboot";
	return "halt";
}

enum { INIT, SOCKET, CONSOLE, LISTENER, CLIENT, POLLED };

static void serve(struct pollfd polled[POLLED])
{
	int *console = &polled[CONSOLE].fd;
	if (polled[SOCKET].revents) {
		*console = receive_console(polled[SOCKET].fd);
		polled[SOCKET].fd = -1;
	}
	if (polled[LISTENER].revents)
		attach(polled[LISTENER].fd, *console);
	if (polled[CLIENT].revents && client >= 0)
		hear(*console);
	if (polled[CONSOLE].revents & POLLOUT && typed_end)
		type(*console);
	if (polled[CONSOLE].revents & ~POLLOUT && read_console(*console) < 0) {
		/* Hung up for now: a getty opens it anew. It must not spin until then. */
		polled[CONSOLE].revents = 0;
		poll(polled, 1, 200);
	}
}

static void watch(int pidfd, int socket, int listener)
{
	struct pollfd polled[POLLED] = { [INIT] = { .fd = pidfd, .events = POLLIN },
					 [SOCKET] = { .fd = socket, .events = POLLIN },
					 [CONSOLE] = { .fd = -1 },
					 [LISTENER] = { .fd = listener, .events = POLLIN },
					 [CLIENT] = { .events = POLLIN } };
	do {
		/* While the console takes no more, nothing more is heard. */
		polled[CLIENT].fd = typed_end ? -1 : client;
		polled[CONSOLE].events = typed_end ? POLLIN | POLLOUT : POLLIN;
		if (poll(polled, POLLED, -1) < 0) {
			if (errno != EINTR)
				return;
			continue;
		}
		serve(polled);
	} while (!polled[INIT].revents);
	/* Its last words. */
	struct pollfd *console = &polled[CONSOLE];
	console->events = POLLIN;
	while (console->fd >= 0 && poll(console, 1, 0) > 0 && read_console(console->fd) == 0)
		;
}

static int number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

int main(int argc, char **argv)
{
	sigset_t none;
	if (argc < 7)
		return 1;
	int pidfd = number(argv[1]), socket = number(argv[2]);
	pid_t init = number(argv[5]);
	log_fd = number(argv[3]);
	const char *kept = getenv("VZ_NETNS"); /* for whom we execute: MONITOR_NETNS */
	for (int fd = 3; fd < 16; fd++)
		if (!kept || fd != number(kept))
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	watch(pidfd, socket, number(argv[4]));

	const char *why = reason(init, pidfd);
	char **arguments = calloc((size_t)argc, sizeof(*arguments));
	if (!arguments)
		return 1;
	for (int i = 6; i < argc; i++)
		arguments[i - 6] = argv[i];
	arguments[argc - 6] = (char *)(uintptr_t)why;
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	execv(arguments[0], arguments);
	return 1;
}
