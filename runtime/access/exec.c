#include "runtime/access/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/access/inside.h"
#include "runtime/access/relay.h"
#include "runtime/access/session.h"
#include "runtime/access/terminal.h"
#include "runtime/entry.h"
#include "runtime/wire.h"

enum { GRACE_MS = 5000 };

struct command {
	const struct ve_exec_spec *spec;
	struct session session;
	int fds[INSIDE_DESCRIPTORS];
	struct terminal terminal;
	struct relay_stream streams[3];
	size_t count;
};

static void command_free(struct command **held)
{
	struct command *command = *held;
	terminal_leave(&command->terminal);
	session_kill(&command->session);
	session_release(&command->session);
	for (size_t i = 0; i < command->count; i++)
		relay_stream_release(&command->streams[i]);
	for (int i = 0; i < INSIDE_DESCRIPTORS; i++)
		cleanup_close(&command->fds[i]);
	free(command);
}

static struct command *command_new(const struct ve_exec_spec *spec)
{
	struct command *command = xcalloc(1, sizeof(*command));
	command->spec = spec;
	command->session = SESSION_INIT;
	command->terminal = TERMINAL_INIT;
	for (int i = 0; i < INSIDE_DESCRIPTORS; i++)
		command->fds[i] = -1;
	return command;
}

/* ---- starting ------------------------------------------------------------------------------------------ */

static int receive_descriptors(struct command *command, int socket, struct error *err)
{
	char byte;
	size_t count = INSIDE_DESCRIPTORS;
	if (session_await(socket, err) < 0)
		return -1;
	ssize_t got = wire_receive(socket, &byte, 1, command->fds, &count);
	if (got == 1 && count == INSIDE_DESCRIPTORS)
		return 0;
	for (size_t i = got < 0 ? 0 : count; i < INSIDE_DESCRIPTORS; i++)
		command->fds[i] = -1;
	/* It has failed before, and says why. */
	if (session_begun(&command->session, err) < 0)
		return -1;
	return error_set(err, ERROR_CHILD, "a process in the VE was killed");
}

static void take_terminal(const struct ve_exec_spec *spec, struct inside *inside)
{
	inside->own_errors = spec->errors >= 0 && !isatty(spec->errors);
	inside->has_modes = spec->input >= 0 && tcgetattr(spec->input, &inside->modes) == 0;
	inside->size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	if (spec->input >= 0)
		ioctl(spec->input, TIOCGWINSZ, &inside->size);
}

static int start(struct command *command, const struct running *running, struct error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "creating a socket");
	struct inside inside = {
		.spec = command->spec,
		.confine = running->confine,
		.socket = pair[1],
	};
	if (command->spec->terminal)
		take_terminal(command->spec, &inside);
	int result = session_begin(running, inside_run, &inside, &command->session, err);
	close(pair[1]);
	if (result == 0)
		result = receive_descriptors(command, pair[0], err);
	close(pair[0]);
	return result < 0 ? -1 : session_begun(&command->session, err);
}

/* ---- carrying ------------------------------------------------------------------------------------------- */

/* A descriptor that is not there is nothing: no input, and output that is dropped. */
static int caller_end(int fd, bool output)
{
	if (fd < 0)
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	return output ? relay_output(fd) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int add_stream(struct command *command, int ours, int *its, bool outward, enum relay_end end,
		      struct error *err)
{
	int caller = caller_end(ours, outward);
	if (caller < 0)
		return error_errno(err, errno, "opening the standard descriptors");
	int inside = steal_fd(its);
	relay_stream_init(&command->streams[command->count++], outward ? inside : caller,
			  outward ? caller : inside, outward, end);
	return 0;
}

static int add_pipes(struct command *command, struct error *err)
{
	const struct ve_exec_spec *spec = command->spec;
	int *fds = command->fds;
	if (add_stream(command, spec->input, &fds[INSIDE_INPUT], false, RELAY_CLOSE, err) < 0 ||
	    add_stream(command, spec->output, &fds[INSIDE_OUTPUT], true, RELAY_CLOSE, err) < 0)
		return -1;
	return add_stream(command, spec->errors, &fds[INSIDE_ERRORS], true, RELAY_CLOSE, err);
}

static int add_terminal(struct command *command, struct error *err)
{
	const struct ve_exec_spec *spec = command->spec;
	bool typed = spec->input >= 0 && isatty(spec->input);
	bool own_errors = spec->errors >= 0 && !isatty(spec->errors);
	int master = command->fds[INSIDE_OUTPUT];
	autoclose int input = fcntl(master, F_DUPFD_CLOEXEC, 3);
	autoclose int output = fcntl(master, F_DUPFD_CLOEXEC, 3);
	if (input < 0 || output < 0)
		return error_errno(err, errno, "opening the terminal");
	if (add_stream(command, spec->input, &input, false, typed ? RELAY_HANG_UP : RELAY_EOT,
		       err) < 0 ||
	    add_stream(command, spec->output, &output, true, RELAY_HANG_UP, err) < 0)
		return -1;
	if (own_errors && add_stream(command, spec->errors, &command->fds[INSIDE_ERRORS], true,
				     RELAY_CLOSE, err) < 0)
		return -1;
	return typed ? terminal_enter(spec->input, master, &command->terminal, err) : 0;
}

static void on_event(void *data)
{
	struct command *command = data;
	terminal_event(&command->terminal);
}

/* To the whole job, as a key on a terminal would. */
static void on_interrupt(int number, void *data)
{
	const struct command *command = data;
	entry_signal(command->session.pid, number);
}

static int carry(struct command *command, struct error *err)
{
	struct relay relay = {
		.streams = command->streams,
		.ended = command->session.pidfd,
		.interrupt = on_interrupt,
		.grace_ms = GRACE_MS,
		.event = on_event,
		.data = command,
		.limit_ms = command->spec->limit_ms,
	};
	if ((command->spec->terminal ? add_terminal(command, err) : add_pipes(command, err)) < 0)
		return -1;
	relay.count = command->count;
	relay.event_fd = command->terminal.signals;
	int result = relay_run(&relay, err);
	terminal_leave(&command->terminal);
	return result;
}

int ve_exec(const struct running *running, const struct ve_exec_spec *spec, int *status,
	    struct error *err)
{
	AUTO(command_free) struct command *command = command_new(spec);
	int wait_status;
	if (start(command, running, err) < 0 || carry(command, err) < 0 ||
	    session_wait(&command->session, &wait_status, err) < 0)
		return -1;
	*status = session_status(wait_status);
	return 0;
}

void ve_exec_standard(struct ve_exec_spec *spec)
{
	bool typed = isatty(STDIN_FILENO);
	bool our_turn = typed && tcgetpgrp(STDIN_FILENO) == getpgrp();
	spec->terminal = our_turn && isatty(STDOUT_FILENO);
	spec->input = typed && !our_turn ? -1 : STDIN_FILENO;
	spec->output = STDOUT_FILENO;
	spec->errors = STDERR_FILENO;
}

void ve_exec_apart(struct ve_exec_spec *spec, int input)
{
	spec->terminal = false;
	spec->input = input;
}
