/* Values of resource parameters: what each can be, what configurations say, what that means for memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/resource/resources.h"

static void rows_are_whole(void **state)
{
	(void)state;
	for (int i = 0; i < RESOURCE_COUNT; i++) {
		const struct resource *row = &resource_table[i];
		assert_non_null(row->name);
		assert_non_null(row->help);
		assert_non_null(resource_argument(row));
		assert_int_equal(strlen(row->name), strlen(row->key));
		for (size_t c = 0; row->name[c]; c++)
			assert_int_equal(toupper((unsigned char)row->name[c]), row->key[c]);
		/* What is not limited by anything says so. */
		if (!row->v1 && !row->v2 && !row->rlimit)
			assert_non_null(row->note);
	}
}

/* Each refuses what is wrong, negative, huge, empty, and says its name, the value, what is allowed. */
static void wrong_values_are_refused(void **state)
{
	static const char *const all[] = { "",
					   "-1",
					   "-1:5",
					   "x",
					   "1x",
					   " 5",
					   "5 6",
					   "5;6",
					   "1e5",
					   "0x5",
					   "nan",
					   "99999999999999999999",
					   "9223372036854775808" };
	static const char *const pairs[] = {
		":",  "5:",  ":5",       "1:2:3", "10:9", "unlimited:5", "1:99999999999999999999",
		"5%", "0-3", "limitless"
	};
	static const char *const items[] = { "5K", "5M", "1.5", "10:2K", "5B", "5P" };
	static const char *const sizes[] = { "5KB", "5Q", "1.5", "M", "99999999T", "1:99999999T" };
	static const char *const lists[] = { "1-",   "-1",        "0,",    ",0",      "3-1",
					     "0--1", "0-1-2",     "99999", "0-99999", "a",
					     "0 1",  "unlimited", "ALL" };
	const struct {
		unsigned units;
		const char *const *values;
		size_t count;
	} groups[] = {
		{ ~0U, all, sizeof(all) / sizeof(*all) },
		{ 1 << UNIT_ITEMS | 1 << UNIT_PAGES | 1 << UNIT_BYTES, pairs,
		  sizeof(pairs) / sizeof(*pairs) },
		{ 1 << UNIT_ITEMS | 1 << UNIT_NUMBER | 1 << UNIT_COUNT, items,
		  sizeof(items) / sizeof(*items) },
		{ 1 << UNIT_PAGES | 1 << UNIT_BYTES | 1 << UNIT_RATE, sizes,
		  sizeof(sizes) / sizeof(*sizes) },
		{ 1 << UNIT_LIST, lists, sizeof(lists) / sizeof(*lists) },
	};
	(void)state;
	for (int i = 0; i < RESOURCE_COUNT; i++)
		for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++)
			for (size_t n = 0; n < groups[g].count; n++) {
				AUTO(error_clear) struct error err = ERROR_INIT;
				const struct resource *row = &resource_table[i];
				const char *text = groups[g].values[n];
				autofree char *begin =
					xasprintf("%s cannot be \"%s\": it is ", row->key, text);
				if (!(groups[g].units & 1U << row->unit))
					continue;
				if (resource_check(row, row->key, text, &err) == 0)
					fail_msg("%s can be \"%s\"", row->name, text);
				assert_int_equal(err.kind, ERROR_VALUE);
				assert_ptr_equal(strstr(err.message, begin), err.message);
				assert_true(strlen(err.message) > strlen(begin));
			}
}

