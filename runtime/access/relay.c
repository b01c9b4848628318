#include "runtime/access/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/interrupt.h"

enum {
	STREAMS_MAX = 3,
	TERMINAL_REST = 256 << 10, /* more than a terminal can hold */
	END_OF_FILE = 4, /* ^D */
};

/* What is true while relay_run() runs. */
struct run {
	struct relay *relay;
	bool ended, told;
	bool hung_up;
	int64_t deadline; /* ms; 0: none */
	int64_t limit; /* the same, for a command that nobody has ended */
	int number; /* errno of the caller's output */
	struct pollfd polled[STREAMS_MAX + 3];
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void relay_stream_init(struct relay_stream *stream, int from, int to, bool outward,
		       enum relay_end end)
{
	struct stat st;
	int flags = fcntl(to, F_GETFL);
	stream->from = from;
	stream->to = to;
	stream->outward = outward;
	stream->end = end;
	stream->finished = stream->ending = stream->whole = false;
	stream->left = stream->at = stream->filled = 0;
	stream->careful =
		flags >= 0 && !(flags & O_NONBLOCK) && fstat(to, &st) == 0 && !S_ISREG(st.st_mode);
}

void relay_stream_release(struct relay_stream *stream)
{
	cleanup_close(&stream->from);
	cleanup_close(&stream->to);
	stream->from = stream->to = -1;
	stream->finished = true;
}

int relay_output(int fd)
{
	struct stat st;
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || isatty(fd))) {
		int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (own >= 0)
			return own;
	}
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* ---- one stream ------------------------------------------------------------------------------------ */

static bool is_empty(const struct relay_stream *stream)
{
	return stream->at == stream->filled;
}

static void hang_up(struct run *run, const struct relay_stream *stream)
{
	if (stream->end == RELAY_HANG_UP && !run->ended)
		run->hung_up = true;
}

static void finish(struct relay_stream *stream)
{
	relay_stream_release(stream);
}

/* The first ^D only ends a line that has begun. */
static void append_end_of_file(struct relay_stream *stream)
{
	bool begun = stream->filled && stream->buffer[stream->filled - 1] != '\n';
	stream->buffer[0] = stream->buffer[1] = END_OF_FILE;
	stream->at = 0;
	stream->filled = begun ? 2 : 1;
	stream->end = RELAY_CLOSE;
}

static void settle(struct run *run, struct relay_stream *stream)
{
	if (!is_empty(stream) || !(stream->whole || (stream->ending && !stream->left)))
		return;
	if (stream->end == RELAY_EOT && !stream->outward) {
		append_end_of_file(stream);
		return;
	}
	hang_up(run, stream);
	finish(stream);
}

static void fill(struct run *run, struct relay_stream *stream)
{
	size_t room = sizeof(stream->buffer);
	if (stream->ending && stream->left < room)
		room = stream->left;
	ssize_t got = room ? read(stream->from, stream->buffer, room) : 0;
	if (got < 0 && errno == EINTR)
		return;
	if (got < 0 && errno == EAGAIN && !stream->ending)
		return;
	if (got <= 0) {
		/* EIO: a terminal that is closed on its other side. */
		stream->whole = true;
	} else {
		stream->at = 0;
		stream->filled = (size_t)got;
		if (stream->ending)
			stream->left -= (size_t)got;
	}
	settle(run, stream);
}

static void sink_gone(struct run *run, struct relay_stream *stream, int number)
{
	if (stream->outward && number != EPIPE && !run->number)
		run->number = number;
	if (stream->outward)
		hang_up(run, stream);
	finish(stream);
}

