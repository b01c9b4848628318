#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "runtime/net/address.h"

static void assert_text(const char *given, const char *expected)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct address address;
	assert_int_equal(address_parse(given, &address, &err), 0);
	autofree char *text = address_text(&address);
	assert_string_equal(text, expected);
}

static void canonical_text(void **state)
{
	(void)state;
	assert_text("10.0.0.5", "10.0.0.5");
	assert_text("10.0.0.5/32", "10.0.0.5");
	assert_text("10.0.0.5/24", "10.0.0.5/24");
	assert_text("2001:DB8:0:0::5", "2001:db8::5");
	assert_text("2001:db8::5/64", "2001:db8::5/64");
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"",          "10.0.0",      "10.0.0.256",      "010.0.0.1",       "10.0.0.1 ",
		"0.0.0.0",   "127.0.0.1",   "224.0.0.1",       "255.255.255.255", "::",
		"::1",       "fe80::1",     "ff02::1",         "::ffff:10.0.0.1", "10.0.0.1/33",
		"10.0.0.1/", "10.0.0.1/-1", "2001:db8::1/129", "2001:db8:::1",    "all",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct address address;
		assert_int_equal(address_parse(bad[i], &address, &err), -1);
		assert_int_equal(err.kind, ERROR_ADDRESS);
		assert_non_null(err.hint);
	}
}

static void equal_without_the_prefix(void **state)
{
	struct address a, b, c;
	(void)state;
	assert_int_equal(address_parse("10.0.0.1/24", &a, NULL), 0);
	assert_int_equal(address_parse("10.0.0.1", &b, NULL), 0);
	assert_int_equal(address_parse("a00:1::", &c, NULL), 0);
	assert_true(address_equal(&a, &b));
	assert_false(address_equal(&a, &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical_text),
		cmocka_unit_test(refused),
		cmocka_unit_test(equal_without_the_prefix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
