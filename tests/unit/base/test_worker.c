#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
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

static int square_of_child(size_t index, void *data, struct strbuf *result, struct error *err)
{
	static size_t done;
	unsigned *children = data;
	if (!done++)
		__atomic_add_fetch(children, 1, __ATOMIC_SEQ_CST);
	return square(index, NULL, result, err);
}

static uint64_t all_in_one(size_t index, void *data)
{
	(void)data;
	return index == 0 ? 1000 : 0;
}

static void a_child_does_several(void **state)
{
	(void)state;
	unsigned *children = mmap(NULL, sizeof(*children), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(children, MAP_FAILED);
	struct worker_job job = { .name = "squares",
				  .jobs = 3,
				  .count = 100,
				  .batches = true,
				  .task = square_of_child,
				  .done = take,
				  .data = children };
	memset(seen, 0, sizeof(seen));
	assert_int_equal(workers_run(&job, NULL), 0);
	for (size_t i = 0; i < 100; i++)
		assert_true(seen[i]);
	assert_in_range(*children, 10, 40);
	*children = 0;
	memset(seen, 0, sizeof(seen));
	job.weight = all_in_one;
	assert_int_equal(workers_run(&job, NULL), 0);
	for (size_t i = 0; i < 100; i++)
		assert_true(seen[i]);
	/* The heavy one, and those that weigh nothing. */
	assert_in_range(*children, 2, 3);
	munmap(children, sizeof(*children));
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

static void a_failure_ends_its_batch(void **state)
{
	(void)state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct worker_job job = {
		.name = "x", .jobs = 1, .count = 50, .batches = true, .task = fail_at_five
	};
	assert_int_equal(workers_run(&job, &err), -1);
	assert_string_equal(err.message, "number 5 is bad");
	assert_string_equal(err.hint, "leave it out");
}

static int leave_at_three(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)data;
	(void)result;
	(void)err;
	if (index == 3)
		_exit(0);
	return 0;
}

static void a_batch_without_an_end(void **state)
{
	(void)state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct worker_job job = {
		.name = "x", .jobs = 1, .count = 50, .batches = true, .task = leave_at_three
	};
	assert_int_equal(workers_run(&job, &err), -1);
	assert_int_equal(err.kind, ERROR_CHILD);
	assert_string_equal(err.message, "x (task 3): the process ended without a result");
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

/* ---- what a child can do wrong ------------------------------------------------------------------- */

static int say_nothing(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)index;
	(void)result;
	(void)err;
	if (*(int *)data < 0)
		return -1; /* fails, and does not say why */
	_exit(*(int *)data);
}

static void a_child_that_says_nothing(void **state)
{
	(void)state;
	static const int codes[] = { 0, 3, -1 };
	for (size_t i = 0; i < 3; i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		int code = codes[i];
		struct worker_job job = {
			.name = "silent", .jobs = 1, .count = 1, .task = say_nothing, .data = &code
		};
		assert_int_equal(workers_run(&job, &err), -1);
		if (code < 0)
			assert_string_equal(err.message, "failed");
		else
			assert_string_equal(err.message,
					    "silent (task 0): the process ended without a result");
	}
}

/* Ctrl-C reaches children too, and they may be dead before our own signal is seen. */
static int interrupted_first(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)index;
	(void)data;
	(void)result;
	(void)err;
	pid_t parent = getppid();
	if (fork() == 0) {
		usleep(10000);
		kill(parent, SIGINT);
		_exit(0);
	}
	raise(SIGINT);
	return 0;
}

