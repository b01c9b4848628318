/*
 * Without an argument: PID 1 of a VE that is driven from outside: reaps, and runs one command after the other for the
 * runtime. It is static and small, so a command costs the fork of a small process, and nothing of the
 * caller's memory or descriptors is ever inside.
 *
 * Its own root is /proc: a template under construction is a chroot in every sense that matters to
 * package scripts (no service manager, nothing to restart), and this makes ischroot(1) say so.
 *
 * As "vzinit stay": PID 1 of a VE that stays and whose template has no init of its own. It reaps, and ends all when it
 * is asked to.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/protocol.h"

#define SCRIPT_DIR "run/vz-script"

struct command {
	struct vzinit_request request;
	int fds[VZINIT_FDS_MAX]; /* strings, output, input, script; -1 where there is none */
	char *strings;
	char *cwd;
	char **argv, **env;
	char *path; /* of the stored script, else NULL */
};

static int root = -1;
static pid_t running;

static void reply(uint32_t kind, uint32_t step, int value)
{
	struct vzinit_reply message = { .kind = kind, .step = step, .value = value };
	/* If nobody listens any more, the next poll says so. */
	(void)!send(VZINIT_SOCKET, &message, sizeof(message), MSG_NOSIGNAL);
}

static void command_release(struct command *command)
{
	for (int i = 0; i < VZINIT_FDS_MAX; i++)
		if (command->fds[i] >= 0)
			close(command->fds[i]);
	free(command->strings);
	free(command->argv);
	free(command->env);
	free(command->path);
}

/* Sorts the descriptors that came into their places. */
static int take_fds(struct command *command, struct msghdr *message)
{
	int got[VZINIT_FDS_MAX], count = 0, wanted = 2;
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
		count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(got, CMSG_DATA(header), (size_t)count * sizeof(int));
	}
	for (int i = 0, place = 0; i < count; i++, place++) {
		if (place == 2 && !(command->request.flags & VZINIT_INPUT))
			place++;
		if (place < VZINIT_FDS_MAX)
			command->fds[place] = got[i];
		else
			close(got[i]);
	}
	wanted += !!(command->request.flags & VZINIT_INPUT);
	wanted += !!(command->request.flags & VZINIT_SCRIPT);
	return count == wanted ? 0 : -1;
}

/* 0, or -1 at the end of file. */
static int receive(struct command *command, bool *valid)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(VZINIT_FDS_MAX * sizeof(int))];
	} control;
	struct iovec part = { &command->request, sizeof(command->request) };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t size = recvmsg(VZINIT_SOCKET, &message, MSG_CMSG_CLOEXEC);
	if (size == 0 || (size < 0 && errno != EINTR))
		return -1;
	*valid = size == sizeof(command->request) && take_fds(command, &message) == 0;
	return 0;
}

static char **split(char **position, const char *end, uint32_t count)
{
	char **list = calloc((size_t)count + 1, sizeof(*list));
	for (uint32_t i = 0; list && i < count; i++) {
		if (*position >= end) {
			free(list);
			return NULL;
		}
		list[i] = *position;
		*position += strlen(*position) + 1;
	}
	return list;
}

static int read_strings(struct command *command)
{
	struct vzinit_request *request = &command->request;
	size_t size = request->size;
	if (size == 0 || size > VZINIT_STRINGS_MAX || request->argc == 0 || request->argc > size ||
	    request->envc > size)
		return errno = EINVAL, -1;
	command->strings = malloc(size + 1);
	if (!command->strings)
		return -1;
	if (pread(command->fds[0], command->strings, size, 0) != (ssize_t)size)
		return errno = EINVAL, -1;
	command->strings[size] = 0;

	char *position = command->strings, *end = position + size;
	command->cwd = position;
	position += strlen(position) + 1;
	command->argv = split(&position, end, request->argc);
	command->env = split(&position, end, request->envc);
	return command->argv && command->env ? 0 : (errno = EINVAL, -1);
}

static int copy(int from, int to)
{
	char buffer[65536];
	off_t offset = 0;
	for (ssize_t got; (got = pread(from, buffer, sizeof(buffer), offset)) != 0; offset += got) {
		if (got < 0)
			return -1;
		for (ssize_t done = 0, put; done < got; done += put) {
			put = write(to, buffer + done, (size_t)(got - done));
			if (put < 0)
				return -1;
		}
	}
	return 0;
}

/*
 * A script gets a path of its own on a tmpfs: its interpreter opens it by name, some scripts look at
 * $0, and no descriptor has to stay open over exec for it. It keeps the name that argv[0] gives it.
 */
static int store_script(struct command *command)
{
	const char *slash = strrchr(command->argv[0], '/');
	const char *name = slash ? slash + 1 : command->argv[0];
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		name = "script";
	if (asprintf(&command->path, "/" SCRIPT_DIR "/%s", name) < 0)
		return command->path = NULL, -1;
	if (mkdirat(root, SCRIPT_DIR, 0755) < 0 && errno != EEXIST)
		return -1;
	const char *below = command->path + 1;
	if (unlinkat(root, below, 0) < 0 && errno != ENOENT)
		return -1;
	int fd = openat(root, below, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755);
	if (fd < 0)
		return -1;
	int failed = copy(command->fds[3], fd);
	return close(fd) < 0 || failed ? -1 : 0;
}

