#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/doctor/doctor.h"

static char *folder;

static int setup(void **state)
{
	char template[] = "/tmp/test_doctor.XXXXXX";
	(void)state;
	folder = mkdtemp(template) ? xstrdup(template) : NULL;
	return folder ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	int result = tree_remove(AT_FDCWD, folder, NULL);
	free(folder);
	return result;
}

static void put(const char *path, const char *text)
{
	autofree char *whole = xasprintf("%s%s", folder, path);
	autofree char *parent = xstrdup(whole);
	*strrchr(parent, '/') = 0;
	autoclose int dir = dir_open(AT_FDCWD, parent, true, 0755, NULL);
	assert_true(dir >= 0);
	assert_int_equal(file_write_atomic(AT_FDCWD, whole, 0644, text, strlen(text), NULL), 0);
}

static const struct doctor_line *find(const struct doctor *doctor, const char *name)
{
	for (size_t i = 0; i < doctor->count; i++)
		if (!strcmp(doctor->lines[i].name, name))
			return &doctor->lines[i];
	return NULL;
}

static void what_is_not_there_is_not_judged(void **state)
{
	(void)state;
	AUTO(doctor_release) struct doctor doctor = { .root = folder, .ves = 100 };
	put("/proc/sys/kernel/pty/max", "many\n");
	doctor_limits(&doctor);
	assert_int_equal(doctor.count, 0);
	assert_int_equal(doctor_worst(&doctor), DOCTOR_OK);
}

static void few_processes(void **state)
{
	(void)state;
	AUTO(doctor_release) struct doctor few = { .root = folder, .ves = 1000 };
	AUTO(doctor_release) struct doctor enough = { .root = folder, .ves = 500 };
	put("/proc/sys/kernel/pid_max", "32768\n");
	doctor_limits(&few);
	doctor_limits(&enough);
	const struct doctor_line *line = find(&few, "kernel.pid_max");
	assert_int_equal(line->level, DOCTOR_WARN);
	assert_string_equal(line->found, "32768");
	assert_string_equal(line->means, "processes and threads: enough for about 512 VEs");
	assert_string_equal(line->advice, "sysctl -w kernel.pid_max=65536, and a line of that in "
					  "/etc/sysctl.d/60-vz.conf");
	line = find(&enough, "kernel.pid_max");
	assert_int_equal(line->level, DOCTOR_OK);
	assert_null(line->advice);
}

static void no_namespaces(void **state)
{
	(void)state;
	AUTO(doctor_release) struct doctor doctor = { .root = folder, .ves = 100 };
	put("/proc/sys/user/max_user_namespaces", "0\n");
	put("/proc/sys/fs/inotify/max_user_instances", "8\n");
	doctor_limits(&doctor);
	assert_int_equal(find(&doctor, "user.max_user_namespaces")->level, DOCTOR_FAIL);
	assert_int_equal(find(&doctor, "fs.inotify.max_user_instances")->level, DOCTOR_WARN);
	assert_int_equal(doctor_worst(&doctor), DOCTOR_FAIL);
}

static void memory_and_forwarding(void **state)
{
	(void)state;
	AUTO(doctor_release) struct doctor doctor = { .root = folder, .ves = 100 };
	put("/proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable:    1048576 kB\n");
	put("/proc/sys/net/ipv4/ip_forward", "0\n");
	put("/proc/sys/net/ipv6/conf/all/forwarding", "1\n");
	doctor_limits(&doctor);
	const struct doctor_line *memory = find(&doctor, "memory");
	assert_int_equal(memory->level, DOCTOR_WARN);
	assert_string_equal(memory->found, "1024 MiB available");
	assert_non_null(strstr(memory->means, " 64 more VEs"));
	assert_int_equal(find(&doctor, "net.ipv4.ip_forward")->level, DOCTOR_WARN);
	assert_int_equal(find(&doctor, "net.ipv6.conf.all.forwarding")->level, DOCTOR_OK);
}

static void enough_of_all(void **state)
{
	(void)state;
	static const char *const names[] = { "kernel/pid_max",
					     "kernel/threads-max",
					     "kernel/pty/max",
					     "fs/file-max",
					     "net/ipv4/neigh/default/gc_thresh3",
					     "net/ipv6/neigh/default/gc_thresh3",
					     "net/netfilter/nf_conntrack_max",
					     "user/max_user_namespaces",
					     "user/max_pid_namespaces",
					     "user/max_net_namespaces",
					     "fs/inotify/max_user_instances",
					     "fs/inotify/max_user_watches",
					     "kernel/keys/maxkeys",
					     "kernel/keys/maxbytes",
					     "net/ipv4/ip_forward",
					     "net/ipv6/conf/all/forwarding" };
	enum { COUNT = sizeof(names) / sizeof(*names) };
	AUTO(doctor_release) struct doctor doctor = { .root = folder, .ves = 100 };
	for (size_t i = 0; i < COUNT; i++) {
		autofree char *path = xasprintf("/proc/sys/%s", names[i]);
		put(path, "9223372036854775807\n");
	}
	doctor_limits(&doctor);
	assert_int_equal(doctor.count, COUNT);
	assert_int_equal(doctor_worst(&doctor), DOCTOR_OK);
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_is_not_there_is_not_judged), test(few_processes), test(no_namespaces),
		test(memory_and_forwarding),           test(enough_of_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
