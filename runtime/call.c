/* ve_call(): a function of ours inside a VE. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/capability.h"
#include "runtime/confine.h"
#include "runtime/entry.h"
#include "runtime/notify.h"
#include "runtime/seccomp.h"
#include "runtime/state.h"
#include "runtime/wire.h"

struct call {
	const struct ve *ve;
	ve_function *function;
	void *data;
	const int *keep;
	size_t keep_count;
	void (*receive)(const void *bytes, size_t size, void *data);
	unsigned time_limit_s; /* 0: none */
	int64_t deadline_ms; /* of CLOCK_MONOTONIC */
	int channel[2], failure[2]; /* pipes: what the function writes; its error */
	int socket[2]; /* on which its filter's listener comes */
	int listener; /* device nodes that it makes: notify.h */
};

static void close_both(int ends[2])
{
	for (int i = 0; i < 2; i++) {
		if (ends[i] >= 0)
			close(ends[i]);
		ends[i] = -1;
	}
}

/* ---- inside ----------------------------------------------------------------------------------- */

/* Our pipes, and what the caller wants to keep. */
static int close_others(const struct call *call)
{
	size_t count = call->keep_count;
	autofree int *keep = xcalloc(count + 2, sizeof(*keep));
	for (size_t i = 0; i < count; i++)
		keep[i] = call->keep[i];
	keep[count] = call->channel[1];
	keep[count + 1] = call->failure[1];
	return entry_close_others(keep, count + 2);
}

static int restrict_self(const struct call *call, struct error *err)
{
	if (call->ve->confine)
		return confine_apply(call->ve->confine, err);
	if (call->ve->personality && personality(call->ve->personality) < 0)
		return error_errno(err, errno, "setting the personality");
	if (call->ve->personality_of_init && confine_personality(err) < 0)
		return -1;
	autoclose int listener = seccomp_filter_load(call->ve->filter);
	if (listener < 0 || wire_send(call->socket[1], "", 1, &listener, 1) < 0)
		return error_errno(err, errno, "loading the VE's system call filter");
	if (capability_limit(CAPABILITY_BUILD) < 0)
		return error_errno(err, errno, "dropping capabilities");
	return 0;
}

static int settle(const struct call *call, struct error *err)
{
	if (entry_settle(err) < 0)
		return -1;
	if (restrict_self(call, err) < 0)
		return -1;
	if (close_others(call) < 0)
		return error_errno(err, errno, "closing descriptors");
	return 0;
}

static int report(const struct call *call, const struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	wire_pack_error(&text, err);
	write_all(call->failure[1], text.text, text.length, "a pipe", NULL);
	return 1;
}

static int inside(void *data)
{
	const struct call *call = data;
	struct error err = ERROR_INIT;
	if (settle(call, &err) < 0 || call->function(call->data, call->channel[1], &err) < 0)
		return report(call, &err);
	return 0;
}

/* ---- the caller ------------------------------------------------------------------------------- */

/* false at the end of file. */
static bool pass_on(const struct call *call)
{
	char bytes[65536];
	ssize_t got = read(call->channel[0], bytes, sizeof(bytes));
	if (got > 0 && call->receive)
		call->receive(bytes, (size_t)got, call->data);
	return got > 0 || (got < 0 && errno == EINTR);
}

static bool take_failure(const struct call *call, struct strbuf *text)
{
	enum { FAILURE_MAX = 1 << 20 };
	char bytes[4096];
	ssize_t got = read(call->failure[0], bytes, sizeof(bytes));
	if (got > 0 && text->length < FAILURE_MAX)
		strbuf_add(text, bytes, (size_t)got);
	return got > 0 || (got < 0 && errno == EINTR);
}

