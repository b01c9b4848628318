/* ve_run(): one command by way of PID 1. */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/notify.h"
#include "runtime/output.h"
#include "runtime/protocol.h"
#include "runtime/state.h"
#include "runtime/wire.h"

static const char *const default_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"TERM=dumb",
	"LANG=C.UTF-8",
	NULL,
};

static uint32_t add_strings(struct strbuf *text, const char *const *list)
{
	uint32_t count = 0;
	for (; list[count]; count++)
		strbuf_add(text, list[count], strlen(list[count]) + 1);
	return count;
}

/* Strings go by memory, since a packet has a limit and an environment hardly. */
static int store(const struct strbuf *text, struct error *err)
{
	autoclose int fd = memfd_create("command", MFD_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "creating a memory file");
	if (write_all(fd, text->text, text->length, "a memory file", err) < 0)
		return -1;
	return steal_fd(&fd);
}

static int send_request(struct ve *ve, const struct ve_command *command, int output,
			struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *cwd = command->cwd ? command->cwd : "/";
	struct vzinit_request request = { 0 };
	int fds[VZINIT_FDS_MAX];
	size_t count = 0;

	strbuf_add(&text, cwd, strlen(cwd) + 1);
	request.argc = add_strings(&text, command->argv);
	request.envc = add_strings(&text, command->env ? command->env : default_env);
	if (!request.argc || text.length > VZINIT_STRINGS_MAX)
		return error_set(err, ERROR_EXEC, "no arguments, or too many of them");
	request.size = (uint32_t)text.length;
	autoclose int strings = store(&text, err);
	if (strings < 0)
		return -1;
	fds[count++] = strings;
	fds[count++] = output;
	if (command->input >= 0) {
		request.flags |= VZINIT_INPUT;
		fds[count++] = command->input;
	}
	if (command->script >= 0) {
		request.flags |= VZINIT_SCRIPT;
		fds[count++] = command->script;
	}
	if (wire_send(ve->control, &request, sizeof(request), fds, count) < 0)
		return error_errno(err, errno, "asking the VE's PID 1");
	return 0;
}

/* Returns the writing end. It belongs to the VE's root, so that /dev/stderr can be opened inside. */
static int make_output(const struct ve *ve, const struct ve_command *command, struct output *output,
		       struct error *err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	output->fd = ends[0];
	output->line = command->line;
	output->data = command->data;
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 &&
	    fchown(ends[1], ve->ids.base, ve->ids.base) == 0)
		return ends[1];
	error_errno(err, errno, "preparing a pipe");
	close(ends[1]);
	return -1;
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int failed(const struct ve_command *command, const struct vzinit_reply *reply,
		  struct error *err)
{
	static const char *const steps[VZINIT_STEPS] = {
		[VZINIT_STEP_REQUEST] = "reading the request",
		[VZINIT_STEP_SCRIPT] = "storing the script in the VE",
		[VZINIT_STEP_FORK] = "starting a process in the VE",
		[VZINIT_STEP_STDIO] = "opening input and output in the VE",
		[VZINIT_STEP_ROOT] = "changing to the VE's root",
		[VZINIT_STEP_CWD] = "changing to the working directory",
		[VZINIT_STEP_EXEC] = "executing it",
		[VZINIT_STEP_LOCK] = "locking it",
	};
	const char *step = reply->step < VZINIT_STEPS ? steps[reply->step] : "starting it";
	error_set(err, ERROR_EXEC, "running %s in the VE: %s: %s", command->argv[0], step,
		  strerror(reply->value));
	if (command->script >= 0 && reply->step == VZINIT_STEP_EXEC)
		error_hint(err, "the interpreter that its first line names must be in the VE");
	else if (reply->step == VZINIT_STEP_CWD)
		error_hint(err, "the working directory is %s", command->cwd ? command->cwd : "/");
	return -1;
}

/* Returns 1 if the command has ended, 0 if the packet says nothing. */
static int take_reply(const struct ve *ve, const struct ve_command *command, int *status,
		      struct error *err)
{
	struct vzinit_reply reply;
	ssize_t size = wire_receive(ve->control, &reply, sizeof(reply), NULL, NULL);
	if (size <= 0 && ve->confine)
		return error_set(err, ERROR_CHILD, "what runs %s in the VE %s was killed",
				 command->argv[0], ve->name);
	if (size <= 0) {
		error_set(err, ERROR_CONTAINER, "the VE %s ended while %s was running", ve->name,
			  command->argv[0]);
		return error_hint(err, "its processes may have been killed for want of memory: see "
				       "the kernel's log");
	}
	if (size != sizeof(reply))
		return 0;
	if (reply.kind == VZINIT_FAILED)
		return failed(command, &reply, err);
	if (reply.kind != VZINIT_ENDED)
		return 0;
	*status = reply.value;
	return 1;
}

static int too_late(const struct ve_command *command, struct error *err)
{
	error_set(err, ERROR_TIME_LIMIT, "%s did not end within %u s and was killed",
		  command->argv[0], command->time_limit_s);
	return error_hint(err, "it may wait for input or for a service; see what it printed last");
}

static int wait_for(const struct ve *ve, const struct ve_command *command, struct output *output,
		    int *status, struct error *err)
{
	int64_t deadline = now_ms() + (int64_t)command->time_limit_s * 1000;
	struct pollfd polled[] = {
		{ .fd = output->fd, .events = POLLIN },
		{ .fd = ve->control, .events = POLLIN },
		{ .fd = interrupt_fd(), .events = POLLIN },
		{ .fd = ve->listener, .events = POLLIN },
	};
	for (;;) {
		int64_t left = command->time_limit_s ? deadline - now_ms() : INT32_MAX;
		if (left <= 0)
			return too_late(command, err);
		if (poll(polled, 4, (int)(left > INT32_MAX ? INT32_MAX : left)) < 0 &&
		    errno != EINTR)
			return error_errno(err, errno, "waiting for %s", command->argv[0]);
		if (interrupt_check(err) < 0)
			return -1;
		if (polled[0].revents && !output_read(output))
			polled[0].fd = -1; /* it has closed its output, and goes on */
		if (polled[3].revents & POLLIN)
			notify_answer(ve, ve->listener);
		else if (polled[3].revents)
			polled[3].fd = -1; /* the VE has ended */
		if (!polled[1].revents)
			continue;
		int result = take_reply(ve, command, status, err);
		if (result)
			return result < 0 ? -1 : 0;
	}
}

/* A command that could not be started leaves the VE as it was; after anything else that is not a
 * regular end, nothing is known about what runs in it. */
static void clean_up(struct ve *ve, const struct error *err)
{
	if (!err || err->kind != ERROR_EXEC)
		ve_kill(ve);
}

int ve_run(struct ve *ve, const struct ve_command *command, struct ve_result *ret,
	   struct error *err)
{
	AUTO(output_release) struct output output = OUTPUT_INIT;
	AUTO(error_clear) struct error own = ERROR_INIT;
	int status = 0;

	if (ve_check(ve, err) < 0)
		return -1;
	int inner = make_output(ve, command, &output, err);
	if (inner < 0)
		return -1;
	int result = send_request(ve, command, inner, &own);
	close(inner);
	if (result == 0)
		result = wait_for(ve, command, &output, &status, &own);
	if (result < 0) {
		clean_up(ve, &own);
		output_finish(&output);
		if (err)
			error_move(err, &own);
		return -1;
	}
	output_finish(&output);
	*ret = (struct ve_result){ .status = status, .output = strbuf_detach(&output.kept) };
	return 0;
}
