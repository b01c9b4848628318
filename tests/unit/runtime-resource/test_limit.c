/* What is written into control groups of v1, of v2 and of both, as folders with files of the same names; and what is read from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/resource/limit.h"
#include "runtime/resource/usage.h"

static char *top;

static int setup(void **state)
{
	char template[] = "/tmp/test_limit.XXXXXX";
	(void)state;
	if (!mkdtemp(template))
		return -1;
	top = xstrdup(template);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	int result = tree_remove(AT_FDCWD, top, NULL);
	free(top);
	return result;
}

static void put(const char *folder, const char *name, const char *text)
{
	autofree char *path = xasprintf("%s/%s", folder, name);
	autofclose FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
}

/* "untouched" is what no limit looks like. */
static void make(struct strvec *folders, const char *name, const char *const *files)
{
	autofree char *folder = xasprintf("%s/%s", top, name);
	assert_int_equal(mkdir(folder, 0755), 0);
	for (; *files; files++)
		put(folder, *files, "untouched");
	strvec_push(folders, folder);
}

static void has(const char *name, const char *text)
{
	AUTO(strbuf_release) struct strbuf found = STRBUF_INIT;
	autofree char *path = xasprintf("%s/%s", top, name);
	assert_int_equal(file_read(AT_FDCWD, path, 4096, &found, NULL), 0);
	/* A plain file keeps what is longer than what was written over it. */
	found.text[strlen(text)] = 0;
	assert_string_equal(found.text, text);
}

static const char *const v2_files[] = {
	"cgroup.events", "pids.max",    "memory.max",    "memory.swap.max", "cpu.weight", "cpu.max",
	"cpuset.cpus",   "cpuset.mems", "io.bfq.weight", "io.max",          NULL,
};
static const char *const v1_files[][8] = {
	{ "cpu.shares", "cpu.cfs_quota_us", NULL },
	{ "pids.max", NULL },
	{ "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes",
	  NULL },
	{ "cpuset.cpus", "cpuset.mems", NULL },
	{ "blkio.bfq.weight", "blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device",
	  "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device", NULL },
};

static const char everything[] =
	"NUMPROC=200\nPHYSPAGES=0:64M\nSWAPPAGES=0:32M\nTCPSNDBUF=1M\nTCPRCVBUF=2M\n"
	"CPUUNITS=2000\nCPULIMIT=150\nCPUS=1\nCPUMASK=0\nNODEMASK=0\nIOPRIO=7\nIOLIMIT=1M\n"
	"IOPSLIMIT=100\n";

static void give(struct resources *resources, const char *text)
{
	AUTO(conf_release) struct conf given = CONF_INIT;
	assert_int_equal(conf_parse(&given, "given", text, strlen(text), NULL), 0);
	assert_int_equal(resources_give(resources, &given, NULL), 0);
}

/* What is given, and on top of it `more`. */
static void apply(const struct strvec *folders, const char *given, const char *more,
		  const struct resources *before)
{
	AUTO(strvec_release) struct strvec disks = STRVEC_INIT;
	AUTO(resources_release) struct resources wanted = RESOURCES_INIT;
	const struct limit_target target = { folders, &disks };
	strvec_push(&disks, "8:0");
	give(&wanted, given);
	give(&wanted, more);
	assert_int_equal(limit_apply(&target, &wanted, before, NULL), 0);
}

static void v2_alone(void **state)
{
	AUTO(strvec_release) struct strvec folders = STRVEC_INIT;
	(void)state;
	make(&folders, "v2", v2_files);
	apply(&folders, everything, "", NULL);
	has("v2/pids.max", "200");
	has("v2/memory.max", "67108864");
	has("v2/memory.swap.max", "33554432");
	has("v2/cpu.weight", "200");
	has("v2/cpu.max", "100000 100000");
	has("v2/cpuset.cpus", "0");
	has("v2/cpuset.mems", "0");
	has("v2/io.bfq.weight", "160");
	has("v2/io.max", "8:0 riops=100 wiops=100");
}