/* The listener, and then what waits there. false: there is nothing more. */
static bool take_notice(struct call *call)
{
	char byte;
	size_t count = 1;
	if (call->listener >= 0) {
		notify_answer(call->ve, call->listener);
		return true;
	}
	return wire_receive(call->socket[0], &byte, 1, &call->listener, &count) > 0 && count;
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* For poll(). */
static int time_left(const struct call *call)
{
	if (!call->time_limit_s)
		return -1;
	int64_t left = call->deadline_ms - now_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static int too_late(const struct call *call, struct error *err)
{
	error_set(err, ERROR_TIME_LIMIT, "it did not end within %u s and was killed",
		  call->time_limit_s);
	return error_hint(err, "it may wait for input or for a service; see what it printed last");
}

/* Until the function has ended: what it has started may live on, with our pipes open. */
static int listen_to(struct call *call, int pidfd, struct strbuf *failure, struct error *err)
{
	enum { LAST_READS = 32 }; /* more than a pipe holds */
	struct pollfd polled[] = {
		{ .fd = call->channel[0], .events = POLLIN },
		{ .fd = call->failure[0], .events = POLLIN },
		{ .fd = interrupt_fd(), .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN },
		{ .fd = call->socket[0], .events = POLLIN },
	};
	bool ended = false;

	for (int last = 0; last < LAST_READS; last += ended) {
		int ready = poll(polled, 5, ended ? 0 : time_left(call));
		if (ready < 0 && errno != EINTR)
			return error_errno(err, errno, "waiting for a process in the VE");
		if (ready == 0)
			return ended ? 0 : too_late(call, err);
		if (interrupt_check(err) < 0)
			return -1;
		if (polled[3].revents) {
			ended = true;
			polled[3].fd = -1;
		}
		if (polled[0].revents && !pass_on(call))
			polled[0].fd = -1;
		if (polled[4].revents)
			polled[4].fd = polled[4].revents & POLLIN && take_notice(call)
					       ? call->listener
					       : -1;
		if (polled[1].revents && !take_failure(call, failure))
			polled[1].fd = -1;
	}
	return 0;
}

static int judge(int status, const struct strbuf *failure, struct error *err)
{
	if (WIFSIGNALED(status))
		return error_set(err, ERROR_CHILD, "a process in the VE was killed by signal %d",
				 WTERMSIG(status));
	if (WEXITSTATUS(status) == 0 && failure->length == 0)
		return 0;
	return wire_unpack_error(failure->text, failure->length, err);
}

static int supervise(struct ve *ve, struct call *call, pid_t child, struct error *err)
{
	AUTO(strbuf_release) struct strbuf failure = STRBUF_INIT;
	int status;
	close(steal_fd(&call->channel[1]));
	close(steal_fd(&call->failure[1]));
	close(steal_fd(&call->socket[1]));
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	int result = pidfd < 0 ? error_errno(err, errno, "opening a process in the VE")
			       : listen_to(call, pidfd, &failure, err);
	if (result < 0) {
		kill(child, SIGKILL);
		ve_kill(ve);
	}
	if (TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) < 0)
		return error_errno(err, errno, "waiting for a process in the VE");
	return result < 0 ? -1 : judge(status, &failure, err);
}

int ve_call(struct ve *ve, ve_function *function, void *data, const int *keep_fds,
	    size_t keep_count, void (*receive)(const void *bytes, size_t size, void *data),
	    unsigned time_limit_s, struct error *err)
{
	struct call call = {
		.ve = ve,
		.function = function,
		.data = data,
		.keep = keep_fds,
		.keep_count = keep_count,
		.receive = receive,
		.time_limit_s = time_limit_s,
		.deadline_ms = now_ms() + (int64_t)time_limit_s * 1000,
		.channel = { -1, -1 },
		.failure = { -1, -1 },
		.socket = { -1, -1 },
		.listener = -1,
	};
	if (ve_check(ve, err) < 0)
		return -1;
	int result = -1;
	if (pipe2(call.channel, O_CLOEXEC) < 0 || pipe2(call.failure, O_CLOEXEC) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, call.socket) < 0) {
		error_errno(err, errno, "creating a pipe or a socket pair");
	} else {
		struct entry entry = { ve->pidfd, &ve->group, inside, &call, call.failure[1] };
		pid_t child = entry_fork(&entry, err);
		result = child < 0 ? -1 : supervise(ve, &call, child, err);
	}
	close_both(call.channel);
	close_both(call.failure);
	close_both(call.socket);
	if (call.listener >= 0)
		close(call.listener);
	return result;
}
