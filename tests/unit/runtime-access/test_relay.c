/* Bytes between pipes and terminals, with children that behave in one way each. */
#include "tests/unit/base/scratch.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>

#include "base/digest.h"
#include "base/interrupt.h"
#include "runtime/access/relay.h"
#include "runtime/access/terminal.h"

enum { LARGE = 1 << 20, SIDES = 3 };

/* A child whose standard descriptors are pipes; the other ends are for the relay. */
struct child {
	pid_t pid;
	int pidfd;
	int ends[SIDES];
};

static void start(struct child *child, void (*body)(void))
{
	int pipes[SIDES][2];
	for (int i = 0; i < SIDES; i++)
		assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
	child->pid = fork();
	assert_true(child->pid >= 0);
	if (child->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		interrupt_reset_child();
		for (int i = 0; i < SIDES; i++)
			dup2(pipes[i][i != 0], i);
		close_range(3, ~0U, 0);
		body();
		_exit(0);
	}
	child->pidfd = pidfd_open(child->pid, 0);
	for (int i = 0; i < SIDES; i++) {
		child->ends[i] = pipes[i][i == 0];
		close(pipes[i][i != 0]);
		fcntl(child->ends[i], F_SETFL, O_NONBLOCK | (i ? O_RDONLY : O_WRONLY));
	}
}

static int finish(const struct child *child)
{
	int status;
	kill(child->pid, SIGKILL);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	close(child->pidfd);
	return status;
}

/* Relays between these three and the child, until that has ended. */
static int relay(struct child *child, const int *ours, struct error *err)
{
	static struct relay_stream streams[SIDES];
	struct relay job = {
		.streams = streams, .count = SIDES, .ended = child->pidfd, .event_fd = -1
	};
	for (int i = 0; i < SIDES; i++)
		relay_stream_init(&streams[i], i ? child->ends[i] : ours[i],
				  i ? ours[i] : child->ends[i], i != 0, RELAY_CLOSE);
	int result = relay_run(&job, err);
	for (int i = 0; i < SIDES; i++)
		relay_stream_release(&streams[i]);
	return result;
}

