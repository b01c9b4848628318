/* What the values of a VE's settings may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/config/parameter.h"

static const char *const good[][2] = {
	{ "ONBOOT", "yes" },
	{ "ONBOOT", "auto" },
	{ "BOOTORDER", "0" },
	{ "BOOTORDER", "2147483647" },
	{ "STOP_TIMEOUT", "86400" },
	{ "NAMESERVER", "inherit" },
	{ "NAMESERVER", "9.9.9.9 2001:db8::1" },
	{ "SEARCHDOMAIN", "example.org _x.example" },
	{ "DESCRIPTION", "" },
	{ "NAME", "web-1" },
	{ "HOSTNAME", "a.b-c" },
	{ "IP_ADDRESS", "" },
	{ "VE_ROOT", "/vz/root/1" },
	{ "LOCAL_UID", "131072" },
	{ "NUMPROC", "240" },
	{ "NUMPROC", "240:unlimited" },
	{ "PHYSPAGES", "0:256M" },
	{ "DISKSPACE", "2G:2.2g" },
	{ "KMEMSIZE", "0:9223372036854775807" },
	{ "CPUUNITS", "8" },
};

static const char *const bad[][2] = {
	{ "ONBOOT", "" },
	{ "ONBOOT", "Yes" },
	{ "BOOTORDER", "" },
	{ "BOOTORDER", "-1" },
	{ "BOOTORDER", " 1" },
	{ "BOOTORDER", "1x" },
	{ "BOOTORDER", "2147483648" },
	{ "BOOTORDER", "99999999999999999999999" },
	{ "STOP_TIMEOUT", "86401" },
	{ "NAMESERVER", "" },
	{ "NAMESERVER", "9.9.9.9 inherit" },
	{ "SEARCHDOMAIN", "-x" },
	{ "SEARCHDOMAIN", "a/b" },
	{ "DESCRIPTION", "a\nb" },
	{ "NAME", "101" },
	{ "HOSTNAME", "" },
	{ "HOSTNAME", "a..b" },
	{ "HOSTNAME", "-a" },
	{ "IP_ADDRESS", "10.0.0" },
	{ "VE_ROOT", "vz" },
	{ "VE_LAYOUT", "ploop" },
	{ "VE_LAYER", "abc" },
	{ "LOCAL_UID", "1000" },
	{ "NUMPROC", "" },
	{ "NUMPROC", ":" },
	{ "NUMPROC", "1:" },
	{ "NUMPROC", "-1:5" },
	{ "NUMPROC", "1:2:3" },
	{ "NUMPROC", "0x10" },
	{ "NUMPROC", "inf" },
	{ "KMEMSIZE", "1Q" },
	{ "KMEMSIZE", "1MM" },
	{ "CPUUNITS", "7" },
	{ "CPUUNITS", "500001" },
};

static void values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(parameter_check(parameter_find(good[i][0]), "x", good[i][1], NULL),
				 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(parameter_check(parameter_find(bad[i][0]), "x", bad[i][1], NULL),
				 -1);
}

static void messages_say_what_is_allowed(void **state)
{
	struct error err = ERROR_INIT;
	(void)state;
	assert_int_equal(parameter_check(parameter_find("BOOTORDER"), "--bootorder", "-1", &err),
			 -1);
	assert_int_equal(err.kind, ERROR_VALUE);
	assert_string_equal(err.message, "--bootorder cannot be \"-1\": it is a number from 0 to "
					 "2147483647");
	error_clear(&err);
}

static void amounts(void **state)
{
	static const struct {
		const char *key, *value;
		uint64_t barrier, limit;
	} cases[] = {
		{ "NUMPROC", "7", 7, 7 },
		{ "PHYSPAGES", "1:6K", 4096, 8192 },
		{ "PRIVVMPAGES", "1P:unlimited", 4096, UINT64_MAX },
		{ "DISKSPACE", "1:1.5M", 1024, 3 << 19 },
		{ "KMEMSIZE", "0:9223372036854775807", 0, UINT64_MAX },
		{ "KMEMSIZE", "9T:unlimited", UINT64_C(9) << 40, UINT64_MAX },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t barrier, limit;
		assert_true(parameter_limits(parameter_find(cases[i].key), cases[i].value, &barrier,
					     &limit));
		assert_true(barrier == cases[i].barrier && limit == cases[i].limit);
	}
}

static void what_is_a_ves_own(void **state)
{
	(void)state;
	assert_true(parameter_is_own(parameter_find("HOSTNAME")));
	assert_false(parameter_is_own(parameter_find("PHYSPAGES")));
	assert_null(parameter_find("FUTURE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(messages_say_what_is_allowed),
		cmocka_unit_test(amounts),
		cmocka_unit_test(what_is_a_ves_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
