/* Programs that are run to their end, in each of the ways that they can end. */
#include "tests/unit/base/scratch.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/child.h"
#include "base/interrupt.h"
#include "base/strbuf.h"

static int shell(const char *command, struct child_run *run, struct strbuf *output,
		 struct strbuf *errors, int *status, struct error *err)
{
	const char *argv[] = { "/bin/sh", "-c", command, NULL };
	run->argv = argv;
	return child_run(run, output, errors, status, err);
}

static void test_outputs(void **state)
{
	struct child_run run = { 0 };
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf errors = STRBUF_INIT;
	int status = -1;
	(void)state;
	assert_int_equal(
		shell("echo out; echo err >&2; cat; exit 7", &run, &output, &errors, &status, NULL),
		0);
	assert_int_equal(status, 7);
	assert_string_equal(output.text, "out\n");
	assert_string_equal(errors.text, "err\n");
	assert_int_equal(shell("kill -KILL $$", &run, NULL, NULL, &status, NULL), 0);
	assert_int_equal(status, 128 + SIGKILL);
}

static void test_limit_of_output(void **state)
{
	struct child_run run = { .output_max = 1000 };
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT;
	int status;
	(void)state;
	assert_int_equal(shell("head -c 10000000 /dev/zero; echo end >&2", &run, &output, NULL,
			       &status, NULL),
			 0);
	assert_int_equal(status, 0);
	assert_int_equal(output.length, 1000);
}

/* A process in the background that holds the pipes keeps nobody waiting. */
static void test_background(void **state)
{
	struct child_run run = { 0 };
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT;
	int status;
	(void)state;
	assert_int_equal(shell("sleep 1000 & echo $!", &run, &output, NULL, &status, NULL), 0);
	assert_int_equal(status, 0);
	pid_t pid = (pid_t)strtol(output.text, NULL, 10);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
}

static void test_limit_of_time(void **state)
{
	struct child_run run = { .limit_s = 1 };
	AUTO(error_clear) struct error err = ERROR_INIT;
	int status;
	(void)state;
	assert_int_equal(shell("exec sleep 1000", &run, NULL, NULL, &status, &err), -1);
	assert_int_equal(err.kind, ERROR_TIME_LIMIT);
	assert_non_null(strstr(err.message, "1 s"));
}

static void test_limit_of_a_group(void **state)
{
	struct child_run run = { .limit_s = 1, .whole_group = true };
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	int status;
	(void)state;
	assert_int_equal(
		shell("sleep 1000 >&- & echo $!; wait", &run, &output, NULL, &status, &err), -1);
	assert_int_equal(err.kind, ERROR_TIME_LIMIT);
	pid_t pid = (pid_t)strtol(output.text, NULL, 10);
	assert_true(pid > 1);
	for (int i = 0; i < 100 && kill(pid, 0) == 0; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	assert_int_equal(kill(pid, 0), -1);
}

static void test_no_program(void **state)
{
	const char *argv[] = { "/nonexistent/program", NULL };
	struct child_run run = { .argv = argv };
	AUTO(error_clear) struct error err = ERROR_INIT;
	int status;
	(void)state;
	assert_int_equal(child_run(&run, NULL, NULL, &status, &err), -1);
	assert_int_equal(err.kind, ERROR_EXEC);
	assert_non_null(strstr(err.message, "/nonexistent/program"));
}

/* In a process of its own, as the signal stays pending. Its exit status says what came of it. */
static int interrupted(bool undisturbed)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct child_run run = { .undisturbed = undisturbed };
		struct error err = ERROR_INIT;
		int status = 0;
		interrupt_setup();
		int result = shell("trap 'exit 3' TERM; kill -TERM $PPID; sleep 0.3; exit 4", &run,
				   NULL, NULL, &status, &err);
		_exit(result < 0 ? (int)err.kind : 100 + status);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_interrupted(void **state)
{
	(void)state;
	assert_int_equal(interrupted(false), ERROR_INTERRUPTED);
	assert_int_equal(interrupted(true), 104);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outputs),          cmocka_unit_test(test_limit_of_output),
		cmocka_unit_test(test_background),       cmocka_unit_test(test_limit_of_time),
		cmocka_unit_test(test_no_program),       cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_limit_of_a_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