static int scratch_file(const struct scratch *scratch, const char *name)
{
	int fd = openat(scratch->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static int nothing(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void cat(void)
{
	char buffer[5000];
	ssize_t got;
	while ((got = read(0, buffer, sizeof(buffer))) > 0)
		write_all(1, buffer, (size_t)got, "", NULL);
	write_all(2, "end", 3, "", NULL);
}

static void all_bytes_go_through_in_both_directions(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf sent = STRBUF_INIT, got = STRBUF_INIT;
	struct child child;
	unsigned seed = 1;
	for (int i = 0; i < LARGE; i++)
		strbuf_addc(&sent, (char)((seed = seed * 1103515245 + 12345) >> 16));
	autoclose int in = scratch_file(scratch, "in");
	write_all(in, sent.text, sent.length, "in", NULL);
	lseek(in, 0, SEEK_SET);
	start(&child, cat);
	const int ours[] = { dup(in), scratch_file(scratch, "out"), scratch_file(scratch, "err") };
	assert_int_equal(relay(&child, ours, &err), 0);
	finish(&child);
	assert_int_equal(file_read(scratch->dir, "out", LARGE * 2, &got, NULL), 0);
	assert_int_equal(got.length, LARGE);
	assert_memory_equal(got.text, sent.text, LARGE);
	assert_content(scratch->dir, "err", "end");
}

/* The reader at our end takes its time, so what is written has to wait. */
static void a_slow_reader_gets_all(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct child child;
	int out[2], status;
	size_t total = 0;
	autoclose int in = scratch_file(scratch, "in");
	assert_int_equal(ftruncate(in, LARGE), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	fcntl(out[1], F_SETPIPE_SZ, 4096);
	pid_t relaying = fork();
	if (relaying == 0) {
		close(out[0]);
		start(&child, cat);
		int fd = relay_output(out[1]);
		const int ours[] = { dup(in), fd, nothing() };
		close(out[1]);
		int result = relay(&child, ours, &err);
		finish(&child);
		_exit(result < 0);
	}
	close(out[1]);
	char buffer[3000];
	for (ssize_t got; (got = read(out[0], buffer, sizeof(buffer))) > 0; total += (size_t)got)
		usleep(got == sizeof(buffer) ? 100 : 0);
	assert_int_equal(total, LARGE);
	close(out[0]);
	assert_int_equal(waitpid(relaying, &status, 0), relaying);
	assert_int_equal(status, 0);
}

static void leave_somebody(void)
{
	write_all(1, "said", 4, "", NULL);
	if (fork() == 0) {
		alarm(3); /* its parent's end comes before anything else that could end it */
		for (;;)
			pause();
	}
}

static void who_stays_in_the_background_keeps_nobody(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct child child;
	start(&child, leave_somebody);
	/* Our input has no end either. */
	int idle[2];
	assert_int_equal(pipe2(idle, O_CLOEXEC), 0);
	const int ours[] = { idle[0], scratch_file(scratch, "out"), nothing() };
	assert_int_equal(relay(&child, ours, &err), 0);
	close(idle[1]);
	finish(&child);
	assert_content(scratch->dir, "out", "said");
}

static void flood_from_the_background(void)
{
	if (fork() == 0) {
		alarm(20); /* a pipe that is closed ends it before */
		for (;;)
			(void)!write(1, "yyyyyyyy", 8);
	}
	usleep(1000);
}

static void a_flood_ends_with_the_command(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct child child;
	(void)state;
	start(&child, flood_from_the_background);
	const int ours[] = { nothing(), nothing(), nothing() };
	assert_int_equal(relay(&child, ours, &err), 0);
	finish(&child);
}

static void write_for_ever(void)
{
	for (;;)
		(void)!write(1, "yyyyyyyy", 8);
}

static void nobody_reads_any_more(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct child child;
	int out[2];
	siginfo_t info;
	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	close(out[0]);
	start(&child, write_for_ever);
	const int ours[] = { nothing(), out[1], nothing() };
	assert_int_equal(relay(&child, ours, &err), 0);
	assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_code, CLD_KILLED);
	assert_int_equal(info.si_status, SIGPIPE);
	finish(&child);
}

static void say_much(void)
{
	write_all(1, "text", 4, "", NULL);
}

static void output_that_cannot_be_written_is_an_error(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct child child;
	(void)state;
	start(&child, say_much);
	const int ours[] = { nothing(), open("/dev/full", O_WRONLY | O_CLOEXEC), nothing() };
	assert_int_equal(relay(&child, ours, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_SPACE);
	finish(&child);
}

static void does_not_read(void)
{
	close(0);
	usleep(50000);
	write_all(1, "done", 4, "", NULL);
}

static void a_command_need_not_read(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct child child;
	start(&child, does_not_read);
	const int ours[] = { open("/dev/zero", O_RDONLY | O_CLOEXEC), scratch_file(scratch, "out"),
			     nothing() };
	assert_int_equal(relay(&child, ours, &err), 0);
	finish(&child);
	assert_content(scratch->dir, "out", "done");
}

/* ---- terminals ------------------------------------------------------------------------------------------------ */

/* The caller's terminal (we are who sits there), and that of the command. */
struct terminals {
	int desk, slave; /* the caller's */
	int master, inner; /* the command's */
};

static void open_terminals(struct terminals *ret)
{
	struct winsize size = { .ws_row = 33, .ws_col = 77 };
	assert_int_equal(openpty(&ret->desk, &ret->slave, NULL, NULL, &size), 0);
	assert_int_equal(openpty(&ret->master, &ret->inner, NULL, NULL, NULL), 0);
	fcntl(ret->master, F_SETFL, O_RDWR | O_NONBLOCK);
}

static void close_terminals(struct terminals *terminals)
{
	close(terminals->desk);
	close(terminals->slave);
	close(terminals->master);
	close(terminals->inner);
}

static bool is_raw(int fd)
{
	struct termios modes;
	assert_int_equal(tcgetattr(fd, &modes), 0);
	return !(modes.c_lflag & (ICANON | ECHO | ISIG));
}

static void wait_until_raw(int fd, bool raw)
{
	for (int i = 0; i < 500 && is_raw(fd) != raw; i++)
		usleep(10000);
	assert_int_equal(is_raw(fd), raw);
}

static void assert_size(int fd, int rows, int columns)
{
	struct winsize size = { 0 };
	for (int i = 0; i < 500 && size.ws_row != rows; i++) {
		usleep(10000);
		assert_int_equal(ioctl(fd, TIOCGWINSZ, &size), 0);
	}
	assert_int_equal(size.ws_row, rows);
	assert_int_equal(size.ws_col, columns);
}

/* vzctl, on its terminal: relays until `command` has ended. */
static int serve(struct terminals *terminals, int command, void (*event)(void *), void *data)
{
	static struct relay_stream streams[2];
	struct terminal *terminal = data;
	struct relay job = {
		.streams = streams, .count = 2, .ended = command, .event = event, .data = terminal
	};
	if (terminal_enter(terminals->slave, terminals->master, terminal, NULL) < 0)
		return 2;
	job.event_fd = terminal->signals;
	relay_stream_init(&streams[0], dup(terminals->slave), dup(terminals->master), false,
			  RELAY_HANG_UP);
	relay_stream_init(&streams[1], dup(terminals->master), relay_output(terminals->slave), true,
			  RELAY_HANG_UP);
	int result = relay_run(&job, NULL);
	terminal_leave(terminal);
	return result < 0;
}

static void on_event(void *data)
{
	terminal_event(data);
}

/* The command: echoes a line in capitals, "q" ends it. The line discipline of its terminal is in cooked mode. */
static void command(int fd)
{
	char line[100];
	ssize_t got;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((got = read(fd, line, sizeof(line))) > 0 && line[0] != 'q')
		dprintf(fd, "<%.*s>", (int)got - 1, line);
	dprintf(fd, "bye");
	_exit(0);
}

struct served {
	struct terminals terminals;
	pid_t pid;
};

static void serve_apart(struct served *served)
{
	open_terminals(&served->terminals);
	served->pid = fork();
	assert_true(served->pid >= 0);
	if (served->pid)
		return;
	struct terminal terminal = TERMINAL_INIT;
	signal(SIGSEGV, SIG_DFL); /* cmocka has handlers */
	signal(SIGABRT, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	close(served->terminals.desk);
	ioctl(served->terminals.slave, TIOCSCTTY, 0);
	pid_t child = fork();
	if (child == 0) {
		interrupt_reset_child();
		command(served->terminals.inner);
	}
	int pidfd = pidfd_open(child, 0);
	int result = serve(&served->terminals, pidfd, on_event, &terminal);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	_exit(result);
}

/* Reads at the desk until that text has come. */
static void expect(int desk, const char *text)
{
	char seen[4096] = "";
	size_t length = 0;
	while (!strstr(seen, text)) {
		struct pollfd polled = { .fd = desk, .events = POLLIN };
		assert_int_equal(poll(&polled, 1, 10000), 1);
		ssize_t got = read(desk, seen + length, sizeof(seen) - 1 - length);
		assert_true(got > 0);
		length += (size_t)got;
		seen[length] = 0;
	}
}

static int end(struct served *served)
{
	int status;
	assert_int_equal(waitpid(served->pid, &status, 0), served->pid);
	return status;
}

static void keys_and_output_and_sizes_pass(void **state)
{
	struct served served;
	struct winsize size = { .ws_row = 44, .ws_col = 111 };
	(void)state;
	serve_apart(&served);
	wait_until_raw(served.terminals.slave, true);
	assert_size(served.terminals.master, 33, 77);
	write_all(served.terminals.desk, "hello\r", 6, "", NULL);
	expect(served.terminals.desk, "<hello>");
	assert_int_equal(ioctl(served.terminals.desk, TIOCSWINSZ, &size), 0);
	assert_size(served.terminals.master, 44, 111);
	write_all(served.terminals.desk, "q\r", 2, "", NULL);
	expect(served.terminals.desk, "bye");
	assert_int_equal(end(&served), 0);
	assert_false(is_raw(served.terminals.slave));
	close_terminals(&served.terminals);
}

/* ^D reaches the command, and is its end of file. */
static void end_of_file_is_the_commands(void **state)
{
	struct served served;
	(void)state;
	serve_apart(&served);
	wait_until_raw(served.terminals.slave, true);
	write_all(served.terminals.desk, "\004", 1, "", NULL);
	expect(served.terminals.desk, "bye");
	assert_int_equal(end(&served), 0);
	close_terminals(&served.terminals);
}

static void every_end_restores_the_terminal(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
				       SIGABRT, SIGSEGV, SIGUSR1, SIGALRM };
	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		struct served served;
		struct termios before, after;
		open_terminals(&served.terminals);
		tcgetattr(served.terminals.slave, &before);
		close_terminals(&served.terminals);
		serve_apart(&served);
		wait_until_raw(served.terminals.slave, true);
		assert_int_equal(kill(served.pid, signals[i]), 0);
		int status = end(&served);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
		tcgetattr(served.terminals.slave, &after);
		assert_int_equal(after.c_lflag, before.c_lflag);
		assert_int_equal(after.c_iflag, before.c_iflag);
		assert_int_equal(after.c_oflag, before.c_oflag);
		close_terminals(&served.terminals);
	}
}

static void being_stopped_gives_the_terminal_back(void **state)
{
	struct served served;
	int status;
	(void)state;
	serve_apart(&served);
	wait_until_raw(served.terminals.slave, true);
	kill(served.pid, SIGTSTP);
	assert_int_equal(waitpid(served.pid, &status, WUNTRACED), served.pid);
	assert_true(WIFSTOPPED(status));
	assert_false(is_raw(served.terminals.slave));
	struct winsize size = { .ws_row = 55, .ws_col = 66 };
	ioctl(served.terminals.desk, TIOCSWINSZ, &size);
	kill(served.pid, SIGCONT);
	wait_until_raw(served.terminals.slave, true);
	assert_size(served.terminals.master, 55, 66);
	write_all(served.terminals.desk, "q\r", 2, "", NULL);
	assert_int_equal(end(&served), 0);
	close_terminals(&served.terminals);
}

static void who_hangs_up_ends_it(void **state)
{
	struct served served;
	(void)state;
	serve_apart(&served);
	wait_until_raw(served.terminals.slave, true);
	close(served.terminals.desk);
	served.terminals.desk = -1;
	close(served.terminals.slave);
	served.terminals.slave = -1;
	int status = end(&served);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
	close_terminals(&served.terminals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(all_bytes_go_through_in_both_directions),
		scratch_test(a_slow_reader_gets_all),
		scratch_test(who_stays_in_the_background_keeps_nobody),
		cmocka_unit_test(a_flood_ends_with_the_command),
		cmocka_unit_test(nobody_reads_any_more),
		cmocka_unit_test(output_that_cannot_be_written_is_an_error),
		scratch_test(a_command_need_not_read),
		cmocka_unit_test(keys_and_output_and_sizes_pass),
		cmocka_unit_test(end_of_file_is_the_commands),
		cmocka_unit_test(every_end_restores_the_terminal),
		cmocka_unit_test(being_stopped_gives_the_terminal_back),
		cmocka_unit_test(who_hangs_up_ends_it),
	};
	interrupt_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
