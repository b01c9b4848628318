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
 *
 * As "vzinit visit [FOLDER]": a guest in a VE that runs and has an init of its own. It runs commands in the same way, each below
 * a process that adopts what the command leaves behind, so that all of it can be found and killed if the runtime goes away. Then it
 * takes away what is mounted at FOLDER, and ends.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
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

enum { STATUS_FD = 3, SCRIPT_FD = 4 };

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
static bool visiting;
static int outcome = -1; /* visiting: where the status of what runs is to be read */

static void say(const struct vzinit_reply *message)
{
	/* If nobody listens any more, the next poll says so. */
	(void)!send(VZINIT_SOCKET, message, sizeof(*message), MSG_NOSIGNAL);
}

static void reply(uint32_t kind, uint32_t step, int value)
{
	say(&(struct vzinit_reply){ .kind = kind, .step = step, .value = value });
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
	int got[VZINIT_FDS_MAX], count = 0;
	int wanted = command->request.flags & VZINIT_LOCK ? 1 : 2;
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
	struct vzinit_reply message = { .kind = VZINIT_FAILED, .step = step, .value = errno };
	(void)!write(status, &message, sizeof(message));
	_exit(127);
}

/* In a VE that is not ours /run may be noexec, so it stays a descriptor, of a file in memory that nobody can change. */
static int place_script(struct command *command, int *status, unsigned *above)
{
	int script = fcntl(command->fds[3], F_DUPFD_CLOEXEC, 16);
	int report = fcntl(*status, F_DUPFD_CLOEXEC, 16);
	if (script < 0 || report < 0 || dup2(script, SCRIPT_FD) < 0)
		return -1;
	*status = report;
	*above = SCRIPT_FD + 1;
	return 0;
}

static void execute_script(struct command *command)
{
	execveat(SCRIPT_FD, "", command->argv, command->env, AT_EMPTY_PATH);
	if (errno != ENOEXEC)
		return;
	char *path;
	size_t count = command->request.argc;
	char **argv = calloc(count + 2, sizeof(*argv));
	if (!argv || asprintf(&path, "/dev/fd/%d", SCRIPT_FD) < 0)
		return;
	argv[0] = (char[]){ "sh" }; /* busybox goes by it */
	argv[1] = path;
	memcpy(argv + 2, command->argv + 1, (count - 1) * sizeof(*argv));
	execve("/bin/sh", argv, command->env);
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
	unsigned above = SCRIPT_FD;
	if (visiting && command->fds[3] >= 0 && place_script(command, &status, &above) < 0)
		fail(status, VZINIT_STEP_SCRIPT);
	if (dup2(status, STATUS_FD) < 0 || fcntl(STATUS_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    close_range(above, ~0U, 0) < 0)
		fail(status, VZINIT_STEP_STDIO);
	environ = command->env; /* where execvp() looks for PATH */
	if (above > SCRIPT_FD)
		execute_script(command);
	else
		execvp(command->path ? command->path : command->argv[0], command->argv);
	fail(STATUS_FD, VZINIT_STEP_EXEC);
}

/* In the child, when visiting: runs it below this process. */
static void adopt(struct command *command, int status, int result)
{
	int state = 0;
	pid_t child;
	prctl(PR_SET_PDEATHSIG,
	      SIGKILL); /* somebody in the VE may kill the guest, and the command is to end with it */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if ((child = fork()) < 0)
		fail(status, VZINIT_STEP_FORK);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(command, status);
	}
	dup3(result, VZINIT_SOCKET, O_CLOEXEC);
	close_range(VZINIT_SOCKET + 1, ~0U, 0);
	for (pid_t ended; (ended = waitpid(-1, &state, 0)) != child;)
		if (ended < 0 && errno != EINTR)
			_exit(1);
	(void)!write(VZINIT_SOCKET, &state, sizeof(state));
	_exit(0);
}

