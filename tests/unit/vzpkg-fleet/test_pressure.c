/* How many VEs may be at work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vzpkg/fleet/pressure.h"

static void the_kernels_text(void **state)
{
	(void)state;
	uint64_t total = 0;
	assert_true(pressure_parse("some avg10=1.50 avg60=0.66 avg300=0.20 total=6073260467\n"
				   "full avg10=0.00 avg60=0.00 avg300=0.00 total=17\n",
				   &total));
	assert_int_equal(total, 6073260467);
	assert_false(pressure_parse("", &total));
	assert_false(pressure_parse("full avg10=0.00 total=17\n", &total));
	assert_false(pressure_parse("some avg10=0.00\n", &total));
}

/* Half a second later, with so many percent of it waited for each. */
static unsigned after(struct governor *governor, unsigned cpu, unsigned io, unsigned memory)
{
	struct pressure now = governor->last;
	now.at_us += 500000;
	now.cpu += 5000 * cpu;
	now.io += 5000 * io;
	now.memory += 5000 * memory;
	governor_decide(governor, &now);
	return governor->now;
}

static void goes_down_and_up(void **state)
{
	(void)state;
	struct governor governor = { .least = 1, .most = 4, .now = 3 };

	assert_int_equal(after(&governor, 0, 0, 0), 4);
	assert_int_equal(after(&governor, 0, 0, 0), 4);
	assert_int_equal(after(&governor, 90, 0, 0), 3);
	assert_int_equal(after(&governor, 50, 0, 0), 3);
	assert_int_equal(after(&governor, 0, 80, 0), 2);
	assert_int_equal(after(&governor, 0, 0, 20), 1);
	assert_int_equal(after(&governor, 99, 99, 99), 1);
	assert_int_equal(after(&governor, 10, 10, 1), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernels_text),
		cmocka_unit_test(goes_down_and_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
