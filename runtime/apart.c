#include "runtime/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "runtime/wire.h"

/* The first byte of the one message. */
enum { DONE = 1, FAILED };

enum { MESSAGE_MAX = APART_SAID_MAX + 1 };

static int send_message(int socket, char kind, const struct strbuf *text, int fd)
{
	AUTO(strbuf_release) struct strbuf message = STRBUF_INIT;
	strbuf_add(&message, &kind, 1);
	strbuf_add(&message, text->text, text->length);
	size_t size = message.length < MESSAGE_MAX ? message.length : MESSAGE_MAX;
	return wire_send(socket, message.text, size, &fd, fd >= 0);
}

static int child_main(apart_open_function *function, const void *data, int socket)
{
	struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	interrupt_reset_child();
	int fd = function(data, &text, &err);
	if (fd >= 0 && text.length > APART_SAID_MAX)
		fd = error_set(&err, ERROR_INTERNAL, "too much to be said");
	if (fd >= 0)
		return send_message(socket, DONE, &text, fd) < 0;
	strbuf_truncate(&text, 0);
	wire_pack_error(&text, &err);
	return send_message(socket, FAILED, &text, -1) < 0;
}

static int receive(int socket, struct strbuf *said, struct error *err)
{
	char message[MESSAGE_MAX];
	int fd = -1;
	size_t count = 1;
	ssize_t got = wire_receive(socket, message, sizeof(message), &fd, &count);
	if (got > 0 && *message == FAILED)
		return wire_unpack_error(message + 1, (size_t)got - 1, err);
	if (got <= 0 || count != 1)
		return error_set(err, ERROR_CHILD, "a process of ours was killed");
	if (said)
		strbuf_add(said, message + 1, (size_t)got - 1);
	return fd;
}

int apart_open(apart_open_function *function, const void *data, struct strbuf *said,
	       struct error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "creating a socket pair");
	pid_t child = fork();
	if (child == 0)
		_exit(child_main(function, data, pair[1]));
	int number = errno;
	close(pair[1]);
	int fd = child < 0 ? error_errno(err, number, "starting a process")
			   : receive(pair[0], said, err);
	close(pair[0]);
	if (child > 0) {
		kill(child, SIGKILL);
		TEMP_FAILURE_RETRY(waitpid(child, NULL, 0));
	}
	return fd;
}

struct task {
	apart_function *function;
	const void *data;
};

static int do_task(const void *data, struct strbuf *said, struct error *err)
{
	const struct task *task = data;
	(void)said;
	if (task->function(task->data, err) < 0)
		return -1;
	int fd = open("/", O_PATH | O_CLOEXEC); /* there has to be one */
	return fd < 0 ? error_errno(err, errno, "opening /") : fd;
}

int apart_do(apart_function *function, const void *data, struct error *err)
{
	const struct task task = { function, data };
	autoclose int fd = apart_open(do_task, &task, NULL, err);
	return fd < 0 ? -1 : 0;
}
