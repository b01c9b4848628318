#include "runtime/entry.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/namespace.h"
#include "runtime/wire.h"

#define ENTERED "vzctl"

static int report(const struct entry *entry, const struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	wire_pack_error(&text, err);
	write_all(entry->failure, text.text, text.length, "a pipe", NULL);
	return 1;
}

/* What entry_signal() asks for comes as a real-time signal: kill(2) never loses one for want of memory or of a limit. */
static void expect_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (int number = 1; number <= ENTRY_SIGNAL_MAX; number++)
		sigaddset(set, SIGRTMIN + number);
	sigprocmask(SIG_BLOCK, set, NULL);
}

static void let_signals_through(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The child's number is nobody else's before it has been waited for, and that is done here alone. */
static void pass_on(pid_t child, int number)
{
	if (kill(-child, number) < 0)
		kill(child, number);
}

static int await(pid_t child, const sigset_t *expected, int *status)
{
	for (;;) {
		pid_t ended = waitpid(child, status, WNOHANG);
		if (ended != 0)
			return ended < 0 ? -1 : 0;
		int number = sigwaitinfo(expected, NULL);
		if (number > SIGRTMIN)
			pass_on(child, number - SIGRTMIN);
	}
}

static int follow(pid_t child, const sigset_t *expected)
{
	int status;
	if (await(child, expected, &status) < 0)
		return 1;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	let_signals_through();
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 1;
}

static int inside(const struct entry *entry)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	let_signals_through();
	return entry->function(entry->data);
}

/* Of fork(2) and the like. */
static int cannot_fork(int number, const char *what, struct error *err)
{
	error_errno(err, number, "starting a process %s", what);
	if (number != EAGAIN)
		return -1;
	return error_hint(
		err, "it has as many processes as it may have (numproc): \"vzctl ubc\" shows them, "
		     "\"vzctl set --numproc\" allows more, \"vzctl stop --fast\" ends all");
}

static int threshold(const struct entry *entry)
{
	struct error err = ERROR_INIT;
	/* Nobody in the VE may look into the memory of the caller that this is a copy of. */
	prctl(PR_SET_DUMPABLE, 0);
	interrupt_reset_child();
	if (cgroup_join_v1(entry->group) < 0) {
		error_errno(&err, errno, "joining the VE's control groups");
		return report(entry, &err);
	}
	if (namespace_enter(entry->pidfd, &err) < 0)
		return report(entry, &err);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after changing ids, which clears it */
	prctl(PR_SET_DUMPABLE, 0);
	sigset_t expected;
	expect_signals(&expected);
	/* Children are in the VE's pid namespace, and not this one. */
	pid_t child = fork();
	if (child == 0)
		_exit(inside(entry));
	if (child < 0) {
		cannot_fork(errno, "in the VE", &err);
		return report(entry, &err);
	}
	/* The ends of pipes are the child's alone, or nobody would see them closed. */
	close_range(0, ~0U, 0);
	return follow(child, &expected);
}

/* cgroups(7), "no internal processes": once the VE's service manager has handed controllers down in its group, processes
 * can be only in groups below it. */
static pid_t fork_below(int unified)
{
	mkdirat(unified, ENTERED, 0755);
	autoclose int below = openat(unified, ENTERED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return below < 0 ? -1 : namespace_fork(below);
}

pid_t entry_fork(const struct entry *entry, struct error *err)
{
	pid_t child = namespace_fork(entry->group->unified);
	if (child < 0 && errno == EBUSY)
		child = fork_below(entry->group->unified);
	if (child == 0)
		_exit(threshold(entry));
	if (child < 0)
		cannot_fork(errno, "for the VE", err);
	return child;
}

int entry_signal(pid_t threshold, int number)
{
	return kill(threshold, SIGRTMIN + number);
}

/* A caller that the host protects from its OOM killer protects no VE. */
static void reset_oom_score(void)
{
	char text[16] = "";
	autoclose int fd =
		open("/proc/self/oom_score_adj", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && text[0] == '-')
		(void)!pwrite(fd, "0", 1, 0);
}

/* The C library keeps two of them to itself, and would not say that they are ignored: so they are in whatever a make has
 * started. The kernel's struct, of which the handler is the first member on every architecture, is at most so large. */
static void reset_signal(int number)
{
	static const unsigned long standard[8];
	if (signal(number, SIG_DFL) == SIG_ERR)
		syscall(SYS_rt_sigaction, number, standard, NULL, (size_t)(_NSIG - 1) / 8);
}

void entry_forget_caller(void)
{
	for (int number = 1; number < _NSIG; number++)
		reset_signal(number);
	let_signals_through();
	reset_oom_score();
}

int entry_settle(struct error *err)
{
	autoclose int null = open("/dev/null", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			return error_errno(err, errno, "opening /dev/null in the VE");
	umask(022);
	return chdir("/") < 0 ? error_errno(err, errno, "changing to the VE's root") : 0;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int entry_close_others(int *keep, size_t count)
{
	unsigned next = 3;
	qsort(keep, count, sizeof(*keep), compare);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < (int)next)
			continue;
		if ((unsigned)keep[i] > next && close_range(next, (unsigned)keep[i] - 1, 0) < 0)
			return -1;
		next = (unsigned)keep[i] + 1;
	}
	return close_range(next, ~0U, 0);
}