static pid_t fork_command(struct command *command, int status)
{
	int result[2];
	if (!visiting) {
		pid_t child = fork();
		if (child == 0)
			run(command, status);
		return child;
	}
	if (pipe2(result, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	pid_t child = fork();
	if (child == 0)
		adopt(command, status, result[1]);
	close(result[1]);
	if (outcome >= 0)
		close(outcome);
	outcome = result[0];
	return child;
}

static void start(struct command *command)
{
	int status[2];
	struct vzinit_reply failure;
	if (pipe2(status, O_CLOEXEC) < 0) {
		reply(VZINIT_FAILED, VZINIT_STEP_FORK, errno);
		return;
	}
	running = fork_command(command, status[1]);
	close(status[1]);
	if (running < 0) {
		running = 0;
		close(status[0]);
		reply(VZINIT_FAILED, VZINIT_STEP_FORK, errno);
		return;
	}
	if (read(status[0], &failure, sizeof(failure)) == sizeof(failure)) {
		waitpid(running, NULL, 0);
		running = 0;
		reply(failure.kind, failure.step, failure.value);
	}
	close(status[0]);
}

/* ---- a lock of the VE's package manager -------------------------------------------------------------- */

/* Whoever owns the VE may have put anything there. */
static int open_lock(const char *path)
{
	struct stat st;
	int fd =
		open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return errno = EINVAL, -1;
}

static void say_holder(int fd)
{
	struct flock wanted = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct vzinit_reply message = { .kind = VZINIT_BUSY };
	char path[64];
	if (fcntl(fd, F_GETLK, &wanted) == 0 && wanted.l_type != F_UNLCK && wanted.l_pid > 0) {
		message.value = wanted.l_pid;
		snprintf(path, sizeof(path), "/proc/%d/comm", (int)wanted.l_pid);
		int comm = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		ssize_t got = comm < 0 ? 0 : read(comm, message.name, sizeof(message.name) - 1);
		if (comm >= 0)
			close(comm);
		message.name[got > 0 ? got : 0] = 0;
		message.name[strcspn(message.name, "\n")] = 0;
	}
	say(&message);
}

/* It stays open, and so locked, as long as this process lives: closing any descriptor of the file would end that. */
static void take_lock(const char *path)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open_lock(path);
	if (fd < 0) {
		reply(VZINIT_FAILED, VZINIT_STEP_LOCK, errno);
		return;
	}
	if (fcntl(fd, F_SETLK, &whole) == 0) {
		reply(VZINIT_LOCKED, 0, 0);
		return;
	}
	if (errno == EAGAIN || errno == EACCES)
		say_holder(fd);
	else
		reply(VZINIT_FAILED, VZINIT_STEP_LOCK, errno);
	close(fd);
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
		else if (command.request.flags & VZINIT_LOCK)
			take_lock(command.argv[0]);
		else if (!visiting && command.fds[3] >= 0 && store_script(&command) < 0)
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
		/* Killed itself, it could say nothing. */
		if (visiting)
			(void)!read(outcome, &status, sizeof(status));
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

/* ---- vzinit visit ------------------------------------------------------------------------------ */

enum { PROCESSES_MAX = 65536, KILL_ROUNDS = 200 };

struct process {
	pid_t pid, parent;
	bool below;
};

/* proc(5): the name in field 2 may hold anything. */
static pid_t parent_of(const char *pid)
{
	char path[64], text[1024];
	int parent = 0;
	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = 0;
	const char *rest = strrchr(text, ')');
	char state;
	return rest && sscanf(rest + 1, " %c %d", &state, &parent) == 2 && state != 'Z' ? parent
											: 0;
}

static size_t list_processes(struct process *list)
{
	size_t count = 0;
	DIR *dir = opendir("/proc");
	for (struct dirent *entry; dir && count < PROCESSES_MAX && (entry = readdir(dir));) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		pid_t parent = pid > 1 ? parent_of(entry->d_name) : 0;
		if (parent > 0)
			list[count++] = (struct process){ .pid = pid, .parent = parent };
	}
	if (dir)
		closedir(dir);
	return count;
}

/* Kills what is below `top`; returns how many. A child may be listed before its parent. */
static unsigned kill_listed(struct process *list, size_t count, pid_t top)
{
	unsigned killed = 0;
	bool more = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < count; i++) {
			bool below = list[i].parent == top;
			for (size_t j = 0; j < count && !below; j++)
				below = list[j].below && list[j].pid == list[i].parent;
			if (!below || list[i].below)
				continue;
			list[i].below = more = true;
			killed += kill(list[i].pid, SIGKILL) == 0;
		}
	}
	return killed;
}

/* What breeds faster than it is found is the VE's own trouble. */
static void kill_below(pid_t top)
{
	struct process *list = calloc(PROCESSES_MAX, sizeof(*list));
	for (int round = 0; list && round < KILL_ROUNDS; round++) {
		size_t count = list_processes(list);
		if (!kill_listed(list, count, top))
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	free(list);
	kill(top, SIGKILL);
	waitpid(top, NULL, 0);
}

static void leave(const char *shown)
{
	if (running)
		kill_below(running);
	if (!shown)
		return;
	umount2(shown, MNT_DETACH | UMOUNT_NOFOLLOW);
	rmdir(shown);
}

/* ---- both that serve ------------------------------------------------------------------------------ */

static int settle(void)
{
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -1;
	if (visiting) {
		prctl(PR_SET_NAME, "vzinit");
		return prctl(PR_SET_PDEATHSIG, 0); /* there is something to be done first */
	}
	/* The socket's end of file says the same; this also works while somebody else holds it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chdir("/proc") < 0 || chroot(".") < 0)
		return -1;
	reply(VZINIT_READY, 0, 0);
	return 0;
}

int main(int argc, char **argv)
{
	sigset_t all, child;

	if (argc > 1 && !strcmp(argv[1], "stay"))
		return stay();
	visiting = argc > 1 && !strcmp(argv[1], "visit");

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	fcntl(VZINIT_SOCKET, F_SETFD, FD_CLOEXEC);
	if (signals < 0 || settle() < 0)
		return 1;

	struct pollfd polled[] = { { .fd = VZINIT_SOCKET, .events = POLLIN },
				   { .fd = signals, .events = POLLIN } };
	for (;;) {
		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (polled[1].revents)
			reap(signals);
		if (polled[0].revents && serve() < 0)
			break;
	}
	if (visiting)
		leave(argc > 2 ? argv[2] : NULL);
	return 0;
}
