#include "tests/unit/base/scratch.h"

#include <poll.h>
#include <signal.h>

#include "base/interrupt.h"

static bool readable(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	return poll(&polled, 1, 0) == 1;
}

static int nothing_yet(void *data)
{
	(void)data;
	AUTO(error_clear) struct error err = ERROR_INIT;
	if (interrupt_fd() != -1 || interrupt_pending() || interrupt_check(&err) != 0)
		return 1;
	interrupt_setup();
	if (interrupt_fd() < 0 || readable(interrupt_fd()) || interrupt_pending() ||
	    interrupt_check(&err) != 0 || err.message)
		return 2;
	return fcntl(interrupt_fd(), F_GETFD) == FD_CLOEXEC ? 0 : 3;
}

static void test_nothing_yet(void **state)
{
	(void)state;
	assert_exit(in_child(nothing_yet, NULL), 0);
}

/* The first signal stays the one that the program dies by. */
static int take_signal(void *data)
{
	int number = *(int *)data;
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree char *expected = xasprintf("interrupted by SIG%s", sigabbrev_np(number));

	interrupt_setup();
	raise(number);
	raise(number == SIGTERM ? SIGINT : SIGTERM);
	if (interrupt_pending() != number || !readable(interrupt_fd()))
		return 1;
	if (interrupt_check(&err) != -1 || err.kind != ERROR_INTERRUPTED)
		return 2;
	if (strcmp(err.message, expected) != 0)
		return 3;
	error_clear(&err);
	interrupt_die();
}

static void test_dies_by_it(void **state)
{
	(void)state;
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	for (size_t i = 0; i < 3; i++) {
		int number = numbers[i];
		int status = in_child(take_signal, &number);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), number);
	}
}

static int die_of_nothing(void *data)
{
	(void)data;
	interrupt_die();
}

static void test_dies_without_one(void **state)
{
	(void)state;
	int status = in_child(die_of_nothing, NULL);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static int many_signals(void *data)
{
	(void)data;
	interrupt_setup();
	for (unsigned i = 0; i < 100000; i++) /* more than the pipe holds */
		raise(SIGINT);
	return interrupt_pending() == SIGINT ? 0 : 1;
}

static void test_many_signals(void **state)
{
	(void)state;
	assert_exit(in_child(many_signals, NULL), 0);
}

static int end_blocking_call(void *data)
{
	int *fds = data;
	char byte;
	interrupt_setup();
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		while (!kill(parent, SIGINT))
			usleep(20000);
		_exit(0);
	}
	bool ended = read(fds[0], &byte, 1) < 0 && errno == EINTR;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ended ? 0 : 1;
}

static void test_blocking_calls_end(void **state)
{
	(void)state;
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_exit(in_child(end_blocking_call, fds), 0);
	close(fds[0]);
	close(fds[1]);
}

/* nohup(1), and a shell that starts something in the background, ignore signals on purpose. */
static int under_nohup(void *data)
{
	(void)data;
	int status;
	signal(SIGHUP, SIG_IGN);
	interrupt_setup();
	raise(SIGHUP);
	if (interrupt_pending())
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		interrupt_reset_child();
		raise(SIGHUP);
		raise(SIGTERM);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 0 : 2;
}

static void test_nohup(void **state)
{
	(void)state;
	assert_exit(in_child(under_nohup, NULL), 0);
}

static int child_of_interrupted(void *data)
{
	(void)data;
	sigset_t all, now;
	struct sigaction action;
	interrupt_setup();
	raise(SIGINT);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	interrupt_reset_child();
	if (interrupt_pending() || interrupt_fd() != -1 || interrupt_check(NULL) != 0)
		return 1;
	sigprocmask(SIG_BLOCK, NULL, &now);
	if (!sigisemptyset(&now))
		return 2;
	if (sigaction(SIGPIPE, NULL, &action) < 0 || action.sa_handler != SIG_DFL)
		return 3;
	return sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler == SIG_DFL ? 0 : 4;
}

static void test_children_begin_anew(void **state)
{
	(void)state;
	assert_exit(in_child(child_of_interrupted, NULL), 0);
}

static int write_to_nobody(void *data)
{
	(void)data;
	int fds[2];
	interrupt_setup();
	if (pipe2(fds, O_CLOEXEC) < 0)
		return 1;
	close(fds[0]);
	return write(fds[1], "x", 1) < 0 && errno == EPIPE ? 0 : 2;
}

static void test_broken_pipe_is_an_error(void **state)
{
	(void)state;
	assert_exit(in_child(write_to_nobody, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_yet),
		cmocka_unit_test(test_dies_by_it),
		cmocka_unit_test(test_dies_without_one),
		cmocka_unit_test(test_many_signals),
		cmocka_unit_test(test_blocking_calls_end),
		cmocka_unit_test(test_nohup),
		cmocka_unit_test(test_children_begin_anew),
		cmocka_unit_test(test_broken_pipe_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