static int set_stdio(struct command *command, int *status)
{
	/* The lowest places may be taken by what is moved, so everything moves up first. */
	int input = command->fds[2] >= 0 ? command->fds[2]
					 : openat(root, "dev/null", O_RDONLY | O_CLOEXEC);
	int output = fcntl(command->fds[1], F_DUPFD, 16);
	int report = fcntl(*status, F_DUPFD_CLOEXEC, 16);
	if (input < 0 || output < 0 || report < 0)
		return -1;
	if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
		return -1;
	*status = report;
	return 0;
}

static void fail(int status, uint32_t step)
{
	struct vzinit_reply message = { VZINIT_FAILED, step, errno };
	(void)!write(status, &message, sizeof(message));
	_exit(127);
}

/* In the child. */
static void run(struct command *command, int status)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	umask(022);
	if (set_stdio(command, &status) < 0)
		fail(status, VZINIT_STEP_STDIO);
	if (fchdir(root) < 0 || chroot(".") < 0)
		fail(status, VZINIT_STEP_ROOT);
	if (chdir(command->cwd) < 0)
		fail(status, VZINIT_STEP_CWD);
	if (dup2(status, 3) < 0 || fcntl(3, F_SETFD, FD_CLOEXEC) < 0 || close_range(4, ~0U, 0) < 0)
		fail(status, VZINIT_STEP_STDIO);
	environ = command->env; /* where execvp() looks for PATH */
	execvp(command->path ? command->path : command->argv[0], command->argv);
	fail(3, VZINIT_STEP_EXEC);
}

static void start(struct command *command)
{
	int status[2];
	struct vzinit_reply failure;
	if (pipe2(status, O_CLOEXEC) < 0 || (running = fork()) < 0) {
		running = 0;
		reply(VZINIT_FAILED, VZINIT_STEP_FORK, errno);
		return;
	}
	if (running == 0)
		run(command, status[1]);
	close(status[1]);
	if (read(status[0], &failure, sizeof(failure)) == sizeof(failure)) {
		waitpid(running, NULL, 0);
		running = 0;
		reply(failure.kind, failure.step, failure.value);
	}
	close(status[0]);
}

/* 0, or -1 when the runtime is gone. */
static int serve(void)
{
	struct command command = { .fds = { -1, -1, -1, -1 } };
	bool valid = false;
	int ended = receive(&command, &valid);
	if (!ended) {
		if (!valid || running)
			reply(VZINIT_FAILED, VZINIT_STEP_REQUEST, EPROTO);
		else if (read_strings(&command) < 0)
			reply(VZINIT_FAILED, VZINIT_STEP_REQUEST, errno);
		else if (command.fds[3] >= 0 && store_script(&command) < 0)
			reply(VZINIT_FAILED, VZINIT_STEP_SCRIPT, errno);
		else
			start(&command);
	}
	command_release(&command);
	return ended;
}

static void reap(int signals)
{
	struct signalfd_siginfo info;
	int status;
	(void)!read(signals, &info, sizeof(info));
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		if (pid != running)
			continue;
		running = 0;
		reply(VZINIT_ENDED, 0, status);
	}
}

/* ---- vzinit stay ------------------------------------------------------------------------------- */

enum { STAY_GRACE_S = 5 };

/* What asks for an end, as of SIGTERM's family in other inits; SIGINT is what reboot(8) would come to. */
static void wait_for_end(const sigset_t *set, int *number)
{
	while ((*number = sigwaitinfo(set, NULL)) == SIGCHLD || *number < 0)
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
}

/* Until nobody is left, or the time is over. */
static void end_others(const sigset_t *set)
{
	struct timespec now, end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += STAY_GRACE_S;
	kill(-1, SIGTERM);
	do {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (kill(-1, 0) < 0)
			return;
		sigtimedwait(set, NULL, &(struct timespec){ .tv_nsec = 50000000 });
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec);
}

static void never(int number)
{
	(void)number;
}

/* Signals stay blocked and are waited for, so they reach a PID 1. The handlers never run: they are for those who look in
 * /proc at what is caught, where what sigwaitinfo(2) waits for is not shown. */
static int stay(void)
{
	static const int asked[] = { SIGCHLD, SIGINT, SIGTERM, SIGPWR };
	sigset_t set;
	int number;
	close_range(3, ~0U, 0);
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
		sigaddset(&set, asked[i]);
	sigprocmask(SIG_SETMASK, &set, NULL);
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
		signal(asked[i], never);
	wait_for_end(&set, &number);
	end_others(&set);
	reboot(number == SIGINT ? RB_AUTOBOOT : RB_POWER_OFF);
	return 0; /* which is an end as well */
}

int main(int argc, char **argv)
{
	sigset_t all, child;

	if (argc > 1 && !strcmp(argv[1], "stay"))
		return stay();

	/* The socket's end of file says the same; this also works while somebody else holds it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	fcntl(VZINIT_SOCKET, F_SETFD, FD_CLOEXEC);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (signals < 0 || root < 0 || chdir("/proc") < 0 || chroot(".") < 0)
		return 1;
	reply(VZINIT_READY, 0, 0);

	struct pollfd polled[] = { { .fd = VZINIT_SOCKET, .events = POLLIN },
				   { .fd = signals, .events = POLLIN } };
	for (;;) {
		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (polled[1].revents)
			reap(signals);
		if (polled[0].revents && serve() < 0)
			return 0;
	}
}
