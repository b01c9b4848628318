#include "base/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t pending, count;
static int pipe_fds[2] = { -1, -1 };
static bool ignored[NSIG]; /* on purpose, by whoever started us */

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
enum { SIGNAL_COUNT = sizeof(signals) / sizeof(signals[0]) };

static void handle(int number)
{
	int saved = errno;
	if (!pending)
		pending = number;
	count++;
	/* Full or not: one byte is enough to make it readable. */
	if (write(pipe_fds[1], "", 1) < 0)
		errno = saved;
	errno = saved;
}

void interrupt_setup(void)
{
	struct sigaction action = { .sa_handler = handle };
	struct sigaction old;

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		pipe_fds[0] = pipe_fds[1] = -1;
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		/* nohup(1) and shells without job control ignore signals on purpose. */
		ignored[signals[i]] =
			sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN;
		if (ignored[signals[i]])
			continue;
		sigaction(signals[i], &action, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
}

int interrupt_pending(void)
{
	return pending;
}

unsigned interrupt_count(void)
{
	return (unsigned)count;
}

int interrupt_fd(void)
{
	return pipe_fds[0];
}

int interrupt_check(struct error *err)
{
	if (!pending)
		return 0;
	return error_set(err, ERROR_INTERRUPTED, "interrupted by SIG%s", sigabbrev_np(pending));
}

void interrupt_reset_child(void)
{
	sigset_t none;
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		if (!ignored[signals[i]])
			signal(signals[i], SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	pending = 0;
	/* The pipe is the parent's: what it says is not for us. Not closed, as the number may be
	 * another file by now; the descriptors end with execve(). */
	pipe_fds[0] = pipe_fds[1] = -1;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void interrupt_die(void)
{
	int number = pending ? pending : SIGTERM;
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	_exit(128 + number);
}
