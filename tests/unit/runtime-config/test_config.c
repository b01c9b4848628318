#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/host.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"

static char *folder;
static struct host_config host;

static void put(const char *name, const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree char *path = xasprintf("%s/%s", folder, name);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, 0644, text, strlen(text), &err), 0);
}

static int setup(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	char template[] = "/tmp/test_config.XXXXXX";
	(void)state;
	if (!mkdtemp(template))
		return -1;
	folder = xstrdup(template);
	autofree char *conf = xasprintf("%s/conf", folder), *path = xasprintf("%s/vz.conf", folder);
	if (mkdir(conf, 0755) < 0)
		return -1;
	put("vz.conf", "LOCKDIR=lock\nVE_CONFDIR=conf\nVE_ROOT='root/$VEID'\n"
		       "VE_PRIVATE='private/$VEID'\nSTOP_TIMEOUT=30\nNAMESERVER='9.9.9.9'\n");
	host = HOST_CONFIG_INIT;
	return host_config_load(&host, path, &err);
}

static int teardown(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	(void)state;
	host_config_release(&host);
	int result = tree_remove(AT_FDCWD, folder, &err);
	free(folder);
	return result;
}

/* ---- numbers and names ------------------------------------------------------------------------------ */

static void numbers(void **state)
{
	static const char *const bad[] = { "",     "0",          "100",
					   "-101", "101x",       "1e3",
					   " 101", "2147483645", "99999999999999999999" };
	unsigned ctid = 0;
	(void)state;
	assert_int_equal(ctid_parse("101", &ctid, NULL), 0);
	assert_int_equal(ctid, 101);
	assert_int_equal(ctid_parse("2147483644", &ctid, NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		assert_int_equal(ctid_parse(bad[i], &ctid, &err), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
	}
}

static void names(void **state)
{
	static const char *const bad[] = { "",    "101", "101-140", "-a", ".a",
					   "a b", "a/b", "a\n",     "é" };
	(void)state;
	assert_int_equal(ve_name_check("web-1.example_x", NULL), 0);
	assert_int_equal(ve_name_check("1-2-3", NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(ve_name_check(bad[i], NULL), -1);
}

static void finds_by_name(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree unsigned *list = NULL;
	size_t count;
	unsigned ctid = 0;
	(void)state;
	put("conf/105.conf", "NAME=web\n");
	put("conf/101.conf", "this has a mistake\n");
	put("conf/0.conf", "NAME=host\n");
	put("conf/106.conf.destroyed", "NAME=gone\n");
	assert_int_equal(ctid_find(&host, "web", &ctid, &err), 0);
	assert_int_equal(ctid, 105);
	assert_int_equal(ctid_find(&host, "777", &ctid, &err), 0);
	assert_int_equal(ctid, 777);
	assert_int_equal(ctid_find(&host, "gone", &ctid, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_VE);
	assert_int_equal(ctid_list(&host, &list, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_int_equal(list[0], 101);
	assert_int_equal(list[1], 105);
}

static void expands(void **state)
{
	(void)state;
	autofree char *text = ctid_expand("/a/$VEID/${VEID}b$VE", 7);
	assert_string_equal(text, "/a/7/7b$VE");
}

/* ---- configuration ------------------------------------------------------------------------------------ */

static void own_file_wins(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	(void)state;
	put("conf/101.conf", "STOP_TIMEOUT=5\nIP_ADDRESS='10.0.0.1 2001:db8::1'\nVE_LAYOUT=simfs\n"
			     "VE_PRIVATE='/elsewhere/$VEID'\nONBOOT=yes\n");
	assert_int_equal(ve_config_load(&host, 101, &config, &err), 0);
	assert_int_equal(config.stop_timeout_s, 5);
	assert_int_equal(config.address_count, 2);
	assert_int_equal(config.layout, VE_LAYOUT_SIMFS);
	assert_string_equal(config.private_area, "/elsewhere/101");
	assert_int_equal(config.onboot, ONBOOT_YES);
	assert_true(config.nameservers_set);
	assert_string_equal(config.nameservers.items[0], "9.9.9.9");
	autofree char *root = xasprintf("%s/root/101", folder);
	assert_string_equal(config.root, root);
}

static void needs_nothing(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	(void)state;
	put("conf/101.conf", "");
	assert_int_equal(ve_config_load(&host, 101, &config, &err), 0);
	assert_int_equal(config.layout, VE_LAYOUT_OVERLAY);
	assert_int_equal(config.stop_timeout_s, 30);
	assert_int_equal(config.onboot, ONBOOT_NO);
	assert_null(config.name);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "STOP_TIMEOUT=soon\n", "STOP_TIMEOUT" },
		{ "STOP_TIMEOUT=-1\n", "STOP_TIMEOUT" },
		{ "IP_ADDRESS='10.0.0'\n", "IP_ADDRESS" },
		{ "VE_LAYOUT=ploop\n", "ploop" },
		{ "ONBOOT=maybe\n", "ONBOOT" },
		{ "VE_PRIVATE=here\n", "VE_PRIVATE" },
		{ "VE_LAYER=../../etc\n", "VE_LAYER" },
		{ "LOCAL_UID=65536\nLOCAL_GID=131072\n", "LOCAL_GID" },
		{ "LOCAL_UID=1000\n", "LOCAL_UID" },
		{ "A=1\nB='\n", "101.conf:2" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
		put("conf/101.conf", cases[i].text);
		assert_int_equal(ve_config_load(&host, 101, &config, &err), -1);
		assert_int_equal(err.kind, ERROR_PARSE);
		assert_non_null(strstr(err.message, cases[i].says));
		assert_non_null(strstr(err.message, "101.conf"));
	}
}

static void no_file_is_no_ve(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	(void)state;
	assert_int_equal(ve_config_load(&host, 101, &config, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_VE);
}

static void samples(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	char *text = NULL;
	(void)state;
	put("conf/ve-mine.conf-sample", "NUMPROC=\"240\"\n");
	assert_int_equal(ve_config_sample(&host, "mine", &text, &err), 0);
	assert_string_equal(text, "NUMPROC=\"240\"\n");
	free(text);
	assert_int_equal(ve_config_sample(&host, "other", &text, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_FILE);
	error_clear(&err);
	assert_int_equal(ve_config_sample(&host, "../mine", &text, &err), -1);
}

/* ---- state ----------------------------------------------------------------------------------------------- */

static void state_round_trip(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_state_release) struct ve_state one = VE_STATE_INIT, two = VE_STATE_INIT;
	(void)state;
	one.phase = VE_RUNNING;
	one.init = ve_process_of(getpid());
	one.ids_base = 0x70000000;
	strvec_push(&one.groups, "/sys/fs/cgroup/a");
	strvec_push(&one.groups, "/sys/fs/cgroup/b");
	one.device = xstrdup("vz101");
	one.private_area = xstrdup("/vz/private/it's \"here\"");
	assert_int_equal(ve_state_save(&host, 101, &one, &err), 0);
	assert_int_equal(ve_state_load(&host, 101, &two, &err), 0);
	assert_int_equal(two.phase, VE_RUNNING);
	assert_true(two.this_boot);
	assert_true(ve_process_alive(&two, &two.init));
	assert_int_equal(two.ids_base, 0x70000000);
	assert_int_equal(two.groups.count, 2);
	assert_string_equal(two.groups.items[1], "/sys/fs/cgroup/b");
	assert_string_equal(two.device, "vz101");
	assert_string_equal(two.private_area, one.private_area);
	ve_state_release(&two);
	assert_int_equal(ve_state_save(&host, 101, &two, &err), 0);
	assert_int_equal(ve_state_load(&host, 101, &two, &err), 0);
	assert_int_equal(two.phase, VE_STOPPED);
}

/* A process of the same number is not the same process, and one of an earlier boot is none. */
static void old_processes_are_not_alive(void **state)
{
	struct ve_state known = { .phase = VE_RUNNING, .this_boot = true };
	(void)state;
	known.init = ve_process_of(getpid());
	assert_true(ve_process_alive(&known, &known.init));
	known.init.start++;
	assert_false(ve_process_alive(&known, &known.init));
	assert_int_equal(ve_process_open(&known.init), -1);
	known.init.start--;
	known.this_boot = false;
	assert_false(ve_process_alive(&known, &known.init));
}

static void zombies_are_not_alive(void **state)
{
	struct ve_state known = { .phase = VE_RUNNING, .this_boot = true };
	int ends[2];
	char byte;
	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	known.init = ve_process_of(child);
	close(ends[1]);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_false(ve_process_alive(&known, &known.init));
	assert_int_equal(ve_process_open(&known.init), -1);
	waitpid(child, NULL, 0);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

static void broken_state_is_said(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_state_release) struct ve_state known = VE_STATE_INIT;
	(void)state;
	autofree char *lock = xasprintf("%s/lock", folder);
	assert_int_equal(mkdir(lock, 0755), 0);
	put("lock/101.state", "PHASE=dancing\n");
	assert_int_equal(ve_state_load(&host, 101, &known, &err), -1);
	assert_int_equal(err.kind, ERROR_PARSE);
	assert_non_null(strstr(err.message, "101.state"));
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(numbers),
		test(names),
		test(finds_by_name),
		test(expands),
		test(own_file_wins),
		test(needs_nothing),
		test(mistakes_are_named),
		test(no_file_is_no_ve),
		test(samples),
		test(state_round_trip),
		test(broken_state_is_said),
		test(old_processes_are_not_alive),
		test(zombies_are_not_alive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
