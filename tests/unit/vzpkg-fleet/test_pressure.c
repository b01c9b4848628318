/* How many VEs may be at work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

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

static void the_kernels_idle_time(void **state)
{
	(void)state;
	uint64_t idle = 0, ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	char text[128];
	snprintf(text, sizeof(text),
		 "cpu  11 22 33 %ju %ju 0 3637 5018 0 0\ncpu0 1 2 3 4 5 0 0 0 0 0\n",
		 (uintmax_t)(6 * ticks), (uintmax_t)(2 * ticks));
	assert_true(pressure_parse_idle(text, 4, &idle));
	assert_int_equal(idle, 2000000);
	assert_false(pressure_parse_idle("", 4, &idle));
	assert_false(pressure_parse_idle("cpu  11 22 33\n", 4, &idle));
	assert_false(pressure_parse_idle(text, 0, &idle));
}

/* Half a second later, of which the CPUs were idle so many percent, with so many percent of it waited for each. */
static unsigned after(struct governor *governor, unsigned idle, unsigned cpu, unsigned io,
		      unsigned memory)
{
	struct pressure now = governor->last;
	now.at_us += 500000;
	now.idle += 5000 * idle;
	now.cpu += 5000 * cpu;
	now.io += 5000 * io;
	now.memory += 5000 * memory;
	governor_decide(governor, &now);
	return governor->now;
}

static void goes_down_and_up(void **state)
{
	(void)state;
	struct governor governor = { .least = 1, .most = 9, .now = 4 };

	assert_int_equal(after(&governor, 50, 20, 0, 0), 6);
	assert_int_equal(after(&governor, 90, 0, 0, 0), 9); /* no more than may be */
	assert_int_equal(after(&governor, 5, 90, 0, 0), 9); /* they wait for each other */
	assert_int_equal(after(&governor, 0, 90, 0, 0), 8);
	assert_int_equal(after(&governor, 0, 50, 0, 0), 8);
	assert_int_equal(after(&governor, 90, 0, 80, 0), 7);
	assert_int_equal(after(&governor, 90, 0, 0, 20), 6);
	assert_int_equal(after(&governor, 90, 0, 40, 0), 6);
	assert_int_equal(after(&governor, 90, 0, 0, 7), 6);
	governor.now = 1;
	assert_int_equal(after(&governor, 0, 99, 99, 99), 1); /* the work goes on */
	assert_int_equal(after(&governor, 20, 50, 10, 1), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernels_text),
		cmocka_unit_test(the_kernels_idle_time),
		cmocka_unit_test(goes_down_and_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