static void make_v1(struct strvec *folders)
{
	static const char *const names[] = { "cpu", "pids", "memory", "cpuset", "blkio" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		make(folders, names[i], v1_files[i]);
}

static void has_v1(void)
{
	has("pids/pids.max", "200");
	has("memory/memory.limit_in_bytes", "67108864");
	has("memory/memory.memsw.limit_in_bytes", "100663296");
	has("memory/memory.kmem.tcp.limit_in_bytes", "3145728");
	has("cpu/cpu.shares", "2048");
	has("cpu/cpu.cfs_quota_us", "100000");
	has("cpuset/cpuset.cpus", "0");
	has("blkio/blkio.bfq.weight", "160");
	has("blkio/blkio.throttle.read_bps_device", "8:0 1048576");
	has("blkio/blkio.throttle.write_bps_device", "8:0 1048576");
	has("blkio/blkio.throttle.read_iops_device", "8:0 100");
	has("blkio/blkio.throttle.write_iops_device", "8:0 100");
}

static void v1_alone(void **state)
{
	AUTO(strvec_release) struct strvec folders = STRVEC_INIT;
	(void)state;
	make_v1(&folders);
	apply(&folders, everything, "", NULL);
	has_v1();
}

static void both(void **state)
{
	static const char *const bare[] = { "cgroup.events", NULL };
	AUTO(strvec_release) struct strvec folders = STRVEC_INIT;
	(void)state;
	make(&folders, "v2", bare);
	make_v1(&folders);
	apply(&folders, everything, "", NULL);
	has_v1();
}

static void only_what_changes_is_written(void **state)
{
	AUTO(strvec_release) struct strvec folders = STRVEC_INIT;
	AUTO(resources_release) struct resources before = RESOURCES_INIT;
	(void)state;
	make(&folders, "v2", v2_files);
	give(&before, everything);
	apply(&folders, everything, "CPULIMIT=50\nCPUMASK=all\nPHYSPAGES=unlimited\n", &before);
	has("v2/cpu.max", "50000 100000");
	has("v2/cpuset.cpus", "\n");
	has("v2/memory.max", "max");
	has("v2/memory.swap.max", "max");
	has("v2/pids.max", "untouched");
	has("v2/cpu.weight", "untouched");
	has("v2/io.max", "untouched");
}

/* v1 has no word for "as above". */
static void lists_of_v1_are_copied(void **state)
{
	AUTO(strvec_release) struct strvec folders = STRVEC_INIT;
	AUTO(resources_release) struct resources before = RESOURCES_INIT;
	(void)state;
	make_v1(&folders);
	put(top, "cpuset.cpus", "0-5\n");
	give(&before, "CPUMASK=0\n");
	apply(&folders, "CPUMASK=all\n", "", &before);
	has("cpuset/cpuset.cpus", "0-5\n");
}

static void weights_stay_in_range(void **state)
{
	AUTO(strvec_release) struct strvec one = STRVEC_INIT, two = STRVEC_INIT;
	static const char most[] = "CPUUNITS=500000\nNUMPROC=9999999\n";
	(void)state;
	make(&one, "v2", v2_files);
	apply(&one, most, "", NULL);
	has("v2/cpu.weight", "10000");
	has("v2/pids.max", "untouched"); /* more than there can be is what a new group has */
	make(&two, "v1", v1_files[0]);
	apply(&two, most, "", NULL);
	has("v1/cpu.shares", "262144");
	apply(&one, "CPUUNITS=8\n", "", NULL);
	has("v2/cpu.weight", "1");
}

static void what_nothing_limits_is_named(void **state)
{
	AUTO(strvec_release) struct strvec folders = STRVEC_INIT, disks = STRVEC_INIT;
	AUTO(strvec_release) struct strvec missing = STRVEC_INIT;
	AUTO(resources_release) struct resources wanted = RESOURCES_INIT;
	const struct limit_target target = { &folders, &disks };
	(void)state;
	give(&wanted, everything);
	make(&folders, "pids", v1_files[1]);
	make(&folders, "blkio", v1_files[4]);
	limit_missing(&target, &wanted, &missing);
	assert_true(strvec_contains(&missing, "physpages"));
	assert_true(strvec_contains(&missing, "swappages"));
	assert_true(strvec_contains(&missing, "cpulimit"));
	assert_true(strvec_contains(&missing, "cpus"));
	assert_true(strvec_contains(&missing, "iolimit")); /* there is no disk */
	assert_false(strvec_contains(&missing, "numproc"));
	assert_false(strvec_contains(&missing, "ioprio"));
	assert_false(strvec_contains(&missing, "tcpsndbuf"));
}

static void a_refusal_says_where(void **state)
{
	AUTO(strvec_release) struct strvec folders = STRVEC_INIT, disks = STRVEC_INIT;
	AUTO(resources_release) struct resources wanted = RESOURCES_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	const struct limit_target target = { &folders, &disks };
	static const char *const bare[] = { "cgroup.events", NULL };
	(void)state;
	give(&wanted, everything);
	make(&folders, "v2", bare);
	autofree char *file = xasprintf("%s/pids.max", folders.items[0]);
	assert_int_equal(mkdir(file, 0755), 0);
	assert_int_equal(limit_apply(&target, &wanted, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_LIMIT);
	assert_non_null(strstr(err.message, "numproc"));
	assert_non_null(strstr(err.message, file));
}

static void usage_is_read_from_either(void **state)
{
	AUTO(strvec_release) struct strvec one = STRVEC_INIT, two = STRVEC_INIT;
	struct usage usage[BEANCOUNTERS];
	static const char *const none[] = { NULL };
	const int64_t page = (int64_t)page_size();
	(void)state;
	make(&one, "v1", none);
	put(one.items[0], "memory.usage_in_bytes", "8192001\n");
	put(one.items[0], "memory.max_usage_in_bytes", "9000000\n");
	put(one.items[0], "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
	put(one.items[0], "memory.stat", "rss 1\ntotal_rss 40960\ntotal_shmem 4096\n");
	put(one.items[0], "pids.current", "7\n");
	put(one.items[0], "pids.events", "max 12\n");
	usage_read(&one, 0, usage);
	assert_int_equal(usage[RESOURCE_PHYSPAGES].held, 8192001 / page + 1);
	assert_int_equal(usage[RESOURCE_PHYSPAGES].failcnt, 3);
	assert_int_equal(usage[RESOURCE_PRIVVMPAGES].held, 40960 / page);
	assert_int_equal(usage[RESOURCE_NUMPROC].held, 7);
	assert_int_equal(usage[RESOURCE_NUMPROC].maxheld, 7); /* no peak is there */
	assert_int_equal(usage[RESOURCE_NUMPROC].failcnt, 12);
	assert_int_equal(usage[RESOURCE_NUMFLOCK].held, -1);
	make(&two, "v2", none);
	put(two.items[0], "memory.current", "4096\n");
	put(two.items[0], "memory.peak", "81920\n");
	put(two.items[0], "memory.events", "low 0\nmax 99\noom 2\noom_kill 1\noom_group_kill 0\n");
	put(two.items[0], "memory.stat", "anon 40960\nkernel 12345\nsock 77\n");
	usage_read(&two, 0, usage);
	assert_int_equal(usage[RESOURCE_PHYSPAGES].maxheld, 81920 / page);
	assert_int_equal(usage[RESOURCE_PHYSPAGES].failcnt, 1);
	assert_int_equal(usage[RESOURCE_KMEMSIZE].held, 12345);
	assert_int_equal(usage[RESOURCE_TCPSNDBUF].held, 77);
	assert_int_equal(usage[RESOURCE_NUMPROC].held, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(v2_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(v1_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(both, setup, teardown),
		cmocka_unit_test_setup_teardown(only_what_changes_is_written, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_of_v1_are_copied, setup, teardown),
		cmocka_unit_test_setup_teardown(weights_stay_in_range, setup, teardown),
		cmocka_unit_test_setup_teardown(what_nothing_limits_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_says_where, setup, teardown),
		cmocka_unit_test_setup_teardown(usage_is_read_from_either, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