static void drain(struct run *run, struct relay_stream *stream)
{
	size_t size = stream->filled - stream->at;
	/* What poll(2) says holds for so much. */
	if (stream->careful && size > PIPE_BUF)
		size = PIPE_BUF;
	ssize_t put = write(stream->to, stream->buffer + stream->at, size);
	if (put < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (put < 0) {
		sink_gone(run, stream, errno);
		return;
	}
	stream->at += (size_t)put;
	settle(run, stream);
}

/* ---- all of them ------------------------------------------------------------------------------------- */

/* How much the command left; a terminal cannot say it, but reading from it stops when it is empty. */
static size_t rest(int fd)
{
	int size;
	if (isatty(fd))
		return TERMINAL_REST;
	return ioctl(fd, FIONREAD, &size) == 0 && size > 0 ? (size_t)size : 0;
}

static void end(struct run *run)
{
	struct relay *relay = run->relay;
	run->ended = true;
	for (size_t i = 0; i < relay->count; i++) {
		struct relay_stream *stream = &relay->streams[i];
		if (stream->finished)
			continue;
		if (!stream->outward) {
			finish(stream);
			continue;
		}
		stream->ending = true;
		stream->left = rest(stream->from);
		settle(run, stream);
	}
}

static bool all_delivered(const struct run *run)
{
	for (size_t i = 0; i < run->relay->count; i++)
		if (run->relay->streams[i].outward && !run->relay->streams[i].finished)
			return false;
	return run->ended;
}

static struct pollfd plan(const struct relay_stream *stream)
{
	if (stream->finished)
		return (struct pollfd){ .fd = -1 };
	if (is_empty(stream))
		return (struct pollfd){ .fd = stream->from, .events = POLLIN };
	return (struct pollfd){ .fd = stream->to, .events = POLLOUT };
}

static int wait_for_any(struct run *run)
{
	struct relay *relay = run->relay;
	int timeout = -1;
	bool at_once = false;
	for (size_t i = 0; i < relay->count; i++) {
		run->polled[i] = plan(&relay->streams[i]);
		/* What is left is taken without asking, and there may be nothing. */
		at_once |= relay->streams[i].ending && !relay->streams[i].finished &&
			   is_empty(&relay->streams[i]);
	}
	struct pollfd *others = run->polled + relay->count;
	others[0] = (struct pollfd){ .fd = run->ended ? -1 : relay->ended, .events = POLLIN };
	others[1] = (struct pollfd){ .fd = relay->event_fd, .events = POLLIN };
	others[2] = (struct pollfd){ .fd = run->told ? -1 : interrupt_fd(), .events = POLLIN };
	if (run->deadline || run->limit) {
		int64_t left = (run->deadline ?: run->limit) - now_ms();
		timeout = left > 0 ? (int)left : 0;
	}
	return poll(run->polled, relay->count + 3, at_once ? 0 : timeout);
}

static void move(struct run *run)
{
	for (size_t i = 0; i < run->relay->count; i++) {
		struct relay_stream *stream = &run->relay->streams[i];
		if (stream->finished)
			continue;
		if (is_empty(stream) && (stream->ending || run->polled[i].revents))
			fill(run, stream);
		else if (!is_empty(stream) && run->polled[i].revents)
			drain(run, stream);
	}
}

static void tell(struct run *run)
{
	if (run->told || !(interrupt_pending() || run->hung_up))
		return;
	run->told = true;
	run->deadline = now_ms() + run->relay->grace_ms;
	if (run->relay->interrupt && !run->ended)
		run->relay->interrupt(interrupt_pending() ?: SIGHUP, run->relay->data);
}

static int result(const struct run *run, struct error *err)
{
	if (interrupt_check(err) < 0)
		return -1;
	if (run->hung_up)
		return error_set(err, ERROR_INTERRUPTED, "the terminal was closed");
	if (run->number)
		return error_errno(err, run->number, "writing the command's output");
	return 0;
}

int relay_run(struct relay *relay, struct error *err)
{
	struct run run = { .relay = relay };
	if (relay->limit_ms)
		run.limit = now_ms() + relay->limit_ms;
	if (relay->count > STREAMS_MAX)
		return error_set(err, ERROR_INTERNAL, "too many streams");
	while (!all_delivered(&run)) {
		tell(&run);
		if (run.deadline && now_ms() >= run.deadline)
			break;
		if (run.limit && !run.told && now_ms() >= run.limit)
			return error_set(err, ERROR_TIME_LIMIT, "the command did not end in time");
		if (wait_for_any(&run) < 0)
			continue;
		const struct pollfd *others = run.polled + relay->count;
		move(&run);
		if (others[1].revents)
			relay->event(relay->data);
		if (others[0].revents)
			end(&run);
	}
	return result(&run, err);
}
