/* Lists of what the package store has to keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/cache/store_roots.h"

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *path = xasprintf("%s/roots.XXXXXX", tmp ? tmp : "/dev/shm");
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

static void put(int packages, const char *path, time_t age_s)
{
	const struct timespec then = { .tv_sec = time(NULL) - age_s };
	autoclose int fd = openat(packages, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, (struct timespec[]){ then, then }), 0);
}

static bool is_there(int packages, const char *path)
{
	return faccessat(packages, path, F_OK, 0) == 0;
}

/* A disk that takes nothing any more keeps the temporary file of a list too. */
static void what_failed_runs_left_is_swept(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	const struct plan plan = { 0 };
	autoclose int packages = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(store_root_write(packages, "old", &plan, &err), 0);
	put(packages, "roots/toy.tmp-4711-1", 2 * 3600);
	put(packages, "roots/toy.tmp-4712-1", 1); /* somebody's who has just begun */
	assert_int_equal(store_root_write(packages, "toy", &plan, &err), 0);
	assert_true(is_there(packages, "roots/old"));
	assert_true(is_there(packages, "roots/toy"));
	assert_false(is_there(packages, "roots/toy.tmp-4711-1"));
	assert_true(is_there(packages, "roots/toy.tmp-4712-1"));
}

static void reading_takes_no_temporary_file_for_a_list(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(store_needs_release) struct store_needs needs = STORE_NEEDS_INIT;
	autoclose int packages = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(mkdirat(packages, "roots", 0755), 0);
	put(packages, "roots/toy.tmp-4711-1", 2 * 3600);
	put(packages, "roots/toy.tmp-4712-1", 1);
	assert_int_equal(store_roots_read(packages, true, &needs, &err), 0);
	assert_int_equal(needs.count, 0);
	assert_false(is_there(packages, "roots/toy.tmp-4711-1"));
	assert_true(is_there(packages, "roots/toy.tmp-4712-1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_failed_runs_left_is_swept, setup, teardown),
		cmocka_unit_test_setup_teardown(reading_takes_no_temporary_file_for_a_list, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
