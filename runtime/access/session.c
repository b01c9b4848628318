#include "runtime/access/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/wire.h"

enum { FAILURE_MAX = 1 << 16, ABOVE_ALL = 32, END_MS = 2000 };

struct start {
	session_function *function;
	void *data;
	int failure;
};

static int inside(void *data)
{
	struct start *start = data;
	struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (start->function(start->data, &start->failure, &err) == 0)
		return 0;
	wire_pack_error(&text, &err);
	write_all(start->failure, text.text, text.length, "a pipe", NULL);
	return 1;
}

int session_begin(const struct running *running, session_function *function, void *data,
		  struct session *ret, struct error *err)
{
	int failure[2];
	*ret = SESSION_INIT;
	if (pipe2(failure, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	struct start start = { function, data, failure[1] };
	struct entry entry = { running->pidfd, &running->group, inside, &start, failure[1] };
	pid_t pid = entry_fork(&entry, err);
	close(failure[1]);
	if (pid < 0) {
		close(failure[0]);
		return -1;
	}
	/* Not in our process group: ^C is ours to pass on, and would take the one inside along at once. */
	setpgid(pid, pid);
	ret->pid = pid;
	ret->failure = failure[0];
	ret->pidfd = pidfd_open(pid, 0);
	return ret->pidfd < 0 ? error_errno(err, errno, "opening process %d", (int)pid) : 0;
}

int session_settle(const int *fds, size_t count, int *failure)
{
	int moved[8];
	if (count > sizeof(moved) / sizeof(*moved))
		return errno = E2BIG, -1;
	/* Any of the lowest may be one that is still to be moved, so all go up first. */
	for (size_t i = 0; i < count; i++)
		if ((moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, ABOVE_ALL)) < 0)
			return -1;
	int report = fcntl(*failure, F_DUPFD_CLOEXEC, ABOVE_ALL);
	if (report < 0)
		return -1;
	*failure = report;
	for (size_t i = 0; i < count; i++)
		if (dup2(moved[i], (int)i) < 0)
			return -1;
	if (dup3(report, (int)count, O_CLOEXEC) < 0)
		return -1;
	*failure = (int)count;
	return close_range((unsigned)count + 1, ~0U, 0);
}

int session_await(int fd, struct error *err)
{
	for (;;) {
		struct pollfd polled[] = { { .fd = fd, .events = POLLIN },
					   { .fd = interrupt_fd(), .events = POLLIN } };
		if (interrupt_check(err) < 0)
			return -1;
		if (poll(polled, 2, -1) > 0 && polled[0].revents)
			return 0;
	}
}

int session_wait(struct session *session, int *status, struct error *err)
{
	if (session_await(session->pidfd, err) < 0)
		return -1;
	if (TEMP_FAILURE_RETRY(waitpid(session->pid, status, 0)) < 0)
		return error_errno(err, errno, "waiting for a process in the VE");
	session->pid = 0;
	return 0;
}

int session_begun(struct session *session, struct error *err)
{
	char bytes[FAILURE_MAX];
	size_t size = 0;
	int status;
	for (ssize_t got = 1; got != 0 && size < sizeof(bytes); size += (size_t)got) {
		if (session_await(session->failure, err) < 0)
			return -1;
		got = read(session->failure, bytes + size, sizeof(bytes) - size);
		if (got < 0)
			return error_errno(err, errno, "reading from a process in the VE");
	}
	if (size == 0)
		return 0;
	/* It is about to end. Who killed what waits for it would leave a zombie to the VE's init. */
	session_wait(session, &status, NULL);
	return wire_unpack_error(bytes, size, err);
}

void session_kill(const struct session *session)
{
	if (session->pid <= 0 || entry_signal(session->pid, SIGKILL) < 0)
		return;
	struct pollfd polled = { .fd = session->pidfd, .events = POLLIN };
	poll(&polled, 1, END_MS);
}

void session_release(struct session *session)
{
	if (session->pid > 0) {
		kill(session->pid, SIGKILL);
		TEMP_FAILURE_RETRY(waitpid(session->pid, NULL, 0));
	}
	cleanup_close(&session->pidfd);
	cleanup_close(&session->failure);
	*session = SESSION_INIT;
}

int session_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
