#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/option.h"
#include "base/strbuf.h"

static bool flag, other;
static const char *text, *secret;
static unsigned number;
static struct strvec list;

static const struct option_row table[] = {
	{ "flag", 'f', OPTION_FLAG, &flag, NULL, "a flag" },
	{ "text", 't', OPTION_STRING, &text, "TEXT", "a text" },
	{ "secret", 's', OPTION_SECRET, &secret, "TEXT", "not to be seen" },
	{ "hidden", 0, OPTION_STRING, &text, "TEXT", NULL },
	{ NULL },
};

static const struct option_row common[] = {
	{ "number", 'n', OPTION_NUMBER, &number, "N", "a number" },
	{ "list", 0, OPTION_LIST, &list, "ITEM", "items" },
	{ "other", 'o', OPTION_FLAG, &other, NULL, "another flag" },
	{ NULL },
};

static int reset(void **state)
{
	(void)state;
	flag = other = false;
	text = NULL;
	number = 0;
	strvec_release(&list);
	return 0;
}

static int parse(char **argv, struct strvec *operands, struct error *err)
{
	int argc = 0;
	while (argv[argc])
		argc++;
	return options_parse(table, common, argc, argv, operands, err);
}

/* What ps(1) shows is the memory that argv points to. */
static void secrets_are_covered(void **state)
{
	char apart[] = "root:apart", joined[] = "--secret=root:joined", letter[] = "-sroot:letter";
	char option[] = "--secret";
	AUTO(strvec_release) struct strvec operands = STRVEC_INIT;
	(void)state;
	assert_int_equal(parse((char *[]){ option, apart, NULL }, &operands, NULL), 0);
	assert_string_equal(secret, "root:apart");
	assert_string_equal(apart, "**********");
	free((char *)(uintptr_t)secret);
	assert_int_equal(parse((char *[]){ joined, NULL }, &operands, NULL), 0);
	assert_string_equal(secret, "root:joined");
	assert_string_equal(joined, "--secret=***********");
	free((char *)(uintptr_t)secret);
	assert_int_equal(parse((char *[]){ letter, NULL }, &operands, NULL), 0);
	assert_string_equal(letter, "-s***********");
	free((char *)(uintptr_t)secret);
	assert_int_equal(operands.count, 0);
}

#define ARGS(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })

static void forms(void **state)
{
	(void)state;
	AUTO(strvec_release) struct strvec operands = STRVEC_INIT;
	char **args = ARGS("one", "--flag", "--text=a=b", "two", "--number", "12", "--list", "x",
			   "--list=y", "-o", "--", "--flag", "-x");
	assert_int_equal(parse(args, &operands, NULL), 0);
	assert_true(flag && other);
	assert_string_equal(text, "a=b");
	assert_int_equal(number, 12);
	assert_int_equal(list.count, 2);
	assert_int_equal(operands.count, 4);
	assert_string_equal(operands.items[2], "--flag");
}

static void letters(void **state)
{
	(void)state;
	AUTO(strvec_release) struct strvec operands = STRVEC_INIT;
	assert_int_equal(parse(ARGS("-fo", "-n5", "-t", "v", "-"), &operands, NULL), 0);
	assert_true(flag && other);
	assert_int_equal(number, 5);
	assert_string_equal(text, "v");
	assert_string_equal(operands.items[0], "-");
}

static void wrong(void **state)
{
	(void)state;
	char **cases[] = { ARGS("--flg"),
			   ARGS("--flag=1"),
			   ARGS("--text"),
			   ARGS("-t"),
			   ARGS("-z"),
			   ARGS("-n", "x"),
			   ARGS("-n", "-1"),
			   ARGS("--number="),
			   ARGS("-n", "4294967296"),
			   ARGS("-n", " 5"),
			   ARGS("-n", "+5"),
			   ARGS("-n", "5x"),
			   ARGS("-n", "99999999999999999999"),
			   ARGS("--"
				"=x"),
			   ARGS("--number"),
			   ARGS("-fz"),
			   ARGS("-n", " -18446744073709551615") };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(strvec_release) struct strvec operands = STRVEC_INIT;
		AUTO(error_clear) struct error err = ERROR_INIT;
		assert_int_equal(parse(cases[i], &operands, &err), -1);
		assert_int_equal(err.kind, ERROR_USAGE);
		if (i == 0)
			assert_string_equal(err.hint, "did you mean --flag?");
	}
}

