#include "tests/unit/base/scratch.h"

#include "base/host.h"

static int setup(void **state)
{
	unsetenv("VZ_CONF");
	return scratch_setup(state);
}

static void assert_load(struct host_config *config, const char *path)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	int ret = host_config_load(config, path, &err);
	if (ret < 0)
		fail_msg("%s", err.message);
}

static void test_moved(void **state)
{
	struct scratch *scratch = *state;
	AUTO(host_config_release) struct host_config config = HOST_CONFIG_INIT;
	autofree char *path = xasprintf("%s/vz.conf", scratch->path);
	autofree char *template = xasprintf("%s/vz/template", scratch->path);
	autofree char *lock = xasprintf("%s/l", scratch->path);

	put_file(scratch->dir, "vz.conf",
		 "TEMPLATE=vz/template/\nVE_ROOT=\"/x/$VEID\"\nLOCKDIR=l\nDUMPDIR=\"\"\nOTHER=1\n");
	assert_load(&config, path);
	assert_string_equal(config.template_dir, template);
	assert_string_equal(config.ve_root, "/x/$VEID");
	assert_string_equal(config.lock_dir, lock);
	assert_string_equal(config.ve_private, "/vz/private/$VEID");
	assert_string_equal(config.ve_confdir, "/etc/vz/conf");
	assert_string_equal(config.dump_dir, "/vz/dump");
	assert_string_equal(conf_get(&config.conf, "OTHER"), "1");
}

/* A relative --conf counts from the folder that one is in; the roots do not change with it later. */
static void test_relative_name(void **state)
{
	struct scratch *scratch = *state;
	AUTO(host_config_release) struct host_config config = HOST_CONFIG_INIT;
	autofree char *template = xasprintf("%s/sub/t", scratch->path);
	autofree char *before = getcwd(NULL, 0);

	assert_int_equal(mkdirat(scratch->dir, "sub", 0755), 0);
	put_file(scratch->dir, "sub/vz.conf", "TEMPLATE=t\n");
	assert_int_equal(chdir(scratch->path), 0);
	assert_load(&config, "sub/vz.conf");
	assert_int_equal(chdir(before), 0);
	assert_string_equal(config.template_dir, template);
}

static void test_environment(void **state)
{
	struct scratch *scratch = *state;
	autofree char *path = xasprintf("%s/env.conf", scratch->path);
	autofree char *given = xasprintf("%s/given.conf", scratch->path);

	put_file(scratch->dir, "env.conf", "TEMPLATE=/env\n");
	put_file(scratch->dir, "given.conf", "TEMPLATE=/given\n");
	setenv("VZ_CONF", path, 1);
	AUTO(host_config_release) struct host_config config = HOST_CONFIG_INIT;
	assert_load(&config, NULL);
	assert_string_equal(config.template_dir, "/env");
	AUTO(host_config_release) struct host_config other = HOST_CONFIG_INIT;
	assert_load(&other, given); /* the command line wins */
	assert_string_equal(other.template_dir, "/given");
	unsetenv("VZ_CONF");
}

static void test_wrong(void **state)
{
	struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree char *none = xasprintf("%s/none", scratch->path);
	autofree char *bad = xasprintf("%s/bad", scratch->path);

	AUTO(host_config_release) struct host_config config = HOST_CONFIG_INIT;
	assert_int_equal(host_config_load(&config, none, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_FILE);
	assert_non_null(strstr(err.message, none));
	assert_non_null(err.hint);
	put_file(scratch->dir, "bad", "TEMPLATE=/x\nwhat is this\n");
	assert_int_equal(host_config_load(&config, bad, &err), -1);
	assert_int_equal(err.kind, ERROR_PARSE);
	assert_non_null(strstr(err.message, "/bad:2: "));
}

/* BIN/../libexec and BIN/../share of the program that runs, which is B/unit/base/test_host. */
static void test_companions(void **state)
{
	struct scratch *scratch = *state;
	AUTO(host_config_release) struct host_config config = HOST_CONFIG_INIT;
	autofree char *path = xasprintf("%s/vz.conf", scratch->path);
	char program[4096] = "";

	assert_true(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
	char *end = strstr(program, "/base/test_host");
	assert_non_null(end);
	*end = '\0';
	put_file(scratch->dir, "vz.conf", "");
	assert_load(&config, path);
	autofree char *libexec = xasprintf("%s/libexec/vzpkg", program);
	autofree char *data = xasprintf("%s/share/vzpkg/templates", program);
	assert_string_equal(config.libexec_dir, libexec);
	assert_string_equal(config.data_dir, data);
	assert_string_equal(config.template_dir, "/vz/template");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_moved, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_relative_name, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_environment, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_wrong, setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_companions, setup, scratch_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
