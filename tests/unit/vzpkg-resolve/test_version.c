#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "vzpkg/resolve/version.h"

struct row {
	const char *smaller, *larger;
};

static void ascending(enum package_format format, const struct row *rows, size_t count)
{
	AUTO(version_order_freep) struct version_order *order = version_order_new(format);
	for (size_t i = 0; i < count; i++) {
		assert_true(version_compare(order, rows[i].smaller, rows[i].larger) < 0);
		assert_true(version_compare(order, rows[i].larger, rows[i].smaller) > 0);
		assert_int_equal(version_compare(order, rows[i].smaller, rows[i].smaller), 0);
	}
}

static void versions_of_dpkg(void **state)
{
	static const struct row rows[] = {
		{ "1.0~rc1-1", "1.0-1" }, { "1.0-1", "1.0-1+deb12u1" },  { "9", "10" },
		{ "2.0", "1:0.1" },       { "5.2.15-2", "5.2.15-2+b1" }, { "1.0a", "1.0+" },
	};
	(void)state;
	ascending(PACKAGE_DEB, rows, sizeof(rows) / sizeof(*rows));
}

static void versions_of_rpm(void **state)
{
	static const struct row rows[] = {
		{ "1.0~rc1-1", "1.0-1" }, { "1.0-1", "1.0^git1-1" }, { "1.0-1.fc4", "1.0-1.fc5" },
		{ "2.0-1", "1:0.1-1" },   { "1.0a-1", "1.0.1-1" },   { "3.9-2", "3.10-1" },
	};
	(void)state;
	ascending(PACKAGE_RPM, rows, sizeof(rows) / sizeof(*rows));
}

/* The two do not agree on what a letter after a digit is. */
static void each_has_its_own(void **state)
{
	AUTO(version_order_freep) struct version_order *deb = version_order_new(PACKAGE_DEB);
	AUTO(version_order_freep) struct version_order *rpm = version_order_new(PACKAGE_RPM);
	(void)state;
	assert_true(version_compare(deb, "1.0.a", "1.0.1") > 0);
	assert_true(version_compare(rpm, "1.0.a", "1.0.1") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_of_dpkg),
		cmocka_unit_test(versions_of_rpm),
		cmocka_unit_test(each_has_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
