/* Names of users and groups out of files that a tenant writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "runtime/guest/names.h"

static void test_names(void **state)
{
	AUTO(strbuf_release) struct strbuf names = STRBUF_INIT;
	uint32_t id;
	(void)state;
	strbuf_adds(
		&names,
		"root:x:0:0:root:/root:/bin/sh\n\n# text\nno\nbad:x\nbad:x:\nbad:x:-1:\nbad:x:1x:\n"
		"bad:x:4294967295:\nbad:x:42949672960:\n:x:9:\n+\nalice::1000:1::/:\n"
		"alice:x:2000:1::/:\nbob:x:1000:1::/:\nlast:*:7");
	assert_true(guest_id_of(&names, "alice", &id));
	assert_int_equal(id, 1000);
	assert_true(guest_id_of(&names, "bob", &id));
	assert_int_equal(id, 1000);
	assert_true(guest_id_of(&names, "last", &id));
	assert_int_equal(id, 7);
	static const char *const none[] = { "bad", "", "ali", "alice:", "# text", "no", "x" };
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		assert_false(guest_id_of(&names, none[i], &id));
	autofree char *name = guest_name_of(&names, 1000), *zero = guest_name_of(&names, 0);
	assert_string_equal(name, "alice");
	assert_string_equal(zero, "root");
	assert_null(guest_name_of(&names, 9));
	assert_null(guest_name_of(&names, UINT32_MAX));
}

static void test_without_a_file(void **state)
{
	AUTO(strbuf_release) struct strbuf names = STRBUF_INIT;
	uint32_t id;
	(void)state;
	assert_false(guest_id_of(&names, "root", &id));
	assert_null(guest_name_of(&names, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_without_a_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