static void ranges_are_kept(void **state)
{
	static const struct {
		enum resource_id id;
		const char *good, *bad;
	} cases[] = {
		{ RESOURCE_CPUUNITS, "8", "7" },
		{ RESOURCE_CPUUNITS, "500000", "500001" },
		{ RESOURCE_CPUUNITS, "8", "0" },
		{ RESOURCE_CPUUNITS, "8", "unlimited" },
		{ RESOURCE_CPULIMIT, "50%", "%" },
		{ RESOURCE_CPULIMIT, "50", "50%%" },
		{ RESOURCE_CPULIMIT, "0", "1000001" },
		{ RESOURCE_CPUS, "unlimited", "8193" },
		{ RESOURCE_IOPRIO, "0", "8" },
		{ RESOURCE_IOPRIO, "7", "unlimited" },
		{ RESOURCE_IOLIMIT, "10M", "10%" },
		{ RESOURCE_IOPSLIMIT, "0", "10M" },
		{ RESOURCE_CPUMASK, "0-3,8", "8192" },
		{ RESOURCE_NODEMASK, "1023", "1024" },
		{ RESOURCE_VM_OVERCOMMIT, "1.5", "1001" },
		{ RESOURCE_PHYSPAGES, "0:1", "0:0" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct resource_value value = { 0 };
		const struct resource *row = &resource_table[cases[i].id];
		if (resource_parse(row, cases[i].good, &value) < 0)
			fail_msg("%s cannot be \"%s\"", row->name, cases[i].good);
		if (resource_parse(row, cases[i].bad, &value) == 0)
			fail_msg("%s can be \"%s\"", row->name, cases[i].bad);
		assert_true(value.set);
		free(value.list);
	}
}

static void units_are_understood(void **state)
{
	const uint64_t page = page_size();
	const struct {
		enum resource_id id;
		const char *text;
		uint64_t barrier, limit;
	} cases[] = {
		{ RESOURCE_NUMPROC, "200", 200, 200 },
		{ RESOURCE_NUMPROC, "100:unlimited", 100, RESOURCE_UNLIMITED },
		{ RESOURCE_KMEMSIZE, "14372700:14790164", 14372700, 14790164 },
		{ RESOURCE_KMEMSIZE, "1M:1.5m", 1 << 20, 3 << 19 },
		{ RESOURCE_PHYSPAGES, "0:65536", 0, 65536 },
		{ RESOURCE_PHYSPAGES, "0:256M", 0, (256 << 20) / page },
		{ RESOURCE_PHYSPAGES, "1b:1B", 1, 1 },
		{ RESOURCE_PHYSPAGES, "0:16p", 0, 16 },
		{ RESOURCE_PHYSPAGES, "0:9223372036854775807", 0, RESOURCE_UNLIMITED },
		{ RESOURCE_CPULIMIT, "150%", 150, 150 },
		{ RESOURCE_CPULIMIT, "0", RESOURCE_UNLIMITED, RESOURCE_UNLIMITED },
		{ RESOURCE_IOLIMIT, "10485760", 10485760, 10485760 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct resource_value value = { 0 };
		assert_int_equal(
			resource_parse(&resource_table[cases[i].id], cases[i].text, &value), 0);
		assert_int_equal(value.barrier, cases[i].barrier);
		assert_int_equal(value.limit, cases[i].limit);
	}
}

static void options_become_configuration(void **state)
{
	static const struct {
		enum resource_id id;
		const char *given, *kept;
	} cases[] = {
		{ RESOURCE_IOLIMIT, "10", "10M" },  { RESOURCE_IOLIMIT, "1.5", "1.5M" },
		{ RESOURCE_IOLIMIT, "10k", "10k" }, { RESOURCE_IOLIMIT, "0", "0" },
		{ RESOURCE_IOPSLIMIT, "10", "10" }, { RESOURCE_CPUMASK, "0-3", "0-3" },
	};
	AUTO(error_clear) struct error err = ERROR_INIT;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		autofree char *kept = NULL;
		assert_int_equal(resource_of_option(&resource_table[cases[i].id], cases[i].given,
						    &kept, NULL),
				 0);
		assert_string_equal(kept, cases[i].kept);
	}
	char *none = NULL;
	assert_int_equal(resource_of_option(&resource_table[RESOURCE_IOLIMIT],
					    "99999999999999999999", &none, &err),
			 -1);
	assert_non_null(
		strstr(err.message, "--iolimit cannot be \"99999999999999999999\": it is a size"));
	assert_null(none);
}

/* ---- configurations ---------------------------------------------------------------------------------- */

static int load(const char *text, const char *global, struct resources *ret, struct error *err)
{
	AUTO(host_config_release) struct host_config host = HOST_CONFIG_INIT;
	AUTO(conf_release) struct conf own = CONF_INIT;
	assert_int_equal(conf_parse(&own, "101.conf", text, strlen(text), err), 0);
	assert_int_equal(conf_parse(&host.conf, "vz.conf", global, strlen(global), err), 0);
	own.path = xstrdup("101.conf");
	return resources_load(&host, &own, ret, err);
}

static void memory_follows(void **state)
{
	static const uint64_t none = RESOURCE_UNLIMITED, mega = 1 << 20;
	const uint64_t page = page_size();
	const struct {
		const char *text;
		uint64_t memory, swap;
	} cases[] = {
		{ "", none, none },
		{ "PHYSPAGES=unlimited\n", none, none },
		{ "PHYSPAGES=0:unlimited\nSWAPPAGES=0:1G\n", none, none },
		{ "PHYSPAGES=0:9223372036854775807\n", none, none },
		{ "PHYSPAGES=0:2147483647\n", none, none },
		{ "PHYSPAGES=0:512M\n", 512 * mega, 0 },
		{ "PHYSPAGES=0:512M\nSWAPPAGES=0:1G\n", 512 * mega, 1024 * mega },
		{ "PHYSPAGES=0:512M\nSWAPPAGES=unlimited\n", 512 * mega, none },
		{ "PHYSPAGES=0:1G\nPRIVVMPAGES=1M\nKMEMSIZE=1M\n", 1024 * mega, 0 },
		/* Of the older kind. */
		{ "PRIVVMPAGES=65536:69632\n", 69632 * page, 0 },
		{ "PRIVVMPAGES=65536:69632\nKMEMSIZE=1M:2M\n", 69632 * page + 2 * mega, 0 },
		{ "PHYSPAGES=0:unlimited\nPRIVVMPAGES=10M\nKMEMSIZE=unlimited\n", 10 * mega, 0 },
		{ "KMEMSIZE=1M\n", none, none },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO(resources_release) struct resources resources = RESOURCES_INIT;
		assert_int_equal(load(cases[i].text, "", &resources, NULL), 0);
		assert_int_equal(resources_memory(&resources), cases[i].memory);
		assert_int_equal(resources_swap(&resources), cases[i].swap);
	}
}

static void own_configuration_wins(void **state)
{
	AUTO(resources_release) struct resources resources = RESOURCES_INIT;
	(void)state;
	assert_int_equal(
		load("NUMFILE=7\nNUMPTY=\n", "NUMFILE=9\nNUMFLOCK=5\nNUMPTY=3\n", &resources, NULL),
		0);
	assert_int_equal(resources.values[RESOURCE_NUMFILE].limit, 7);
	assert_int_equal(resources.values[RESOURCE_NUMFLOCK].limit, 5);
	assert_false(resources.values[RESOURCE_NUMPTY].set);
	/* A VE whose configuration says nothing has a limit of processes all the same. */
	assert_int_equal(resources.values[RESOURCE_NUMPROC].limit, PROCESSES_DEFAULT);
}

static void give(struct resources *resources, const char *text)
{
	AUTO(conf_release) struct conf given = CONF_INIT;
	assert_int_equal(conf_parse(&given, "given", text, strlen(text), NULL), 0);
	assert_int_equal(resources_give(resources, &given, NULL), 0);
}

static void mistakes_name_file_and_key(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(resources_release) struct resources resources = RESOURCES_INIT;
	(void)state;
	assert_int_equal(load("NUMFILE=many\n", "", &resources, &err), -1);
	assert_int_equal(err.kind, ERROR_PARSE);
	assert_non_null(strstr(err.message, "101.conf: NUMFILE=\"many\""));
	assert_non_null(strstr(err.hint, "number"));
	assert_int_equal(load("", "CPUUNITS=1\n", &resources, &err), -1);
	assert_non_null(strstr(err.message, "vz.conf: CPUUNITS"));
}

static void what_is_given_comes_on_top(void **state)
{
	AUTO(resources_release) struct resources resources = RESOURCES_INIT;
	(void)state;
	assert_int_equal(load("NUMFILE=5\nNUMPTY=6\n", "", &resources, NULL), 0);
	give(&resources, "NUMFILE=10\nHOSTNAME=web\nCPUMASK=0\nNUMPTY=\n");
	assert_int_equal(resources.values[RESOURCE_NUMFILE].limit, 10);
	assert_int_equal(resources.values[RESOURCE_NUMPTY].limit, 6);
	assert_string_equal(resources.values[RESOURCE_CPUMASK].list, "0");
}

static void what_holds_is_read_as_it_was_written(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(resources_release) struct resources a = RESOURCES_INIT, b = RESOURCES_INIT;
	(void)state;
	assert_int_equal(
		load("NUMFILE=1:2\nPHYSPAGES=0:64M\nCPULIMIT=0\nCPUMASK=0-1\nNODEMASK=all\n"
		     "IOLIMIT=5K\nKMEMSIZE=unlimited\nVM_OVERCOMMIT=1.5\nCPUUNITS=8\n",
		     "", &a, NULL),
		0);
	autofree char *text = resources_text(&a);
	assert_int_equal(resources_parse(text, &b, NULL), 0);
	autofree char *again = resources_text(&b);
	assert_string_equal(text, again);
	assert_string_equal(b.values[RESOURCE_CPUMASK].list, "0-1");
	assert_int_equal(b.values[RESOURCE_IOLIMIT].limit, 5120);
	assert_int_equal(resources_parse("NUMTHINGS=5", &b, &err), -1);
	assert_int_equal(err.kind, ERROR_PARSE);
	assert_int_equal(resources_parse("NUMPROC", &b, NULL), -1);
	assert_int_equal(resources_parse("NUMPROC=x", &b, NULL), -1);
}

static void what_a_host_does_not_have_is_refused(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(resources_release) struct resources resources = RESOURCES_INIT;
	(void)state;
	give(&resources, "CPUMASK=0\nNODEMASK=0\n");
	assert_int_equal(resources_check_host(&resources, NULL), 0);
	give(&resources, "CPUMASK=0,8000\n");
	assert_int_equal(resources_check_host(&resources, &err), -1);
	assert_int_equal(err.kind, ERROR_VALUE);
	assert_non_null(strstr(err.message, "cpumask cannot be \"0,8000\""));
	assert_non_null(strstr(err.hint, "this host has the processors 0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_whole),
		cmocka_unit_test(wrong_values_are_refused),
		cmocka_unit_test(ranges_are_kept),
		cmocka_unit_test(units_are_understood),
		cmocka_unit_test(options_become_configuration),
		cmocka_unit_test(memory_follows),
		cmocka_unit_test(own_configuration_wins),
		cmocka_unit_test(mistakes_name_file_and_key),
		cmocka_unit_test(what_is_given_comes_on_top),
		cmocka_unit_test(what_holds_is_read_as_it_was_written),
		cmocka_unit_test(what_a_host_does_not_have_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
