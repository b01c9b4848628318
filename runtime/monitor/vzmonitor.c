/*
 * The parent of a VE's init: static and small, as there is one for each VE that runs.
 *
 *	vzmonitor INIT_PIDFD CONSOLE_SOCKET LOG INIT_PID VZCTL ARGUMENT…
 *
 * The first three are numbers of descriptors that it was started with. The master of init's console arrives on
 * the socket; what init prints there goes to LOG, which is kept short (somebody has to read, or init would
 * block). When init ends, VZCTL is executed with the arguments and one word more, how it ended: "reboot" or
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

/* -1 when there is nothing more to come. */
static int read_console(int console)
{
	char bytes[4096];
	ssize_t got = read(console, bytes, sizeof(bytes));
	if (got > 0)
		append(bytes, (size_t)got);
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

static void watch(int pidfd, int socket)
{
	struct pollfd polled[] = { { .fd = pidfd, .events = POLLIN },
				   { .fd = socket, .events = POLLIN },
				   { .fd = -1, .events = POLLIN } };
	do {
		if (poll(polled, 3, -1) < 0 && errno != EINTR)
			return;
		if (polled[1].revents) {
			polled[2].fd = receive_console(socket);
			polled[1].fd = -1;
		}
		if (polled[2].revents && read_console(polled[2].fd) < 0) {
			/* Hung up for now: a getty opens it anew. It must not spin until then. */
			polled[2].revents = 0;
			poll(polled, 1, 200);
		}
	} while (!polled[0].revents);
	/* Its last words. */
	while (polled[2].fd >= 0 && poll(&polled[2], 1, 0) > 0 && read_console(polled[2].fd) == 0)
		;
}

static int number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

int main(int argc, char **argv)
{
	sigset_t none;
	if (argc < 6)
		return 1;
	int pidfd = number(argv[1]), socket = number(argv[2]);
	pid_t init = number(argv[4]);
	log_fd = number(argv[3]);
	const char *kept = getenv("VZ_NETNS"); /* for whom we execute: MONITOR_NETNS */
	for (int fd = 3; fd < 16; fd++)
		if (!kept || fd != number(kept))
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	watch(pidfd, socket);

	const char *why = reason(init, pidfd);
	char **arguments = calloc((size_t)argc, sizeof(*arguments));
	if (!arguments)
		return 1;
	for (int i = 5; i < argc; i++)
		arguments[i - 5] = argv[i];
	arguments[argc - 5] = (char *)(uintptr_t)why;
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	execv(arguments[0], arguments);
	return 1;
}
