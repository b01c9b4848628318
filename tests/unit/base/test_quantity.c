/* Sizes with and without letters. */
#include "tests/unit/base/scratch.h"

#include <string.h>
#include <unistd.h>

#include "base/quantity.h"

static void test_good(void **state)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const struct {
		const char *text;
		uint64_t value;
		char unit;
	} cases[] = {
		{ "0", 0, 0 },
		{ "007", 7, 0 },
		{ "9223372036854775807", INT64_MAX, 0 },
		{ "5b", 5, 'B' },
		{ "3K", 3 << 10, 'K' },
		{ "512M", 512 << 20, 'M' },
		{ "2g", UINT64_C(2) << 30, 'G' },
		{ "8T", UINT64_C(8) << 40, 'T' },
		{ "16p", 16 * page, 'P' },
		{ "2.5K", 2560, 'K' },
		{ "2.2G", 2362232012, 'G' },
		{ "0.5M", 1 << 19, 'M' },
		{ "1.00000000000000000001K", 1024, 'K' },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t value = 99;
		char unit = 'x';
		assert_int_equal(
			quantity_parse(cases[i].text, strlen(cases[i].text), &value, &unit), 0);
		assert_int_equal(value, cases[i].value);
		assert_int_equal(unit, cases[i].unit);
	}
}

static void test_bad(void **state)
{
	static const char *const cases[] = {
		"",
		"-1",
		"+1",
		" 1",
		"1 ",
		"x",
		"K",
		".5K",
		"1.K",
		"1.5",
		"1KB",
		"1KK",
		"1,5",
		"0x10",
		"1e3",
		"1.5.2K",
		"9223372036854775808",
		"99999999999999999999999",
		"9000000T",
		"8388608T",
		"unlimited",
	};
	uint64_t value;
	char unit;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(quantity_parse(cases[i], strlen(cases[i]), &value, &unit), -1);
	/* Only so much of it counts. */
	assert_int_equal(quantity_parse("12K:x", 3, &value, &unit), 0);
	assert_int_equal(value, 12 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
