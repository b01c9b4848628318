#include "tests/unit/base/scratch.h"

#include <signal.h>
#include <time.h>

#include "base/interrupt.h"
#include "base/lock.h"

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void test_modes(void **state)
{
	struct scratch *scratch = *state;
	struct lock a = LOCK_INIT, b = LOCK_INIT, c = LOCK_INIT;
	struct stat st;

	assert_true(lock_try(&a, scratch->dir, "l", LOCK_SHARED));
	assert_true(lock_try(&b, scratch->dir, "l", LOCK_SHARED));
	assert_false(lock_try(&c, scratch->dir, "l", LOCK_EXCLUSIVE));
	lock_release(&a);
	assert_false(lock_try(&c, scratch->dir, "l", LOCK_EXCLUSIVE));
	lock_release(&b);
	assert_true(lock_try(&c, scratch->dir, "l", LOCK_EXCLUSIVE));
	assert_false(lock_try(&a, scratch->dir, "l", LOCK_SHARED));
	assert_false(lock_try(&a, scratch->dir, "l", LOCK_EXCLUSIVE));
	assert_true(lock_try(&a, scratch->dir, "other", LOCK_EXCLUSIVE));
	assert_int_equal(fcntl(c.fd, F_GETFD), FD_CLOEXEC);

	/* Nobody else may open it: a shared lock would keep everybody out. */
	assert_int_equal(fstatat(scratch->dir, "l", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	lock_remove(&c, scratch->dir, "l");
	lock_release(&c); /* once more does no harm */
	assert_false(exists(scratch->dir, "l"));
	lock_release(&a);
}

static void test_cannot_be(void **state)
{
	struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct lock lock = LOCK_INIT;

	put_file(scratch->dir, "victim", "text");
	assert_int_equal(symlinkat("victim", scratch->dir, "link"), 0);
	assert_int_equal(
		lock_take(&lock, scratch->dir, "link", LOCK_EXCLUSIVE, 5, NULL, NULL, &err), -1);
	assert_non_null(strstr(err.message, "locking link: "));
	assert_content(scratch->dir, "victim", "text");
	assert_int_equal(lock_take(&lock, scratch->dir, "no/l", LOCK_SHARED, 5, NULL, NULL, &err),
			 -1);
	assert_false(lock_try(&lock, scratch->dir, "no/l", LOCK_SHARED));
	assert_int_equal(lock.fd, -1);
}

struct told {
	unsigned times;
	char holder[256];
};

static void remember(const char *holder, void *data)
{
	struct told *told = data;
	told->times++;
	snprintf(told->holder, sizeof(told->holder), "%s", holder);
}

static void test_waiting(void **state)
{
	struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct lock held = LOCK_INIT, lock = LOCK_INIT;
	struct told told = { 0 };
	autofree char *self = xasprintf("pid %d (test_lock)", (int)getpid());

	put_file(scratch->dir, "l", "pid 1 (a longer text of a holder of long ago)\n");
	assert_int_equal(
		lock_take(&held, scratch->dir, "l", LOCK_EXCLUSIVE, 0, remember, &told, &err), 0);
	assert_int_equal(told.times, 0);

	int64_t begun = now_ms();
	assert_int_equal(
		lock_take(&lock, scratch->dir, "l", LOCK_EXCLUSIVE, 0, remember, &told, &err), -1);
	assert_true(now_ms() - begun < 200);
	assert_int_equal(err.kind, ERROR_LOCKED);
	assert_non_null(strstr(err.message, self));
	assert_string_equal(told.holder, self);

	begun = now_ms();
	assert_int_equal(lock_take(&lock, scratch->dir, "l", LOCK_SHARED, 1, remember, &told, &err),
			 -1);
	assert_true(now_ms() - begun >= 1000 && now_ms() - begun < 2500);
	assert_int_equal(told.times, 2); /* once each time */
	assert_non_null(strstr(err.message, "after 1 s"));
	assert_non_null(strstr(err.hint, "--timeout"));
	assert_int_equal(lock.fd, -1);
	lock_release(&held);
}

/* Between a holder's lock and its name in the file there is a moment. */
static void test_nameless_holder(void **state)
{
	struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct lock held = LOCK_INIT, lock = LOCK_INIT;
	struct told told = { 0 };

	assert_true(lock_try(&held, scratch->dir, "l", LOCK_EXCLUSIVE));
	assert_int_equal(ftruncate(held.fd, 0), 0);
	assert_int_equal(
		lock_take(&lock, scratch->dir, "l", LOCK_EXCLUSIVE, 1, remember, &told, &err), -1);
	assert_int_equal(told.times, 1);
	assert_string_equal(told.holder, "another process");
	assert_non_null(strstr(err.message, "locked by another process"));

	pid_t pid = fork();
	if (pid == 0) {
		usleep(3000);
		_exit(pwrite(held.fd, "pid 7 (late)\n", 13, 0) == 13 ? 0 : 1);
	}
	assert_int_equal(
		lock_take(&lock, scratch->dir, "l", LOCK_EXCLUSIVE, 1, remember, &told, &err), -1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_non_null(strstr(err.message, "locked by pid 7 (late)"));
	lock_release(&held);
}

/* Who waits for readers is told of one of them, and not of a writer of long ago. */
static void test_reader_is_named(void **state)
{
	struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct lock held = LOCK_INIT, lock = LOCK_INIT;
	autofree char *self = xasprintf("by pid %d (test_lock)", (int)getpid());

	put_file(scratch->dir, "l", "pid 1 (writer)\n");
	assert_true(lock_try(&held, scratch->dir, "l", LOCK_SHARED));
	assert_int_equal(lock_take(&lock, scratch->dir, "l", LOCK_EXCLUSIVE, 0, NULL, NULL, &err),
			 -1);
	assert_non_null(strstr(err.message, self));
	lock_release(&held);
}

/* This program as another one, with a command line like vzpkg's; see main(). */
static pid_t start_holder(struct scratch *scratch)
{
	pid_t pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "/usr/sbin/test_lock", "--conf", scratch->path, "-q",
		      "--timeout", "5", "create-cache", "debian-12", (char *)NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	for (unsigned i = 0; i < 1000 && !exists(scratch->dir, "ready"); i++)
		usleep(10000);
	assert_true(exists(scratch->dir, "ready"));
	return pid;
}

static int hold(const char *folder)
{
	struct lock lock = LOCK_INIT;
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!lock_try(&lock, dir, "l", LOCK_EXCLUSIVE))
		return 1;
	put_file(dir, "ready", "");
	for (;;)
		pause();
}

static void test_holder_is_named_and_killed(void **state)
{
	struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct lock lock = LOCK_INIT;
	pid_t pid = start_holder(scratch);
	autofree char *holder = xasprintf("pid %d (test_lock create-cache)\n", (int)pid);

	assert_content(scratch->dir, "l", holder);
	assert_false(lock_try(&lock, scratch->dir, "l", LOCK_EXCLUSIVE));
	kill(pid, SIGKILL);
	assert_int_equal(lock_take(&lock, scratch->dir, "l", LOCK_EXCLUSIVE, 10, NULL, NULL, &err),
			 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	lock_release(&lock);
}

static int wait_and_be_interrupted(void *data)
{
	const struct scratch *scratch = data;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct lock lock = LOCK_INIT;
	interrupt_setup();
	put_file(scratch->dir, "ready", "");
	if (lock_take(&lock, scratch->dir, "l", LOCK_EXCLUSIVE, 60, NULL, NULL, &err) == 0)
		return 1;
	return err.kind == ERROR_INTERRUPTED && strstr(err.message, "SIGTERM") ? 0 : 2;
}

static void test_signal_ends_waiting(void **state)
{
	struct scratch *scratch = *state;
	struct lock held = LOCK_INIT;
	int status;

	assert_true(lock_try(&held, scratch->dir, "l", LOCK_EXCLUSIVE));
	pid_t pid = fork();
	if (pid == 0)
		_exit(wait_and_be_interrupted(scratch));
	while (!exists(scratch->dir, "ready"))
		usleep(1000);
	int64_t begun = now_ms();
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_exit(status, 0);
	assert_true(now_ms() - begun < 5000);
	lock_release(&held);
}

/* Each holder removes the file, so that waiters find themselves with a file that is no more. */
enum { PROCESSES = 5, ROUNDS = 30 };

static int count_up(void *data)
{
	const struct scratch *scratch = data;
	for (unsigned i = 0; i < ROUNDS; i++) {
		AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
		struct lock lock = LOCK_INIT;
		if (lock_take(&lock, scratch->dir, "l", LOCK_EXCLUSIVE, 120, NULL, NULL, NULL) < 0)
			return 1;
		if (file_read(scratch->dir, "count", 100, &text, NULL) < 0)
			return 2;
		autofree char *next = xasprintf("%ld", strtol(text.text, NULL, 10) + 1);
		put_file(scratch->dir, "count", next);
		if (i % 3)
			lock_remove(&lock, scratch->dir, "l");
		else
			lock_release(&lock);
	}
	return 0;
}

static void test_removed_by_holders(void **state)
{
	struct scratch *scratch = *state;
	pid_t pids[PROCESSES];
	int status;

	put_file(scratch->dir, "count", "0");
	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(count_up(scratch));
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_exit(status, 0);
	}
	autofree char *expected = xasprintf("%d", PROCESSES * ROUNDS);
	assert_content(scratch->dir, "count", expected);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		scratch_test(test_modes),
		scratch_test(test_cannot_be),
		scratch_test(test_waiting),
		scratch_test(test_nameless_holder),
		scratch_test(test_reader_is_named),
		scratch_test(test_holder_is_named_and_killed),
		scratch_test(test_signal_ends_waiting),
		scratch_test(test_removed_by_holders),
	};
	if (argc > 2)
		return hold(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
