#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/lock.h"
#include "base/worker.h"

static bool seen[100];

static int square(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)data;
	(void)err;
	strbuf_addf(result, "%zu", index * index);
	/* More than a pipe holds. */
	while (index == 7 && result->length < 300000)
		strbuf_addc(result, 'x');
	return 0;
}

static int take(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	(void)data;
	(void)err;
	assert_false(seen[index]);
	seen[index] = true;
	assert_int_equal(strtoul(result, NULL, 10), index * index);
	assert_true(index == 7 ? size == 300000 : size < 5);
	return 0;
}

static void all_results_arrive(void **state)
{
	(void)state;
	struct worker_job job = {
		.name = "squares", .jobs = 3, .count = 100, .task = square, .done = take
	};
	assert_int_equal(workers_run(&job, NULL), 0);
	for (size_t i = 0; i < 100; i++)
		assert_true(seen[i]);
}

static int fail_at_five(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)data;
	(void)result;
	if (index < 5)
		return 0;
	if (index > 5)
		pause(); /* must be killed */
	error_set(err, ERROR_TRUST, "number %zu is bad", index);
	error_subject(err, "five");
	return error_hint(err, "leave it out");
}

static void a_failure_arrives_whole_and_stops_the_rest(void **state)
{
	(void)state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct worker_job job = { .name = "x", .jobs = 4, .count = 50, .task = fail_at_five };
	assert_int_equal(workers_run(&job, &err), -1);
	assert_int_equal(err.kind, ERROR_TRUST);
	assert_string_equal(err.message, "number 5 is bad");
	assert_string_equal(err.subject, "five");
	assert_string_equal(err.hint, "leave it out");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static int die(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)index;
	(void)data;
	(void)result;
	(void)err;
	raise(SIGKILL);
	return 0;
}

static void a_death_is_an_error(void **state)
{
	(void)state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct worker_job job = { .name = "dying", .jobs = 1, .count = 1, .task = die };
	assert_int_equal(workers_run(&job, &err), -1);
	assert_int_equal(err.kind, ERROR_CHILD);
	assert_non_null(strstr(err.message, "SIGKILL"));
}

static int signal_parent(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)index;
	(void)data;
	(void)result;
	(void)err;
	kill(getppid(), SIGTERM);
	pause();
	return 0;
}

static void a_signal_stops_all(void **state)
{
	(void)state;
	/* In a process of its own: the signal stays pending. */
	pid_t pid = fork();
	if (pid == 0) {
		struct error err = ERROR_INIT;
		struct worker_job job = {
			.name = "x", .jobs = 2, .count = 2, .task = signal_parent
		};
		interrupt_setup();
		int ret = workers_run(&job, &err);
		if (ret != -1 || err.kind != ERROR_INTERRUPTED)
			_exit(1);
		interrupt_die();
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void note_holder(const char *holder, void *data)
{
	char **text = data;
	*text = xstrdup(holder);
}

static void locks(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	autofree char *folder = xasprintf("%s/lock.XXXXXX", tmp ? tmp : "/dev/shm");
	autofree char *holder = NULL;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct lock a = LOCK_INIT, b = LOCK_INIT;

	assert_non_null(mkdtemp(folder));
	autoclose int dir = dir_open(AT_FDCWD, folder, false, 0, NULL);
	assert_int_equal(lock_take(&a, dir, "l", LOCK_EXCLUSIVE, 0, NULL, NULL, NULL), 0);
	assert_false(lock_try(&b, dir, "l", LOCK_SHARED));
	assert_int_equal(lock_take(&b, dir, "l", LOCK_EXCLUSIVE, 0, note_holder, &holder, &err),
			 -1);
	assert_int_equal(err.kind, ERROR_LOCKED);
	autofree char *pid = xasprintf("pid %d", (int)getpid());
	assert_non_null(strstr(holder, pid));
	lock_release(&a);
	assert_true(lock_try(&a, dir, "l", LOCK_SHARED));
	assert_true(lock_try(&b, dir, "l", LOCK_SHARED));
	lock_release(&a);
	lock_release(&b);
	assert_true(lock_try(&a, dir, "l", LOCK_EXCLUSIVE));
	lock_remove(&a, dir, "l");
	assert_int_equal(faccessat(dir, "l", F_OK, 0), -1);
	tree_remove(AT_FDCWD, folder, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_results_arrive),
		cmocka_unit_test(a_failure_arrives_whole_and_stops_the_rest),
		cmocka_unit_test(a_death_is_an_error),
		cmocka_unit_test(a_signal_stops_all),
		cmocka_unit_test(locks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
