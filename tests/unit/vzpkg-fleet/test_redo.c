/* What a journal says of a change is the change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "vzpkg/fleet/redo.h"

static struct installed_package before[] = {
	{ .name = (char *)"gone", .version = (char *)"1", .arch = (char *)"all" },
	{ .name = (char *)"lib",
	  .version = (char *)"1:0.9",
	  .arch = (char *)"amd64",
	  .automatic = true },
};
static size_t depends[] = { 1 };
static struct plan_package packages[] = {
	{ .name = (char *)"tool",
	  .version = (char *)"2.0",
	  .arch = (char *)"all",
	  .location = (char *)"pool/t/tool_2.0_all.deb",
	  .size = 1234,
	  .installed_size = 5678,
	  .pre_depends = depends,
	  .pre_depend_count = 1 },
	{ .name = (char *)"lib",
	  .version = (char *)"1:1.0",
	  .arch = (char *)"amd64",
	  .location = (char *)"lib.deb",
	  .size = 99,
	  .automatic = true },
};
static const struct plan plan = { .packages = packages, .count = 2 };
static struct package_change changes[] = {
	{ .kind = CHANGE_ADD, .package = 0 },
	{ .kind = CHANGE_REPLACE, .package = 1, .before = &before[1] },
	{ .kind = CHANGE_REMOVE, .before = &before[0] },
};
static const struct difference difference = { .changes = changes, .count = 3 };

static int set_up(void **state)
{
	(void)state;
	digest_data(DIGEST_SHA256, "tool", 4, &packages[0].digest);
	digest_data(DIGEST_SHA512, "lib", 3, &packages[1].digest);
	return 0;
}

static json_t *make(void)
{
	return redo_json(&plan, &difference, true);
}

static void it_comes_back(void **state)
{
	(void)state;
	struct redo redo = REDO_INIT;
	json_t *json = make();
	char *text = json_dumps(json, JSON_COMPACT);
	json_t *read = json_loads(text, 0, NULL);

	assert_int_equal(redo_parse(read, &redo, NULL), 0);
	assert_true(redo.purge);
	assert_int_equal(redo.plan->count, 2);
	const struct plan_package *tool = &redo.plan->packages[0];
	assert_string_equal(tool->name, "tool");
	assert_string_equal(tool->location, "tool_2.0_all.deb");
	assert_int_equal(tool->size, 1234);
	assert_int_equal(tool->installed_size, 5678);
	assert_false(tool->automatic);
	assert_int_equal(tool->pre_depend_count, 1);
	assert_int_equal(tool->pre_depends[0], 1);
	assert_true(redo.plan->packages[1].automatic);
	for (size_t i = 0; i < 2; i++)
		assert_true(digest_equal(&redo.plan->packages[i].digest, &packages[i].digest));
	assert_int_equal(redo.difference.count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct package_change *change = &redo.difference.changes[i];
		assert_int_equal(change->kind, changes[i].kind);
		assert_int_equal(change->package, changes[i].package);
		if (!changes[i].before) {
			assert_null(change->before);
			continue;
		}
		assert_string_equal(change->before->name, changes[i].before->name);
		assert_string_equal(change->before->version, changes[i].before->version);
		assert_int_equal(change->before->automatic, changes[i].before->automatic);
	}
	redo_release(&redo);
	json_decref(read);
	json_decref(json);
	free(text);
}

static void assert_refused(json_t *json, const char *why)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct redo redo = REDO_INIT;

	assert_int_equal(redo_parse(json, &redo, &err), -1);
	assert_int_equal(err.kind, ERROR_PARSE);
	assert_non_null(strstr(err.message, why));
	redo_release(&redo);
	json_decref(json);
}

static void what_leads_elsewhere_is_refused(void **state)
{
	(void)state;
	json_t *json = make();
	json_t *row = json_array_get(json_object_get(json, "packages"), 0);

	json_object_set_new(row, "pre_depends", json_pack("[i]", 2));
	assert_refused(json, "a dependency on a package that is not there");
	json = make();
	row = json_array_get(json_object_get(json, "packages"), 1);
	json_object_set_new(row, "before", json_integer(-1));
	assert_refused(json, "in the place of one that is not there");
	json = make();
	row = json_array_get(json_object_get(json, "packages"), 1);
	json_object_set_new(row, "sha512", json_string("no digest"));
	assert_refused(json, "digest");
	json = make();
	row = json_array_get(json_object_get(json, "before"), 0);
	json_object_del(row, "version");
	assert_refused(json, "without name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_comes_back),
		cmocka_unit_test(what_leads_elsewhere_is_refused),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