static void a_child_is_interrupted_first(void **state)
{
	(void)state;
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct error err = ERROR_INIT;
		struct worker_job job = {
			.name = "x", .jobs = 1, .count = 1, .task = interrupted_first
		};
		interrupt_setup();
		_exit(workers_run(&job, &err) == -1 && err.kind == ERROR_INTERRUPTED ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Without Ctrl-C it is the child's own death. */
static int die_by_sigint(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)index;
	(void)data;
	(void)result;
	(void)err;
	raise(SIGINT);
	return 0;
}

static void a_child_is_killed_by_somebody(void **state)
{
	(void)state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct worker_job job = { .name = "x", .jobs = 1, .count = 1, .task = die_by_sigint };
	assert_int_equal(workers_run(&job, &err), -1);
	assert_int_equal(err.kind, ERROR_CHILD);
	assert_non_null(strstr(err.message, "x (task 0): the process died by SIGINT"));
}

/* ---- how they are run ------------------------------------------------------------------------------ */

struct shared {
	_Atomic unsigned alive, most, begun;
};

static int be_alive(size_t index, void *data, struct strbuf *result, struct error *err)
{
	struct shared *shared = data;
	(void)index;
	(void)err;
	unsigned alive = ++shared->alive;
	for (unsigned most = shared->most;
	     alive > most &&
	     !__atomic_compare_exchange_n((unsigned *)&shared->most, &most, alive, false,
					  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);)
		;
	strbuf_addf(result, "%u", shared->begun++);
	usleep(20000);
	shared->alive--;
	return 0;
}

static struct shared *share(void)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	return shared;
}

static void no_more_than_jobs(void **state)
{
	(void)state;
	struct shared *shared = share();
	struct worker_job job = {
		.name = "x", .jobs = 3, .count = 20, .task = be_alive, .data = shared
	};
	assert_int_equal(workers_run(&job, NULL), 0);
	assert_int_equal(shared->begun, 20);
	assert_int_equal(shared->alive, 0);
	assert_true(shared->most >= 2 && shared->most <= 3);
	munmap(shared, sizeof(*shared));
}

static int begun_in_order(size_t index, void *data, const char *result, size_t size,
			  struct error *err)
{
	(void)data;
	(void)size;
	(void)err;
	assert_int_equal(strtoul(result, NULL, 10), index);
	return 0;
}

static void in_order_and_odd_numbers(void **state)
{
	(void)state;
	struct shared *shared = share();
	struct worker_job job = { .name = "x",
				  .jobs = 0, /* is one */
				  .count = 4,
				  .task = be_alive,
				  .done = begun_in_order,
				  .data = shared };
	assert_int_equal(workers_run(&job, NULL), 0);
	assert_int_equal(shared->most, 1);
	job.count = 0;
	job.jobs = 1000000000;
	assert_int_equal(workers_run(&job, NULL), 0);
	assert_int_equal(shared->begun, 4);
	munmap(shared, sizeof(*shared));
}

static int refuse(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	(void)data;
	(void)result;
	(void)size;
	return error_set(err, ERROR_INSTALL, "task %zu is not wanted", index);
}

static void the_parent_stops_it(void **state)
{
	(void)state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct shared *shared = share();
	struct worker_job job = { .name = "x",
				  .jobs = 2,
				  .count = 100,
				  .task = be_alive,
				  .done = refuse,
				  .data = shared };
	assert_int_equal(workers_run(&job, &err), -1);
	assert_int_equal(err.kind, ERROR_INSTALL);
	assert_true(shared->begun < 10);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	munmap(shared, sizeof(*shared));
}

static int stay(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)index;
	(void)result;
	(void)err;
	(*(_Atomic unsigned *)data)++;
	pause();
	return 0;
}

/* The pipe is at its end when nobody holds its other side any more. */
static void children_die_with_their_parent(void **state)
{
	(void)state;
	struct shared *shared = share();
	int fds[2];
	char byte;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct worker_job job = {
			.name = "x", .jobs = 3, .count = 3, .task = stay, .data = &shared->alive
		};
		workers_run(&job, NULL);
		_exit(1);
	}
	close(fds[1]);
	while (shared->alive < 3)
		usleep(1000);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	alarm(20);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	alarm(0);
	close(fds[0]);
	munmap(shared, sizeof(*shared));
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

struct tally {
	size_t failed, done, started;
	unsigned allowed;
};

static int fail_odd(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)data;
	(void)result;
	return index % 2 ? error_set(err, ERROR_TRUST, "%zu is odd", index) : 0;
}

static int count_done(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct tally *tally = data;
	(void)result;
	(void)size;
	(void)err;
	assert_int_equal(index % 2, 0);
	tally->done++;
	return 0;
}

