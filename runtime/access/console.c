#include "runtime/access/console.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/access/terminal.h"
#include "runtime/attach.h"

enum { ESCAPE = 27, DETACH = '.', ESCAPE_MS = 1000, ANSWER_MS = 10000 };

struct attached {
	int monitor;
	int input; /* -1: at its end */
	bool escape; /* the last byte typed was Esc, which is not sent yet */
	bool detached, closed;
	struct terminal terminal;
};

static int refused(char word, struct error *err)
{
	if (word == ATTACH_NONE)
		return error_set(err, ERROR_NOT_RUNNING, "the VE has no console");
	if (word != ATTACH_BUSY)
		return error_set(err, ERROR_SYSTEM, "the VE's monitor does not answer");
	error_set(err, ERROR_LOCKED, "somebody else is attached to the VE's console");
	return error_hint(err,
			  "Esc and then \".\" detaches there; \"vzctl enter\" needs no console");
}

/* Whether it is ours. */
static int await_answer(int monitor, struct error *err)
{
	struct pollfd polled = { .fd = monitor, .events = POLLIN };
	char word = 0;
	if (poll(&polled, 1, ANSWER_MS) <= 0 || recv(monitor, &word, 1, 0) <= 0)
		word = 0;
	if (interrupt_check(err) < 0)
		return -1;
	return word == ATTACH_READY ? 0 : refused(word, err);
}

static void send_size(const struct attached *attached)
{
	struct winsize size;
	char packet[1 + sizeof(size)] = { ATTACH_SIZE };
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		return;
	memcpy(packet + 1, &size, sizeof(size));
	send(attached->monitor, packet, sizeof(packet), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What a console that takes nothing does not take is lost, as on a real one: detaching stays possible. */
static void type(const struct attached *attached, const char *packet, size_t size)
{
	if (size > 1)
		send(attached->monitor, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* An Esc waits for what follows; nothing for a while means that it was for the console. */
static void type_escape(struct attached *attached)
{
	const char packet[] = { ATTACH_DATA, ESCAPE };
	attached->escape = false;
	type(attached, packet, sizeof(packet));
}

/* From what was read to what is for the console, which may be one byte more, behind the word of the packet; returns its size. */
static size_t filter(struct attached *attached, const char *bytes, size_t size, char *packet)
{
	size_t end = 1;
	for (size_t i = 0; i < size && !attached->detached; i++) {
		if (attached->escape && bytes[i] == DETACH) {
			attached->detached = true;
			continue;
		}
		if (attached->escape)
			packet[end++] = ESCAPE;
		attached->escape = bytes[i] == ESCAPE;
		if (!attached->escape)
			packet[end++] = bytes[i];
	}
	return end;
}

static void take_input(struct attached *attached)
{
	char bytes[ATTACH_DATA_MAX - 1], packet[1 + ATTACH_DATA_MAX] = { ATTACH_DATA };
	ssize_t got = read(attached->input, bytes, sizeof(bytes));
	if (got > 0)
		type(attached, packet, filter(attached, bytes, (size_t)got, packet));
	else if (got == 0 || errno != EINTR)
		attached->input = -1;
}

static int take_output(struct attached *attached, struct error *err)
{
	char packet[1 + ATTACH_DATA_MAX];
	ssize_t got = recv(attached->monitor, packet, sizeof(packet), 0);
	if (got < 0 && errno == EINTR)
		return 0;
	if (got <= 0) {
		attached->closed = true;
		return 0;
	}
	if (packet[0] != ATTACH_DATA)
		return 0;
	return write_all(STDOUT_FILENO, packet + 1, (size_t)got - 1, "standard output", err);
}

static int carry(struct attached *attached, struct error *err)
{
	while (!attached->detached && !attached->closed) {
		struct pollfd polled[] = {
			{ .fd = attached->monitor, .events = POLLIN },
			{ .fd = attached->input, .events = POLLIN },
			{ .fd = attached->terminal.signals, .events = POLLIN },
			{ .fd = interrupt_fd(), .events = POLLIN },
		};
		int ready = poll(polled, 4, attached->escape ? ESCAPE_MS : -1);
		if (ready < 0 && errno != EINTR)
			return error_errno(err, errno, "waiting for the console");
		if (ready == 0)
			type_escape(attached);
		if (interrupt_check(err) < 0)
			return -1;
		if (polled[2].revents) {
			terminal_event(&attached->terminal);
			send_size(attached);
		}
		if (polled[1].revents)
			take_input(attached);
		if (polled[0].revents && take_output(attached, err) < 0)
			return -1;
	}
	return 0;
}

int console_attach(int monitor, void (*ready)(void *data), void *data, enum console_end *ret,
		   struct error *err)
{
	struct attached attached = { .monitor = monitor,
				     .input = STDIN_FILENO,
				     .terminal = TERMINAL_INIT };
	if (await_answer(monitor, err) < 0)
		return -1;
	ready(data);
	send_size(&attached);
	if (isatty(STDIN_FILENO) && terminal_enter(STDIN_FILENO, -1, &attached.terminal, err) < 0)
		return -1;
	int result = carry(&attached, err);
	terminal_leave(&attached.terminal);
	*ret = attached.detached ? CONSOLE_DETACHED : CONSOLE_CLOSED;
	return result;
}
