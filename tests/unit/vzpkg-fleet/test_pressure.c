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

/* A tenth of a second later, of which the CPUs were idle so many percent, with so many percent of it waited for each. */
static unsigned after(struct governor *governor, unsigned working, unsigned idle, unsigned io,
		      unsigned memory)
{
	struct pressure now = governor->last;
	now.at_us += 100000;
	now.idle += 1000 * idle;
	now.io += 1000 * io;
	now.memory += 1000 * memory;
	governor_decide(governor, working, &now);
	return governor->now;
}

static void idle_cpus_let_more_begin(void **state)
{
	(void)state;
	struct governor governor = { .cpus = 4, .most = 20, .now = 4 };

	assert_int_equal(after(&governor, 4, 50, 0, 0), 6);
	assert_int_equal(after(&governor, 6, 90, 0, 0), 10);
	assert_int_equal(after(&governor, 10, 10, 0, 0), 11);
	assert_int_equal(after(&governor, 11, 5, 0, 0),
			 11); /* one that ends is followed by another */
	assert_int_equal(after(&governor, 19, 90, 0, 0), 20); /* no more than may be */
	assert_int_equal(after(&governor, 19, 0, 0, 0),
			 4); /* none is begun while more are at work */
	assert_int_equal(after(&governor, 0, 0, 0, 0), 4);
}

static void pressure_lets_none_begin(void **state)
{
	(void)state;
	struct governor governor = { .cpus = 4, .most = 20, .now = 4 };

	assert_int_equal(after(&governor, 8, 90, 80, 0), 1); /* the work goes on */
	assert_int_equal(after(&governor, 8, 90, 0, 20), 1);
	assert_int_equal(after(&governor, 7, 90, 40, 0), 7);
	assert_int_equal(after(&governor, 7, 90, 0, 7), 7);
	assert_int_equal(after(&governor, 0, 5, 0, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernels_text),
		cmocka_unit_test(the_kernels_idle_time),
		cmocka_unit_test(idle_cpus_let_more_begin),
		cmocka_unit_test(pressure_lets_none_begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
