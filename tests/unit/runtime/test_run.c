/* Commands and functions in a VE: what goes in, what comes out, and how they end. */
#include "fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/strbuf.h"

static struct fixture fixture;
static struct ve *ve;

static int setup(void **state)
{
	(void)state;
	fixture_setup(&fixture);
	struct ve_spec spec = fixture_spec(&fixture);
	ve = fixture_start(&spec);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ve_free(ve);
	fixture_release(&fixture);
	return 0;
}

static void add_line(const char *line, void *data)
{
	struct strbuf *text = data;
	strbuf_adds(text, line);
	strbuf_addc(text, '|');
}

static struct ve_command shell(const char *const argv[], const char *line)
{
	((const char **)argv)[0] = "sh";
	((const char **)argv)[1] = "-c";
	((const char **)argv)[2] = line;
	((const char **)argv)[3] = NULL;
	return (struct ve_command){ .argv = argv, .script = -1, .input = -1, .time_limit_s = 60 };
}

static int memory(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void lines_and_status(void **state)
{
	(void)state;
	struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf lines = STRBUF_INIT;
	const char *argv[4];
	struct ve_command command =
		shell(argv, "echo one; echo two >&2; echo; printf 'cr\\r\\nend'; exit 7");
	struct ve_result result;
	command.line = add_line;
	command.data = &lines;
	assert_done(ve_run(ve, &command, &result, &err), &err);
	assert_string_equal(lines.text, "one|two||cr|end|");
	assert_string_equal(result.output, "one\ntwo\n\ncr\r\nend");
	assert_true(WIFEXITED(result.status));
	assert_int_equal(WEXITSTATUS(result.status), 7);
	free(result.output);

	command = shell(argv, "kill -KILL $$");
	assert_done(ve_run(ve, &command, &result, &err), &err);
	assert_true(WIFSIGNALED(result.status));
	assert_int_equal(WTERMSIG(result.status), SIGKILL);
	free(result.output);
}

static void end_of_much_output_is_kept(void **state)
{
	(void)state;
	autofree char *output = fixture_shell(
		ve, "i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done", NULL);
	assert_int_equal(strlen(output), VE_OUTPUT_KEPT);
	assert_string_equal(output + VE_OUTPUT_KEPT - strlen("line 29999\n"), "line 29999\n");
}

static void input_cwd_environment(void **state)
{
	(void)state;
	struct error err = ERROR_INIT;
	const char *argv[4];
	const char *const env[] = { "PATH=/usr/bin:/bin", "WORD=a b", NULL };
	struct ve_command command = shell(argv, "cat; pwd; echo $WORD; echo ${HOME-none}");
	struct ve_result result;
	autoclose int input = memory("typed\n");
	command.input = input;
	command.cwd = "/tmp";
	command.env = env;
	assert_done(ve_run(ve, &command, &result, &err), &err);
	assert_string_equal(result.output, "typed\n/tmp\na b\nnone\n");
	free(result.output);

	autofree char *usual =
		fixture_shell(ve, "pwd; echo $HOME $TERM $LANG; readlink /proc/$$/fd/0", NULL);
	assert_string_equal(usual, "/\n/root dumb C.UTF-8\n/dev/null\n");
}

/* /dev/stderr is opened anew by many scripts; that takes owning it. */
static void output_can_be_opened(void **state)
{
	(void)state;
	autofree char *output = fixture_shell(ve, "echo a >/dev/stderr; echo b >/dev/stdout", NULL);
	assert_string_equal(output, "a\nb\n");
}

static int run_script(const char *text, const char *name, struct ve_result *result,
		      struct error *err)
{
	const char *const argv[] = { name, "configure", "1.0", NULL };
	autoclose int script = memory(text);
	struct ve_command command = {
		.argv = argv, .script = script, .input = -1, .time_limit_s = 60
	};
	return ve_run(ve, &command, result, err);
}

static void script_by_descriptor(void **state)
{
	(void)state;
	struct error err = ERROR_INIT;
	struct ve_result result;
	assert_done(run_script("#!/bin/sh -e\necho ${0##*/} $1 $2\nls /proc/$$/fd\n",
			       "/var/lib/dpkg/tmp.ci/preinst", &result, &err),
		    &err);
	/* 10 is what dash reads the script from. */
	assert_string_equal(result.output, "preinst configure 1.0\n0\n1\n10\n2\n");
	free(result.output);

	assert_done(run_script("echo no first line\n", "old", &result, &err), &err);
	assert_string_equal(result.output, "no first line\n");
	free(result.output);

	assert_int_equal(run_script("#!/no/interpreter\n", "bad", &result, &err), -1);
	assert_int_equal(err.kind, ERROR_EXEC);
	assert_non_null(strstr(err.message, "No such file"));
	assert_non_null(strstr(err.hint, "interpreter"));
	error_clear(&err);
	autofree char *after = fixture_shell(ve, "echo goes on", NULL);
	assert_string_equal(after, "goes on\n");
}

static void what_cannot_be_run(void **state)
{
	(void)state;
	struct error err = ERROR_INIT;
	struct ve_result result = { 0 };
	const char *argv[4] = { "no-such-program", NULL };
	struct ve_command command = { .argv = argv, .script = -1, .input = -1 };
	assert_int_equal(ve_run(ve, &command, &result, &err), -1);
	assert_int_equal(err.kind, ERROR_EXEC);
	assert_non_null(strstr(err.message, "no-such-program"));

	command = shell(argv, "true");
	command.cwd = "/no/such/folder";
	assert_int_equal(ve_run(ve, &command, &result, &err), -1);
	assert_int_equal(err.kind, ERROR_EXEC);
	assert_non_null(strstr(err.hint, "/no/such/folder"));
	error_clear(&err);
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A command that ends while something in the background keeps its output open has ended. */
static void background_does_not_hold(void **state)
{
	(void)state;
	int64_t begun = now_ms();
	free(fixture_shell(ve, "sleep 600 & echo started", NULL));
	assert_true(now_ms() - begun < 5000);
	/* It may not have got as far as being "sleep". */
	autofree char *left =
		fixture_shell(ve,
			      "for i in 1 2 3 4 5 6 7 8 9 10; do "
			      "grep -l ^sleep /proc/[0-9]*/cmdline && exit; sleep 0.5; done",
			      NULL);
	assert_non_null(strstr(left, "/cmdline"));
}

static void orphans_are_reaped(void **state)
{
	(void)state;
	free(fixture_shell(ve, "for i in 1 2 3 4 5; do (sh -c 'sleep 0.01' &); done; sleep 0.2",
			   NULL));
	autofree char *left = fixture_shell(ve, "cat /proc/[0-9]*/stat | grep -c ' Z '", NULL);
	assert_string_equal(left, "0\n");
}

static void time_limit(void **state)
{
	(void)state;
	struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf lines = STRBUF_INIT;
	const char *argv[4];
	struct ve_command command =
		shell(argv, "trap '' TERM INT HUP; setsid sleep 600 & echo before; sleep 600");
	struct ve_result result;
	int64_t begun = now_ms();
	command.time_limit_s = 1;
	command.line = add_line;
	command.data = &lines;
	assert_int_equal(ve_run(ve, &command, &result, &err), -1);
	assert_int_equal(err.kind, ERROR_TIME_LIMIT);
	assert_true(now_ms() - begun < 3000);
	assert_string_equal(lines.text, "before|");

	command = shell(argv, "true");
	assert_int_equal(ve_run(ve, &command, &result, &err), -1);
	assert_int_equal(err.kind, ERROR_CONTAINER);
	error_clear(&err);
}

/* ---- functions -------------------------------------------------------------------------------- */

struct shared {
	int kept;
	struct strbuf got;
};

static void collect(const void *bytes, size_t size, void *data)
{
	strbuf_add(&((struct shared *)data)->got, bytes, size);
}

static int look_around(void *data, int channel, struct error *err)
{
	struct shared *shared = data;
	struct stat st;
	unsigned others = 0;
	if (fstat(shared->kept, &st) < 0)
		return error_errno(err, errno, "the kept descriptor");
	for (int fd = 3; fd < 1024; fd++)
		others += fd != shared->kept && fd != channel && fcntl(fd, F_GETFD) >= 0;
	/* There is one more: that by which errors are told. */
	dprintf(channel, "uid %d, below pid %d, %u descriptors, %s, capability %d\n", getuid(),
		getppid(), others, access("/run/test", F_OK) == 0 ? "inside" : "outside",
		prctl(PR_CAPBSET_READ, 21 /* CAP_SYS_ADMIN */, 0, 0, 0));
	for (int i = 0; i < 20000; i++)
		dprintf(channel, "%05d\n", i);
	return 0;
}

static void function_runs_inside(void **state)
{
	(void)state;
	struct error err = ERROR_INIT;
	struct shared shared = { .kept = memory("x"), .got = STRBUF_INIT };
	static const char expected[] = "uid 0, below pid 0, 1 descriptors, inside, capability 0\n";
	assert_done(ve_call(ve, look_around, &shared, &shared.kept, 1, collect, 0, &err), &err);
	assert_int_equal(shared.got.length, strlen(expected) + (size_t)20000 * 6);
	assert_memory_equal(shared.got.text, expected, strlen(expected));
	strbuf_release(&shared.got);
	close(shared.kept);
}

static int fail_in_words(void *data, int channel, struct error *err)
{
	(void)data;
	(void)channel;
	error_set(err, ERROR_INSTALL, "unpacking %s", "x");
	error_subject(err, "bash");
	return error_hint(err, "try again");
}

static int crash(void *data, int channel, struct error *err)
{
	(void)data;
	(void)channel;
	(void)err;
	signal(SIGABRT, SIG_DFL);
	return raise(SIGABRT);
}

static void function_fails(void **state)
{
	(void)state;
	struct error err = ERROR_INIT;
	assert_int_equal(ve_call(ve, fail_in_words, NULL, NULL, 0, NULL, 0, &err), -1);
	assert_int_equal(err.kind, ERROR_INSTALL);
	assert_string_equal(err.message, "unpacking x");
	assert_string_equal(err.hint, "try again");
	assert_string_equal(err.subject, "bash");

	assert_int_equal(ve_call(ve, crash, NULL, NULL, 0, NULL, 0, &err), -1);
	assert_int_equal(err.kind, ERROR_CHILD);
	error_clear(&err);
}

/* A process that has our pipe, and never stops writing to it. */
static int leave_behind(void *data, int channel, struct error *err)
{
	(void)data;
	(void)err;
	pid_t child = fork();
	for (int i = 0; child == 0 && i < 30000; i++) {
		dprintf(channel, "still here\n");
		usleep(1000);
	}
	if (child == 0)
		_exit(0);
	dprintf(channel, "done\n");
	return child < 0 ? error_errno(err, errno, "forking") : 0;
}

static void function_leaves_a_process_behind(void **state)
{
	(void)state;
	struct error err = ERROR_INIT;
	struct shared shared = { .got = STRBUF_INIT };
	time_t begun = time(NULL);
	assert_done(ve_call(ve, leave_behind, &shared, NULL, 0, collect, 20, &err), &err);
	assert_true(time(NULL) - begun < 10);
	assert_non_null(strstr(shared.got.text, "done\n"));
	strbuf_release(&shared.got);
}

/* ---- signals to us: in a child of the test, since they are for good --------------------------- */

static int wait_forever(void *data, int channel, struct error *err)
{
	(void)data;
	(void)err;
	(void)!write(channel, "!", 1);
	pause();
	return 0;
}

static void interrupt_ourselves(const void *bytes, size_t size, void *data)
{
	(void)bytes;
	(void)size;
	(void)data;
	raise(SIGTERM);
}

static void interrupt_by_line(const char *line, void *data)
{
	(void)data;
	if (!strcmp(line, "up"))
		raise(SIGINT);
}

static int interrupted_run(struct error *err)
{
	const char *argv[4];
	struct ve_command command = shell(argv, "echo up; sleep 600");
	struct ve_result result;
	command.line = interrupt_by_line;
	return ve_run(ve, &command, &result, err);
}

static int interrupted_call(struct error *err)
{
	return ve_call(ve, wait_forever, NULL, NULL, 0, interrupt_ourselves, 0, err);
}

static void check_interrupted(int (*what)(struct error *err))
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		struct error err = ERROR_INIT;
		struct ve_spec spec = fixture_spec(&fixture);
		interrupt_setup();
		if (ve_start(&spec, &ve, &err) < 0)
			_exit(3);
		int result = what(&err);
		ve_free(ve);
		_exit(result == -1 && err.kind == ERROR_INTERRUPTED ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void signals_end_it(void **state)
{
	(void)state;
	unsigned before = fixture_groups();
	int64_t begun = now_ms();
	check_interrupted(interrupted_run);
	check_interrupted(interrupted_call);
	assert_true(now_ms() - begun < 10000);
	assert_int_equal(fixture_groups(), before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lines_and_status),
		TEST(end_of_much_output_is_kept),
		TEST(input_cwd_environment),
		TEST(output_can_be_opened),
		TEST(script_by_descriptor),
		TEST(what_cannot_be_run),
		TEST(background_does_not_hold),
		TEST(orphans_are_reaped),
		TEST(time_limit),
		TEST(function_runs_inside),
		TEST(function_fails),
		TEST(function_leaves_a_process_behind),
		TEST(signals_end_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
