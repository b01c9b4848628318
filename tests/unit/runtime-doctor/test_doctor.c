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
	doctor_network(&doctor);
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

static void memory(void **state)
{
	(void)state;
	AUTO(doctor_release) struct doctor doctor = { .root = folder, .ves = 100 };
	put("/proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable:    1048576 kB\n");
	doctor_limits(&doctor);
	const struct doctor_line *line = find(&doctor, "memory");
	assert_int_equal(line->level, DOCTOR_WARN);
	assert_string_equal(line->found, "1024 MiB available");
	assert_non_null(strstr(line->means, " 64 more VEs"));
}

#define ROUTES \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define DEFAULT(device) device "\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
#define NETWORK(device) device "\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
#define NOWHERE "00000000000000000000000000000000"
#define DEFAULT6(flags, device)                                                          \
	NOWHERE " 00 " NOWHERE                                                           \
		" 00 fe800000000000000000000000000001 00000400 00000003 00000000 " flags \
		"     " device "\n"

static void a_host_that_does_not_forward(void **state)
{
	(void)state;
	AUTO(doctor_release) struct doctor doctor = { .root = folder, .ves = 100 };
	put("/proc/sys/net/ipv4/ip_forward", "0\n");
	put("/proc/sys/net/ipv4/conf/eth0/forwarding", "0\n");
	put("/proc/sys/net/ipv6/conf/all/forwarding", "0\n");
	put("/proc/net/route", ROUTES DEFAULT("eth0"));
	put("/proc/net/ipv6_route", DEFAULT6("00450003", "eth0"));
	doctor_network(&doctor);
	assert_int_equal(doctor.count, 2);
	const struct doctor_line *v4 = find(&doctor, "net.ipv4.ip_forward");
	assert_int_equal(v4->level, DOCTOR_WARN);
	assert_string_equal(v4->advice, "sysctl -w net.ipv4.ip_forward=1, and a line of that in "
					"/etc/sysctl.d/60-vz.conf");
	/* Its own route came from a router, and would go. */
	const struct doctor_line *v6 = find(&doctor, "net.ipv6.conf.all.forwarding");
	assert_int_equal(v6->level, DOCTOR_WARN);
	assert_non_null(strstr(v6->advice, "sysctl -w net.ipv6.conf.eth0.accept_ra=2 first"));
}

static void an_uplink_that_does_not_forward(void **state)
{
	(void)state;
	AUTO(doctor_release) struct doctor doctor = { .root = folder, .ves = 100 };
	put("/proc/sys/net/ipv4/ip_forward", "1\n");
	put("/proc/sys/net/ipv4/conf/eth0.100/forwarding", "0\n");
	put("/proc/sys/net/ipv4/conf/eth1/forwarding", "0\n");
	put("/proc/sys/net/ipv4/conf/all/rp_filter", "1\n");
	put("/proc/sys/net/ipv4/conf/eth0.100/rp_filter", "1\n");
	put("/proc/net/route", ROUTES DEFAULT("eth0.100") NETWORK("eth1"));
	doctor_network(&doctor);
	assert_int_equal(find(&doctor, "net.ipv4.ip_forward")->level, DOCTOR_OK);
	const struct doctor_line *line = find(&doctor, "uplink");
	assert_int_equal(line->level, DOCTOR_WARN);
	assert_string_equal(line->found, "net.ipv4.conf.eth0/100.forwarding is 0");
	assert_non_null(
		strstr(line->advice, "sysctl -w net.ipv4.conf.eth0/100.forwarding=1, and "));
	/* Of one uplink the filter drops nothing that it should not, and eth1 is none. */
	assert_int_equal(doctor.count, 2);
}

