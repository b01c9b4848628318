#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/cache/workdir.h"

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *path = xasprintf("%s/workdir.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(path));
	*state = path;
	return 0;
}

static int teardown(void **state)
{
	tree_remove(AT_FDCWD, *state, NULL);
	free(*state);
	return 0;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void made_and_removed(void **state)
{
	struct workdir dir = WORKDIR_INIT;
	struct stat st;

	assert_int_equal(workdir_create(&dir, *state, "debian-12", NULL), 0);
	autofree char *path = xstrdup(dir.path);
	autofree char *prefix = xasprintf("%s/tmp/debian-12.", (char *)*state);
	assert_memory_equal(path, prefix, strlen(prefix));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);

	assert_int_equal(mkdirat(dir.fd, "tree", 0755), 0);
	assert_int_equal(symlinkat("/", dir.fd, "tree/root"), 0);
	workdir_remove(&dir);
	assert_false(exists(path));
	assert_true(exists("/etc"));
	workdir_remove(&dir); /* a second time is nothing */
}

static void two_at_once_have_two_names(void **state)
{
	struct workdir one = WORKDIR_INIT, two = WORKDIR_INIT;
	assert_int_equal(workdir_create(&one, *state, "same", NULL), 0);
	assert_int_equal(workdir_create(&two, *state, "same", NULL), 0);
	assert_string_not_equal(one.path, two.path);
	workdir_remove(&one);
	assert_true(exists(two.path));
	workdir_remove(&two);
}

/* A process that makes one, tells, and waits to be killed. */
static pid_t start_owner(const char *template_dir)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct workdir dir = WORKDIR_INIT;
		if (workdir_create(&dir, template_dir, "owned", NULL) < 0 ||
		    mkdirat(dir.fd, "tree", 0755) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void what_a_killed_run_left_is_swept(void **state)
{
	int status;
	struct workdir own = WORKDIR_INIT;

	assert_int_equal(workdir_create(&own, *state, "own", NULL), 0);
	pid_t pid = start_owner(*state);
	assert_int_equal(workdir_sweep(*state), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(workdir_sweep(*state), 1);
	assert_int_equal(workdir_sweep(*state), 0);
	assert_true(exists(own.path));
	workdir_remove(&own);
}

/* Between mkdir and locking there is a moment; a folder that was left in it is swept later. */
static void a_newborn_is_left_alone(void **state)
{
	autofree char *path = xasprintf("%s/tmp/newborn.000001", (char *)*state);
	struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };

	autofree char *tmp = xasprintf("%s/tmp", (char *)*state);
	close(dir_open(AT_FDCWD, tmp, true, 0755, NULL));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(workdir_sweep(*state), 0);
	assert_true(exists(path));
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(workdir_sweep(*state), 1);
	assert_false(exists(path));
}

static int take_away(int folder, const char *path, void *data)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	unsigned *fails = data;
	assert_true(exists(path));
	assert_int_equal(file_read(folder, WORKDIR_HOLD, 100, &text, NULL), 0);
	assert_string_equal(text.text, "what");
	return *fails ? (--*fails, -1) : 0;
}

/* Something outside belongs to it: it stays until that has been taken away. */
static void a_held_one_stays(void **state)
{
	struct workdir dir = WORKDIR_INIT;
	unsigned fails = 1;
	assert_int_equal(workdir_create(&dir, *state, "x", NULL), 0);
	autofree char *path = xstrdup(dir.path);
	assert_int_equal(file_write_atomic(dir.fd, WORKDIR_HOLD, 0600, "what", 4, NULL), 0);
	assert_int_equal(workdir_sweep_held(*state, take_away, &fails), 0); /* it has an owner */
	assert_int_equal(fails, 1);
	workdir_remove(&dir);
	assert_true(exists(path));
	assert_int_equal(workdir_sweep(*state), 0);
	assert_int_equal(workdir_sweep_held(*state, take_away, &fails), 0); /* it fails */
	assert_int_equal(workdir_sweep(*state), 0);
	assert_int_equal(workdir_sweep_held(*state, take_away, &fails), 1);
	assert_int_equal(workdir_sweep(*state), 1);
	assert_false(exists(path));
}

static void nowhere_is_an_error(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct workdir dir = WORKDIR_INIT;
	autofree char *file = xasprintf("%s/file", (char *)*state);

	assert_int_equal(file_write_atomic(AT_FDCWD, file, 0644, "", 0, NULL), 0);
	assert_int_equal(workdir_create(&dir, file, "x", &err), -1);
	assert_non_null(strstr(err.message, file));
	assert_int_equal(dir.fd, -1);
	assert_int_equal(workdir_sweep(file), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_and_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(two_at_once_have_two_names, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_killed_run_left_is_swept, setup, teardown),
		cmocka_unit_test_setup_teardown(a_newborn_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_held_one_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(nowhere_is_an_error, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