static int count_failed(size_t index, void *data, const struct error *why, struct error *err)
{
	struct tally *tally = data;
	(void)err;
	assert_int_equal(index % 2, 1);
	assert_int_equal(why->kind, ERROR_TRUST);
	tally->failed++;
	return 0;
}

static void count_started(size_t index, void *data)
{
	struct tally *tally = data;
	(void)index;
	tally->started++;
}

static unsigned none_after_ten(void *data)
{
	const struct tally *tally = data;
	return tally->started < 10 ? tally->allowed : 0;
}

static void a_failure_need_not_stop_the_rest(void **state)
{
	(void)state;
	struct tally tally = { 0 };
	struct worker_job job = {
		.name = "x",
		.jobs = 3,
		.count = 20,
		.task = fail_odd,
		.done = count_done,
		.failed = count_failed,
		.started = count_started,
		.data = &tally,
	};
	assert_int_equal(workers_run(&job, NULL), 0);
	assert_int_equal(tally.done, 10);
	assert_int_equal(tally.failed, 10);
	assert_int_equal(tally.started, 20);
}

static void no_more_are_started_than_allowed(void **state)
{
	(void)state;
	struct tally tally = { .allowed = 2 };
	struct worker_job job = {
		.name = "x",
		.jobs = 3,
		.count = 20,
		.task = fail_odd,
		.failed = count_failed,
		.started = count_started,
		.allowed = none_after_ten,
		.data = &tally,
	};
	assert_int_equal(workers_run(&job, NULL), 0);
	assert_int_equal(tally.started, 10);
	assert_int_equal(tally.failed, 5);
}

/* The first tells its parent to end, and ends well afterwards; the second would too, if it began. */
static int signal_and_finish(size_t index, void *data, struct strbuf *result, struct error *err)
{
	const struct timespec moment = { .tv_nsec = 100000000 };
	(void)index;
	(void)data;
	(void)err;
	kill(getppid(), SIGTERM);
	nanosleep(&moment, NULL);
	strbuf_adds(result, "done");
	return 0;
}

