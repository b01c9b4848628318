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

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/conf_edit.h"
#include "base/file.h"

static int setup(void **state)
{
	char folder[] = "/tmp/test_conf_edit.XXXXXX";
	*state = mkdtemp(folder) ? strdup(folder) : NULL;
	return *state && chdir(*state) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	int result = chdir("/") < 0 ? -1 : tree_remove(AT_FDCWD, *state, &err);
	free(*state);
	return result;
}

static void write_text(const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	assert_int_equal(file_write_atomic(AT_FDCWD, "101.conf", 0644, text, strlen(text), &err),
			 0);
}

static void assert_text(const char *expected)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	assert_int_equal(file_read(AT_FDCWD, "101.conf", 1 << 20, &text, &err), 0);
	assert_string_equal(text.text, expected);
}

static int edit(const char *key, const char *value, struct error *err)
{
	const struct conf_change change = { key, value };
	return conf_edit(AT_FDCWD, "101.conf", &change, 1, err);
}

static void keeps_what_it_does_not_know(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	(void)state;
	write_text("# mine\n\nFUTURE_KEY=\"1:2\"  # why\nHOSTNAME=\"old\"\nHOSTNAMES=x\n");
	assert_int_equal(edit("HOSTNAME", "new", &err), 0);
	assert_text("# mine\n\nFUTURE_KEY=\"1:2\"  # why\nHOSTNAMES=x\nHOSTNAME=\"new\"\n");
}

static void replaces_all_of_a_key(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	(void)state;
	write_text("NAME=a\n NAME=b\nNAME='c'\nX=1");
	assert_int_equal(edit("NAME", NULL, &err), 0);
	assert_text("X=1\n");
}

static void creates_and_quotes(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(conf_release) struct conf conf = CONF_INIT;
	const char *value = "a \"b\" \\c $d `e` #f";
	(void)state;
	assert_int_equal(edit("DESCRIPTION", value, &err), 0);
	assert_int_equal(conf_read(&conf, AT_FDCWD, "101.conf", false, &err), 0);
	assert_string_equal(conf_get(&conf, "DESCRIPTION"), value);
	assert_text(
		"DESCRIPTION=\"a \\\"b\\\" \\\\c \\$d \\`e\\` #f\"\n"); /* nor does a shell do anything */
}

static void does_not_touch_what_is_broken(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	(void)state;
	write_text("A=1\nthis is nothing\n");
	assert_int_equal(edit("A", "2", &err), -1);
	assert_int_equal(err.kind, ERROR_PARSE);
	assert_non_null(strstr(err.message, "101.conf:2"));
	assert_text("A=1\nthis is nothing\n");
}

static void refuses_a_second_line(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	(void)state;
	write_text("A=1\n");
	assert_int_equal(edit("A", "x\nVE_PRIVATE=/etc", &err), -1);
	assert_int_equal(err.kind, ERROR_VALUE);
	assert_text("A=1\n");
}

static void same_again_writes_nothing(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct stat before, after;
	(void)state;
	assert_int_equal(edit("A", "1", &err), 0);
	assert_int_equal(stat("101.conf", &before), 0);
	assert_int_equal(edit("A", "1", &err), 0);
	assert_int_equal(stat("101.conf", &after), 0);
	assert_true(before.st_ino == after.st_ino);
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(keeps_what_it_does_not_know), test(replaces_all_of_a_key),
		test(creates_and_quotes),          test(does_not_touch_what_is_broken),
		test(refuses_a_second_line),       test(same_again_writes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