static void two_uplinks_and_a_strict_filter(void **state)
{
	(void)state;
	AUTO(doctor_release) struct doctor strict = { .root = folder, .ves = 100 };
	AUTO(doctor_release) struct doctor loose = { .root = folder, .ves = 100 };
	put("/proc/sys/net/ipv4/conf/all/rp_filter", "0\n");
	put("/proc/sys/net/ipv4/conf/eth0/rp_filter", "1\n");
	put("/proc/sys/net/ipv4/conf/eth1/rp_filter", "2\n");
	put("/proc/net/route", ROUTES DEFAULT("eth0") DEFAULT("eth1") NETWORK("eth1"));
	doctor_network(&strict);
	assert_int_equal(strict.count, 1);
	assert_string_equal(strict.lines[0].found, "net.ipv4.conf.eth0.rp_filter is 1");
	assert_non_null(strstr(strict.lines[0].advice, "net.ipv4.conf.eth0.rp_filter=2"));
	put("/proc/sys/net/ipv4/conf/all/rp_filter", "2\n");
	doctor_network(&loose);
	assert_int_equal(loose.count, 0);
}

static void routers_that_are_not_heard(void **state)
{
	(void)state;
	AUTO(doctor_release) struct doctor deaf = { .root = folder, .ves = 100 };
	AUTO(doctor_release) struct doctor routed = { .root = folder, .ves = 100 };
	put("/proc/sys/net/ipv6/conf/eth0/forwarding", "1\n");
	put("/proc/sys/net/ipv6/conf/eth0/accept_ra", "1\n");
	put("/proc/net/if_inet6", "20010db8000000000000000000000002 04 40 00 00     eth0\n"
				  "fe8000000000000000fc00fffe000001 05 40 20 80     eth1\n"
				  "00000000000000000000000000000001 01 80 10 80       lo\n");
	doctor_network(&deaf);
	assert_int_equal(deaf.count, 1);
	assert_string_equal(deaf.lines[0].found, "net.ipv6.conf.eth0.accept_ra is 1");
	assert_non_null(strstr(deaf.lines[0].advice, "net.ipv6.conf.eth0.accept_ra=2"));
	put("/proc/net/ipv6_route", DEFAULT6("00000003", "eth0"));
	doctor_network(&routed);
	assert_int_equal(routed.count, 0);
}

static unsigned free_blocks(const struct doctor_line *line)
{
	return (unsigned)strtoul(line->found, NULL, 10);
}

static void blocks_of_ids(void **state)
{
	(void)state;
	const struct host_config host = { .lock_dir = folder };
	AUTO(doctor_release) struct doctor before = { .host = &host, .ves = 1 };
	AUTO(doctor_release) struct doctor after = { .host = &host, .ves = 100000 };
	doctor_ids(&before);
	assert_int_equal(before.lines[0].level, DOCTOR_OK);
	assert_non_null(strstr(before.lines[0].found, " are free, 0 are VEs'"));
	/* Two VEs, one of which was killed halfway, and what is no block. */
	put("/ids/1879048192.ve", "");
	put("/ids/1879113728", "");
	put("/ids/1879113728.cgroups", "");
	put("/ids/1879179265", "");
	put("/ids/other", "");
	doctor_ids(&after);
	assert_int_equal(after.lines[0].level, DOCTOR_WARN);
	assert_non_null(strstr(after.lines[0].found, " are free, 2 are VEs'"));
	assert_int_equal(free_blocks(&after.lines[0]), free_blocks(&before.lines[0]) - 2);
	assert_non_null(strstr(after.lines[0].advice, "/etc/subuid"));
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
					     "net/core/bpf_jit_limit",
					     "fs/aio-max-nr",
					     "net/ipv4/ip_forward",
					     "net/ipv6/conf/all/forwarding" };
	enum { COUNT = sizeof(names) / sizeof(*names) };
	AUTO(doctor_release) struct doctor doctor = { .root = folder, .ves = 100 };
	for (size_t i = 0; i < COUNT; i++) {
		autofree char *path = xasprintf("/proc/sys/%s", names[i]);
		put(path, "9223372036854775807\n");
	}
	doctor_limits(&doctor);
	doctor_network(&doctor);
	assert_int_equal(doctor.count, COUNT);
	assert_int_equal(doctor_worst(&doctor), DOCTOR_OK);
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_is_not_there_is_not_judged),
		test(few_processes),
		test(no_namespaces),
		test(memory),
		test(a_host_that_does_not_forward),
		test(an_uplink_that_does_not_forward),
		test(two_uplinks_and_a_strict_filter),
		test(routers_that_are_not_heard),
		test(blocks_of_ids),
		test(enough_of_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
