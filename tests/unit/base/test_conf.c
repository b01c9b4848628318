#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/conf.h"

static int parse(struct conf *conf, const char *text, struct error *err)
{
	return conf_parse(conf, "x.conf", text, strlen(text), err);
}

static void values(void **state)
{
	(void)state;
	AUTO(conf_release) struct conf conf = CONF_INIT;
	static const char text[] = "# comment\n"
				   "\n"
				   "  BARE=word # and a comment\n"
				   "DOUBLE=\"two words \\\"quoted\\\" \\\\ #no\"\n"
				   "SINGLE='a \\ b'\n"
				   "JOINED=a\"b c\"'d'\n"
				   "EMPTY=\n"
				   "DOLLAR=\"$VEID\"\n"
				   "CRLF=x\r\n"
				   "BARE=again";
	assert_int_equal(parse(&conf, text, NULL), 0);
	assert_string_equal(conf_get(&conf, "BARE"), "again");
	assert_string_equal(conf_get(&conf, "DOUBLE"), "two words \"quoted\" \\ #no");
	assert_string_equal(conf_get(&conf, "SINGLE"), "a \\ b");
	assert_string_equal(conf_get(&conf, "JOINED"), "ab cd");
	assert_string_equal(conf_get(&conf, "EMPTY"), "");
	assert_string_equal(conf_get(&conf, "DOLLAR"), "$VEID");
	assert_string_equal(conf_get(&conf, "CRLF"), "x");
	assert_null(conf_get(&conf, "NONE"));
	assert_string_equal(conf_get_default(&conf, "NONE", "otherwise"), "otherwise");
}

static void mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *where;
	} cases[] = {
		{ "A=b\nC=\"open\n", "x.conf:2: " }, { "A=b c\n", "x.conf:1: " },
		{ "\n\nnonsense\n", "x.conf:3: " },  { "1A=b\n", "x.conf:1: " },
		{ "A B=c\n", "x.conf:1: " },         { "=c\n", "x.conf:1: " },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(conf_release) struct conf conf = CONF_INIT;
		AUTO(error_clear) struct error err = ERROR_INIT;
		assert_int_equal(parse(&conf, cases[i].text, &err), -1);
		assert_int_equal(err.kind, ERROR_PARSE);
		assert_memory_equal(err.message, cases[i].where, strlen(cases[i].where));
	}
}

static void nul_byte(void **state)
{
	(void)state;
	AUTO(conf_release) struct conf conf = CONF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	assert_int_equal(conf_parse(&conf, "x", "A=b\0c\n", 6, &err), -1);
	assert_int_equal(err.kind, ERROR_PARSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(nul_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
