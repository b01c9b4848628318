/* How limits of disk space are written, and the keys that say where a VE's files are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/config/ve_disk.h"

#define KB UINT64_C(1024)
#define MB (KB * 1024)
#define GB (MB * 1024)

static void space(const char *text, uint64_t soft, uint64_t hard)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct disk_limit limit;
	assert_int_equal(disk_space_parse("x", text, &limit, &err), 0);
	assert_int_equal(limit.soft, soft);
	assert_int_equal(limit.hard, hard);
}

static void test_space(void **state)
{
	(void)state;
	space("2G:2.2G", 2 * GB, (uint64_t)(2.2 * (double)GB));
	space("1048576", GB, GB);
	space("1048576:1153434", GB, 1153434 * KB);
	space("32m", 32 * MB, 32 * MB);
	space("33554432B:65536P", 32 * MB, 256 * MB);
	space("0.5T:16T", 512 * GB, 16384 * GB);
	space("unlimited", 0, 0);
	space("1G:unlimited", GB, 0);
	space("9223372036854775807:9223372036854775807", 0, 0);
	space(NULL, 0, 0);
}

static void test_space_that_is_none(void **state)
{
	static const char *const bad[] = {
		"",        "-1G",        "1G:",
		":1G",     "1X",         "1GB",
		"G",       "1.G",        ".5G",
		"1.5",     "0",          "31M",
		"17T",     "2G:1G",      "1G:2G:3G",
		"0x100M",  "inf",        "1e9",
		"1G 2G",   " 1G",        "1G ",
		"+1G",     "1,5G",       "unlimited:1G",
		"nolimit", "1G:unlimit", "99999999999999999999999999G",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct disk_limit limit;
		assert_int_equal(disk_space_parse("--diskspace", bad[i], &limit, &err), -1);
		assert_int_equal(err.kind, ERROR_VALUE);
		assert_non_null(strstr(err.message, "--diskspace"));
		assert_non_null(strstr(err.message, bad[i]));
	}
}

static void test_inodes(void **state)
{
	static const char *const bad[] = { "",           "-5",  "1T",    "0.5K",     "999",
					   "4294967296", "5.5", "2000P", "2000:1000" };
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct disk_limit limit;
	(void)state;
	assert_int_equal(disk_inodes_parse("x", "131072:144179", &limit, &err), 0);
	assert_int_equal(limit.soft, 131072);
	assert_int_equal(limit.hard, 144179);
	assert_int_equal(disk_inodes_parse("x", "128k", &limit, &err), 0);
	assert_int_equal(limit.hard, 131072);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(disk_inodes_parse("x", bad[i], &limit, &err), -1);
}

/* 0, or -1 with *err. */
static int load(const char *text, struct ve_disk *disk, struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	assert_int_equal(conf_parse(&config.conf, "101.conf", text, strlen(text), err), 0);
	return ve_disk_load(&config, disk, err);
}

static void test_where(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_disk_release) struct ve_disk disk = VE_DISK_INIT;
	(void)state;
	assert_int_equal(load("", &disk, &err), 0);
	assert_null(disk.folder);
	assert_int_equal(disk.kind, DISK_NONE);
	autofree char *first = ve_disk_next(&disk);
	assert_string_equal(first, "disk.1");
	assert_int_equal(
		load("VE_DISK=disk.7\nVE_DISK_KIND=project\nVE_DISK_PROJECT=101\n", &disk, &err),
		0);
	assert_string_equal(disk.folder, "disk.7");
	assert_int_equal(disk.project, 101);
	autofree char *next = ve_disk_next(&disk);
	assert_string_equal(next, "disk.8");
}

static void test_nowhere(void **state)
{
	static const char *const bad[] = {
		"VE_DISK=../101\n",
		"VE_DISK=disk.\n",
		"VE_DISK=disk.1/..\n",
		"VE_DISK=disk.1234567890\n",
		"VE_DISK_KIND=image\n",
		"VE_DISK=disk.1\nVE_DISK_KIND=auto\n",
		"VE_DISK=disk.1\nVE_DISK_KIND=ploop\n",
		"VE_DISK=disk.1\nVE_DISK_KIND=project\n",
		"VE_DISK_PROJECT=-1\n",
		"VE_DISK_PROJECT=4294967296\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(ve_disk_release) struct ve_disk disk = VE_DISK_INIT;
		assert_int_equal(load(bad[i], &disk, &err), -1);
		assert_int_equal(err.kind, ERROR_PARSE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_space),   cmocka_unit_test(test_space_that_is_none),
		cmocka_unit_test(test_inodes),  cmocka_unit_test(test_where),
		cmocka_unit_test(test_nowhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
