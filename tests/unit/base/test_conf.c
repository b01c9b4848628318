#include "tests/unit/base/scratch.h"

#include "base/conf.h"

static const struct {
	const char *text, *value; /* of KEY; NULL: there is none */
} good[] = {
	{ "", NULL },
	{ "\n\n  # KEY=no\n\t\n", NULL },
	{ "KEY=value", "value" },
	{ "KEY=value\n", "value" },
	{ "  KEY=value  \n", "value" },
	{ "KEY=value\r\nX=y\r\n", "value" },
	{ "KEY=", "" },
	{ "KEY=\"\"\n", "" },
	{ "KEY=''\n", "" },
	{ "KEY= # nothing\n", "" },
	{ "KEY=\"a b\"", "a b" },
	{ "KEY='a b'", "a b" },
	{ "KEY=\"a # b\" # comment \"", "a # b" },
	{ "KEY=a # b", "a" },
	{ "KEY=http://x/#y", "http://x/#y" },
	{ "KEY=#y", "#y" },
	{ "KEY=\"say \\\"x\\\" \\\\ \\$\"", "say \"x\" \\ $" },
	{ "KEY='a\\b\"c'", "a\\b\"c" },
	{ "KEY=a\\b", "a\\b" },
	{ "KEY=a\"b c\"'d e'f", "ab cd ef" },
	{ "KEY=/vz/root/$VEID", "/vz/root/$VEID" },
	{ "KEY=\"`rm -rf /` $(x)\"", "`rm -rf /` $(x)" },
	{ "KEY=x=y", "x=y" },
	{ "KEY=one\nKEY=two\n", "two" },
	{ "KEY=one\n#KEY=two\n", "one" },
	{ "KEY2=one\nMY_KEY=two\n", NULL },
	{ "_K1=a\nKEY=\"\xc3\xbc\"\n", "\xc3\xbc" },
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		AUTO(conf_release) struct conf conf = CONF_INIT;
		AUTO(error_clear) struct error err = ERROR_INIT;
		int ret = conf_parse(&conf, "f", good[i].text, strlen(good[i].text), &err);
		if (ret < 0)
			fail_msg("%s: %s", good[i].text, err.message);
		const char *value = conf_get(&conf, "KEY");
		if (!good[i].value)
			assert_null(value);
		else if (!value || strcmp(value, good[i].value) != 0)
			fail_msg("%s: %s", good[i].text, value ?: "nothing");
	}
}

static const struct {
	const char *text, *message;
} bad[] = {
	{ "A=1\nKEY\n", "f:2: this is not of the form KEY=\"value\": KEY" },
	{ "KEY =x", "f:1: this is not of the form KEY=\"value\": KEY =x" },
	{ "1KEY=x", "f:1: this is not of the form" },
	{ "=x", "f:1: this is not of the form" },
	{ "export KEY=x", "f:1: this is not of the form" },
	{ "K-Y=x", "f:1: this is not of the form" },
	{ "A B=c", "f:1: this is not of the form" },
	{ "\n\n\nKEY=\"x\n", "f:4: a quote is not closed: KEY=\"x" },
	{ "KEY='x\nY=z'\n", "f:1: a quote is not closed" },
	{ "KEY=\"x\\\"", "f:1: a quote is not closed" },
	{ "KEY=\"x\\", "f:1: a quote is not closed" },
	{ "KEY=a b", "f:1: there is more after the value; put it in quotes: KEY=a b" },
	{ "KEY=\"a\" b\n", "f:1: there is more after" },
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO(conf_release) struct conf conf = CONF_INIT;
		AUTO(error_clear) struct error err = ERROR_INIT;
		assert_int_equal(conf_parse(&conf, "f", bad[i].text, strlen(bad[i].text), &err),
				 -1);
		assert_int_equal(err.kind, ERROR_PARSE);
		if (strncmp(err.message, bad[i].message, strlen(bad[i].message)) != 0)
			fail_msg("%s: %s", bad[i].text, err.message);
	}
}

static void test_hostile_bytes(void **state)
{
	(void)state;
	AUTO(conf_release) struct conf conf = CONF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	assert_int_equal(conf_parse(&conf, "f", "A=x\nKEY=\0x\n", 11, &err), -1);
	assert_non_null(strstr(err.message, "f:2: the line holds a NUL byte"));

	/* A message does not grow with the line. */
	autofree char *line = xcalloc(1, 100001);
	memset(line, 'x', 100000);
	assert_int_equal(conf_parse(&conf, "f", line, 100000, &err), -1);
	assert_true(strlen(err.message) < 400);
	assert_string_equal(err.subject, "f:1");
}

static void test_files(void **state)
{
	struct scratch *scratch = *state;
	AUTO(conf_release) struct conf conf = CONF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;

	put_file(scratch->dir, "a", "X=1\nY=2\n");
	put_file(scratch->dir, "b", "# more\nY=3\nZ=\"4\n\"");
	assert_int_equal(conf_read(&conf, scratch->dir, "none", true, &err), 0);
	assert_null(conf.path);
	assert_int_equal(conf_read(&conf, scratch->dir, "none", false, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_FILE);
	assert_int_equal(conf_read(&conf, scratch->dir, ".", true, &err), -1);
	assert_int_equal(conf_read(&conf, scratch->dir, "a", false, &err), 0);
	assert_string_equal(conf.path, "a");
	assert_int_equal(conf_read(&conf, scratch->dir, "b", true, &err), -1);
	assert_non_null(strstr(err.message, "b:3: "));

	put_file(scratch->dir, "b", "# more\nY=3\n");
	assert_int_equal(conf_read(&conf, scratch->dir, "b", true, &err), 0);
	assert_string_equal(conf_get(&conf, "X"), "1");
	assert_string_equal(conf_get(&conf, "Y"), "3");
	assert_int_equal(conf.count, 2);
	assert_int_equal(conf.entries[1].line, 2);
	assert_null(conf_get(&conf, "Z"));
	assert_string_equal(conf_get_default(&conf, "Z", "else"), "else");
	conf_set(&conf, "Z", "new");
	conf_set(&conf, "X", conf_get(&conf, "X")); /* its own value */
	assert_string_equal(conf_get_default(&conf, "Z", "else"), "new");
	assert_string_equal(conf_get(&conf, "X"), "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_hostile_bytes),
		scratch_test(test_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
