/* Limits of users and groups: how they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "runtime/config/ve_quota.h"

#define KB UINT64_C(1024)
#define MB (KB * 1024)

static void test_there_and_back(void **state)
{
	static const char text[] = "1000,diskspace=102400:122880,diskinodes=5000:5000;0,diskspace="
				   "1:unlimited;4294967294,diskinodes=1:2";
	AUTO(quotas_release) struct quotas quotas = QUOTAS_INIT;
	(void)state;
	assert_int_equal(quotas_parse(text, &quotas, NULL), 0);
	assert_int_equal(quotas.count, 3);
	const struct quota *one = quotas_find(&quotas, 1000);
	assert_non_null(one);
	assert_int_equal(one->space.soft, 100 * MB);
	assert_int_equal(one->space.hard, 120 * MB);
	assert_int_equal(one->inodes.hard, 5000);
	assert_null(quotas_find(&quotas, 1001));
	autofree char *back = quotas_text(&quotas);
	assert_string_equal(back, text);
}

static void test_by_hand(void **state)
{
	AUTO(quotas_release) struct quotas quotas = QUOTAS_INIT;
	(void)state;
	assert_int_equal(quotas_parse(";7,diskspace=1M;7,diskspace=2M;8,diskinodes=unlimited;",
				      &quotas, NULL),
			 0);
	autofree char *text = quotas_text(&quotas);
	assert_string_equal(text, "7,diskspace=2048:2048");
	AUTO(quotas_release) struct quotas none = QUOTAS_INIT;
	assert_int_equal(quotas_parse("", &none, NULL), 0);
	assert_int_equal(none.count, 0);
}

static void test_changed(void **state)
{
	AUTO(quotas_release) struct quotas quotas = QUOTAS_INIT;
	struct quota one = { .id = 5, .space = { MB, MB }, .inodes = { 3, 4 } };
	(void)state;
	quotas_put(&quotas, &one);
	assert_int_equal(quota_change(&one, "diskinodes=7", NULL), 0);
	quotas_put(&quotas, &one);
	assert_int_equal(quotas.count, 1);
	assert_int_equal(quotas.items[0].space.hard, MB);
	assert_int_equal(quotas.items[0].inodes.soft, 7);
	assert_int_equal(quota_change(&one, "diskspace=unlimited,diskinodes=unlimited", NULL), 0);
	quotas_put(&quotas, &one);
	assert_int_equal(quotas.count, 0);
}

static void test_mistakes(void **state)
{
	static const char *const bad[] = {
		"1000",
		"1000,",
		",diskspace=1M",
		"x,diskspace=1M",
		"-1,diskspace=1M",
		"4294967295,diskspace=1M",
		"42949672950,diskspace=1M",
		"1000,diskspace",
		"1000,diskspace=",
		"1000,diskspace=0",
		"1000,diskspace=2M:1M",
		"1000,diskspace=17T",
		"1000,disk=1M",
		"1000,diskspaces=1M",
		"1000,diskinodes=1.5",
		"1000,diskspace=1M,",
		"1000,diskspace=1M,,diskinodes=5",
		"1000 ,diskspace=1M",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct quotas quotas;
		assert_int_equal(quotas_parse(bad[i], &quotas, &err), -1);
		assert_int_equal(err.kind, ERROR_VALUE);
		assert_null(quotas.items);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_mistakes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
