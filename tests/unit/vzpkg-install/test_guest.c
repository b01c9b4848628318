#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vzpkg/install/guest.h"

static const char *const with = "/proc/self/maps.with", *const without = "/dev/null";

static int check(const char *name, const char *version, const char *arch, const char *maps,
		 struct error *err)
{
	struct plan_package package = { .name = (char *)name,
					.version = (char *)version,
					.arch = (char *)arch };
	struct plan plan = { .packages = &package, .count = 1 };
	return guest_check_kernel(&plan, maps, err);
}

static void old_guests(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(check("glibc", "2.3.5-10", "x86_64", without, &err), -1);
	assert_int_equal(err.kind, ERROR_CONTAINER);
	assert_non_null(strstr(err.hint, "vsyscall=xonly"));
	error_clear(&err);
	assert_int_equal(check("libc6", "2.7-18lenny7", "amd64", without, NULL), -1);
	assert_int_equal(check("glibc", "1:2.12-1.212.el6", "x86_64", without, NULL), -1);
}

static void others(void **state)
{
	(void)state;
	assert_int_equal(check("glibc", "2.3.5-10", "i686", without, NULL), 0);
	assert_int_equal(check("glibc", "2.17-317.el7", "x86_64", without, NULL), 0);
	assert_int_equal(check("libc6", "2.36-9", "amd64", without, NULL), 0);
	assert_int_equal(check("glibc-common", "2.3.5-10", "x86_64", without, NULL), 0);
	/* Not to be read: no reason to refuse. */
	assert_int_equal(check("glibc", "2.3.5-10", "x86_64", with, NULL), 0);
}

static void with_the_page(void **state)
{
	char path[] = "/tmp/test_guest.XXXXXX";
	int fd = mkstemp(path);
	static const char line[] =
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\n";

	(void)state;
	assert_int_equal(write(fd, line, strlen(line)), (ssize_t)strlen(line));
	close(fd);
	int result = check("glibc", "2.3.5-10", "x86_64", path, NULL);
	unlink(path);
	assert_int_equal(result, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_guests),
		cmocka_unit_test(others),
		cmocka_unit_test(with_the_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