/* An old spelling is understood, but not proposed. */
static void hints(void **state)
{
	(void)state;
	static const struct {
		const char *word, *hint;
	} cases[] = {
		{ "--numer", "did you mean --number?" },
		{ "--ohter=1", "did you mean --other?" },
		{ "--hiden", "--help lists the options" },
		{ "--something-else", "--help lists the options" },
		{ "-z", "--help lists the options" },
		{ "--text", "write --text=TEXT" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(strvec_release) struct strvec operands = STRVEC_INIT;
		AUTO(error_clear) struct error err = ERROR_INIT;
		assert_int_equal(parse(ARGS(cases[i].word), &operands, &err), -1);
		assert_string_equal(err.hint, cases[i].hint);
	}
	AUTO(strvec_release) struct strvec operands = STRVEC_INIT;
	assert_int_equal(parse(ARGS("--hidden", "x"), &operands, NULL), 0);
	assert_string_equal(text, "x");
}

static void one_table(void **state)
{
	(void)state;
	AUTO(strvec_release) struct strvec operands = STRVEC_INIT;
	char **args = ARGS("-f", "", "x");
	assert_int_equal(options_parse(table, NULL, 3, args, &operands, NULL), 0);
	assert_true(flag);
	assert_int_equal(operands.count, 2);
	assert_string_equal(operands.items[0], "");
}

static int skipped(const char *first, const char *second, const char *third)
{
	char *args[] = { (char *)(uintptr_t)first, (char *)(uintptr_t)second,
			 (char *)(uintptr_t)third, NULL };
	return options_skip(table, NULL, 3, args, 0);
}

static void the_first_word(void **state)
{
	(void)state;
	assert_int_equal(skipped("word", "--flag", "x"), 0);
	assert_int_equal(skipped("--flag", "word", "x"), 1);
	assert_int_equal(skipped("--text", "value", "word"), 2);
	assert_int_equal(skipped("--text=value", "word", "x"), 1);
	assert_int_equal(skipped("-ft", "value", "word"), 2);
	assert_int_equal(skipped("-tvalue", "word", "x"), 1);
	assert_int_equal(skipped("--unknown", "word", "x"), 1);
	assert_int_equal(skipped("-f", "-", "x"), 1);
	assert_int_equal(skipped("-f", "-f", "--text"), 3);
}

static void help(void **state)
{
	(void)state;
	AUTO(strbuf_release) struct strbuf out = STRBUF_INIT;
	options_help(table, &out);
	assert_string_equal(out.text, "  -f, --flag         a flag\n"
				      "  -t, --text TEXT    a text\n"
				      "  -s, --secret TEXT  not to be seen\n");
}

static void nearest(void **state)
{
	(void)state;
	static const char *const names[] = { "create-cache", "remove-cache", "list", "info", NULL };
	assert_string_equal(nearest_word("craete-cache", names), "create-cache");
	assert_string_equal(nearest_word("lst", names), "list");
	assert_null(nearest_word("zzzzzz", names));
	assert_null(nearest_word("", names));
	assert_string_equal(nearest_word("ilst", names), "list"); /* exchanged: one mistake */
	assert_null(nearest_word("a-very-long-word-that-no-option-or-command-has", names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(forms, reset),   cmocka_unit_test_setup(letters, reset),
		cmocka_unit_test_setup(wrong, reset),   cmocka_unit_test_setup(help, reset),
		cmocka_unit_test_setup(hints, reset),   cmocka_unit_test_setup(one_table, reset),
		cmocka_unit_test_setup(nearest, reset), cmocka_unit_test(secrets_are_covered),
		cmocka_unit_test(the_first_word),
	};
	int ret = cmocka_run_group_tests(tests, NULL, NULL);
	strvec_release(&list);
	return ret;
}