static void what_has_begun_may_end(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		struct error err = ERROR_INIT;
		struct tally tally = { 0 };
		struct worker_job job = {
			.name = "x",
			.jobs = 1,
			.count = 2,
			.task = signal_and_finish,
			.done = count_done,
			.started = count_started,
			.finish_started = true,
			.data = &tally,
		};
		interrupt_setup();
		int ret = workers_run(&job, &err);
		_exit(ret == -1 && err.kind == ERROR_INTERRUPTED && tally.done == 1 &&
				      tally.started == 1
			      ? 0
			      : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int number_of(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)data;
	(void)err;
	strbuf_addf(result, "%zu", index + 40);
	return 0;
}

static int add_number(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	(void)index;
	(void)size;
	(void)err;
	*(unsigned long *)data += strtoul(result, NULL, 10);
	return 0;
}

/* The caller goes on, and asks for the results later; or does not want them any more. */
static void workers_meanwhile(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct workers *workers = NULL;
	unsigned long sum = 0;
	(void)state;
	struct worker_job job = {
		.name = "numbers",
		.jobs = 2,
		.count = 5,
		.task = number_of,
		.done = add_number,
		.data = &sum,
	};

	assert_int_equal(workers_begin(&job, &workers, NULL), 0);
	assert_non_null(workers);
	assert_int_equal(sum, 0);
	job.task = NULL; /* it has a copy */
	assert_int_equal(workers_end(&workers, NULL), 0);
	assert_null(workers);
	assert_int_equal(sum, 40 + 41 + 42 + 43 + 44);
	assert_int_equal(workers_end(&workers, NULL), 0);

	job.task = fail_at_five;
	job.count = 6;
	assert_int_equal(workers_begin(&job, &workers, NULL), 0);
	assert_int_equal(workers_end(&workers, &err), -1);
	assert_null(workers);
	assert_int_not_equal(err.kind, ERROR_NONE);

	sum = 0;
	job.task = number_of;
	assert_int_equal(workers_begin(&job, &workers, NULL), 0);
	workers_stop(&workers);
	assert_null(workers);
	assert_int_equal(sum, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	workers_stop(&workers);
}

static int print_much(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)data;
	(void)err;
	strbuf_addf(result, "%zu", index);
	for (int i = 0; i < 100000; i++)
		printf("%zu", index);
	fflush(stdout);
	fprintf(stderr, "error %zu", index);
	/* One that keeps its outputs is not waited for. */
	if (index == 1 && fork() == 0) {
		close_range(3, ~0U, 0);
		sleep(2);
		_exit(0);
	}
	return 0;
}

static size_t printed[2][3];

static int take_printed(size_t index, void *data, int fd, const char *bytes, size_t size,
			struct error *err)
{
	(void)data;
	(void)err;
	for (size_t i = 0; fd == STDOUT_FILENO && i < size; i++)
		assert_int_equal(bytes[i], '0' + (int)index);
	printed[fd - STDOUT_FILENO][index] += size;
	return 0;
}

static void what_is_printed_is_kept_apart(void **state)
{
	(void)state;
	struct worker_job job = { .name = "printing",
				  .jobs = 3,
				  .count = 3,
				  .task = print_much,
				  .printed = take_printed };
	struct timespec begun, ended;
	clock_gettime(CLOCK_MONOTONIC, &begun);
	assert_int_equal(workers_run(&job, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	assert_true(ended.tv_sec - begun.tv_sec < 2);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(printed[0][i], 100000);
		assert_int_equal(printed[1][i], strlen("error 0"));
	}
}

static int wait_for_signal(size_t index, void *data, struct strbuf *result, struct error *err)
{
	(void)data;
	(void)result;
	if (index == 1)
		kill(getppid(), SIGTERM);
	while (!interrupt_pending())
		poll(NULL, 0, 10);
	/* It takes back what it has begun. */
	kill(getppid(), SIGUSR1);
	return error_set(err, ERROR_INTERRUPTED, "told by %d", interrupt_pending());
}

static volatile sig_atomic_t taken_back;

static void count_taken_back(int number)
{
	(void)number;
	taken_back = taken_back + 1;
}

static size_t told;

static int see_told(size_t index, void *data, const struct error *why, struct error *err)
{
	(void)index;
	(void)data;
	(void)err;
	told += why->kind == ERROR_INTERRUPTED && strcmp(why->message, "told by 15") == 0;
	return 0;
}

static void pass_a_signal_on(void)
{
	struct worker_job job = { .name = "waiting",
				  .jobs = 2,
				  .count = 5,
				  .task = wait_for_signal,
				  .failed = see_told,
				  .pass_signals = true };
	struct error err = ERROR_INIT;
	struct sigaction action = { .sa_handler = count_taken_back };
	interrupt_setup();
	sigaction(SIGUSR1, &action, NULL);
	bool good = workers_run(&job, &err) < 0 && err.kind == ERROR_INTERRUPTED && told == 2 &&
		    taken_back >= 1;
	_exit(good ? 0 : 1);
}

static void a_signal_is_passed_on(void **state)
{
	(void)state;
	int status = -1;
	pid_t pid = fork();
	if (pid == 0)
		pass_a_signal_on();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_results_arrive),
		cmocka_unit_test(a_child_does_several),
		cmocka_unit_test(a_failure_arrives_whole_and_stops_the_rest),
		cmocka_unit_test(a_failure_ends_its_batch),
		cmocka_unit_test(a_batch_without_an_end),
		cmocka_unit_test(a_death_is_an_error),
		cmocka_unit_test(a_failure_need_not_stop_the_rest),
		cmocka_unit_test(no_more_are_started_than_allowed),
		cmocka_unit_test(what_has_begun_may_end),
		cmocka_unit_test(a_signal_stops_all),
		cmocka_unit_test(a_child_that_says_nothing),
		cmocka_unit_test(a_child_is_interrupted_first),
		cmocka_unit_test(a_child_is_killed_by_somebody),
		cmocka_unit_test(no_more_than_jobs),
		cmocka_unit_test(in_order_and_odd_numbers),
		cmocka_unit_test(the_parent_stops_it),
		cmocka_unit_test(children_die_with_their_parent),
		cmocka_unit_test(workers_meanwhile),
		cmocka_unit_test(what_is_printed_is_kept_apart),
		cmocka_unit_test(a_signal_is_passed_on),
		cmocka_unit_test(locks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
