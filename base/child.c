#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"

enum { KEEP = 1 << 20, GRACE_MS = 20000, OUTPUTS = 2 };

struct child {
	const struct child_run *run;
	pid_t pid;
	int pidfd;
	int ends[OUTPUTS]; /* for reading; -1 at their end */
	struct strbuf *kept[OUTPUTS];
	int64_t deadline; /* ms; 0: none */
	bool told, late;
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Does not return. `failure` is closed by executing. */
static void become(const struct child_run *run, pid_t parent, const int *ends, int failure)
{
	interrupt_reset_child();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (run->whole_group)
		setpgid(0, 0);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (getppid() == parent && null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
	    dup2(ends[0], STDOUT_FILENO) >= 0 && dup2(ends[1], STDERR_FILENO) >= 0) {
		if (run->prepare)
			run->prepare(run->data);
		execv(run->argv[0], (char *const *)(uintptr_t)run->argv);
	}
	int number = errno;
	(void)!write(failure, &number, sizeof(number));
	_exit(127);
}

static int start(struct child *child, struct error *err)
{
	int out[2], errors[2], failure[2], number;
	pid_t parent = getpid();
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0 ||
	    pipe2(failure, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	child->pid = fork();
	if (child->pid == 0)
		become(child->run, parent, (const int[]){ out[1], errors[1] }, failure[1]);
	child->ends[0] = out[0];
	child->ends[1] = errors[0];
	close(out[1]);
	close(errors[1]);
	close(failure[1]);
	ssize_t got = child->pid < 0 ? 0 : read(failure[0], &number, sizeof(number));
	close(failure[0]);
	if (child->pid < 0)
		return error_errno(err, errno, "starting %s", child->run->argv[0]);
	if (got == sizeof(number)) {
		waitpid(child->pid, NULL, 0);
		return error_set(err, ERROR_EXEC, "%s cannot be started: %s", child->run->argv[0],
				 strerror(number));
	}
	child->pidfd = pidfd_open(child->pid, 0);
	return child->pidfd < 0 ? error_errno(err, errno, "opening process %d", (int)child->pid)
				: 0;
}

static void take(struct child *child, int i)
{
	char buffer[16384];
	size_t most = child->run->output_max ?: KEEP;
	ssize_t got = read(child->ends[i], buffer, sizeof(buffer));
	if (got <= 0) {
		close(child->ends[i]);
		child->ends[i] = -1;
		return;
	}
	struct strbuf *kept = child->kept[i];
	if (kept && kept->length < most)
		strbuf_add(kept, buffer,
			   most - kept->length < (size_t)got ? most - kept->length : (size_t)got);
}

/* What it had written when it ended; what it has started may hold the other end for ever. */
static void take_rest(struct child *child)
{
	for (int i = 0; i < OUTPUTS; i++) {
		struct pollfd polled = { .fd = child->ends[i], .events = POLLIN };
		while (child->ends[i] >= 0 && poll(&polled, 1, 0) > 0)
			take(child, i);
	}
}

static void tell(struct child *child)
{
	int number = child->run->undisturbed ? 0 : interrupt_pending();
	if (!number && child->deadline && now_ms() >= child->deadline) {
		child->late = !child->told;
		number = child->told ? SIGKILL : SIGTERM;
	}
	if (!number || (child->told && number != SIGKILL))
		return;
	/* The group is there: the child has executed the program. */
	kill(child->run->whole_group ? -child->pid : child->pid, number);
	child->told = true;
	child->deadline = now_ms() + GRACE_MS;
}

static void wait_for_end(struct child *child)
{
	for (;;) {
		tell(child);
		int timeout = -1;
		if (child->deadline) {
			int64_t left = child->deadline - now_ms();
			timeout = left > 0 ? (int)left : 0;
		}
		bool deaf = child->told || child->run->undisturbed;
		struct pollfd polled[] = { { .fd = child->pidfd, .events = POLLIN },
					   { .fd = child->ends[0], .events = POLLIN },
					   { .fd = child->ends[1], .events = POLLIN },
					   { .fd = deaf ? -1 : interrupt_fd(), .events = POLLIN } };
		if (poll(polled, 4, timeout) < 0)
			continue;
		for (int i = 0; i < OUTPUTS; i++)
			if (polled[1 + i].revents)
				take(child, i);
		if (polled[0].revents)
			break;
	}
	take_rest(child);
}

int child_run(const struct child_run *run, struct strbuf *output, struct strbuf *errors,
	      int *status, struct error *err)
{
	struct child child = {
		.run = run,
		.pidfd = -1,
		.ends = { -1, -1 },
		.kept = { output, errors },
	};
	int how = 0;
	if (!run->undisturbed && interrupt_check(err) < 0)
		return -1;
	int result = start(&child, err);
	if (result == 0) {
		child.deadline = run->limit_s ? now_ms() + run->limit_s * 1000LL : 0;
		wait_for_end(&child);
		if (TEMP_FAILURE_RETRY(waitpid(child.pid, &how, 0)) < 0)
			result = error_errno(err, errno, "waiting for %s", run->argv[0]);
	}
	for (int i = 0; i < OUTPUTS; i++)
		if (child.ends[i] >= 0)
			close(child.ends[i]);
	if (child.pidfd >= 0)
		close(child.pidfd);
	if (result < 0 || (!run->undisturbed && interrupt_check(err) < 0))
		return -1;
	if (child.late)
		return error_set(err, ERROR_TIME_LIMIT, "%s did not end within %u s", run->argv[0],
				 run->limit_s);
	*status = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
	return 0;
}
