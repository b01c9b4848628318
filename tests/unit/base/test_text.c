#include "tests/unit/base/scratch.h"

#include "base/strbuf.h"
#include "base/strvec.h"
#include "base/text.h"

/* ---- text_tail() --------------------------------------------------------------------------- */

static void test_tail(void **state)
{
	(void)state;
	static const struct {
		const char *from;
		unsigned lines;
		const char *to;
	} cases[] = {
		{ "", 3, "" },
		{ "\n\n", 3, "" },
		{ "one", 3, "\n    one" },
		{ "one\ntwo\nthree\n", 2, "\n    two\n    three" },
		{ "one\n\nthree\n\n", 2, "\n    \n    three" },
		{ "one\ntwo", 9, "\n    one\n    two" },
		{ "one\ntwo", 0, "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *tail = text_tail(cases[i].from, cases[i].lines);
		assert_string_equal(tail, cases[i].to);
		free(tail);
	}
}

/* ---- text_clean() -------------------------------------------------------------------------- */

static void test_clean(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "", "" },
		{ "plain text\twith\nlines", "plain text\twith\nlines" },
		{ "a\rb\033[1mc\177d\001", "a?b?[1mc?d?" },
		{ "\xc2\xa0\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\xc2\xa0\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xc2\x80\xc2\x9b\xc2\x9f", "???" }, /* C1 controls */
		{ "\xff\xfe\x80", "???" },
		{ "\xc3", "?" },
		{ "\xe2\x82", "??" },
		{ "\xf0\x9f\x98", "???" },
		{ "\xe2\x82x", "??x" },
		{ "\xc0\xaf\xc1\x81", "????" }, /* longer than need be */
		{ "\xe0\x9f\xbf", "???" },
		{ "\xf0\x8f\xbf\xbf", "????" },
		{ "\xed\xa0\x80", "???" }, /* a surrogate */
		{ "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		{ "\xf4\x90\x80\x80", "????" }, /* beyond U+10FFFF */
		{ "\xf5\x80\x80\x80", "????" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autofree char *clean = text_clean(cases[i].from);
		assert_string_equal(clean, cases[i].to);
	}
}

/* ---- strbuf, strvec, errors -------------------------------------------------------------------- */

static void test_strbuf(void **state)
{
	(void)state;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	assert_string_equal(text.text, "");
	strbuf_add(&text, "", 0);
	strbuf_truncate(&text, 0);
	assert_int_equal(text.capacity, 0);
	for (unsigned i = 0; i < 1000; i++)
		strbuf_addf(&text, "%u,", i % 10);
	strbuf_addc(&text, '\0');
	strbuf_adds(&text, "end");
	assert_int_equal(text.length, 2004);
	assert_string_equal(text.text + 2001, "end");
	strbuf_truncate(&text, 5000);
	assert_int_equal(text.length, 2004);
	strbuf_truncate(&text, 4);
	assert_string_equal(text.text, "0,1,");
	autofree char *taken = strbuf_detach(&text);
	autofree char *nothing = strbuf_detach(&text);
	assert_string_equal(taken, "0,1,");
	assert_string_equal(nothing, "");
	assert_string_equal(text.text, "");
}

static void test_strvec(void **state)
{
	(void)state;
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	assert_false(strvec_contains(&words, "x"));
	strvec_sort(&words);
	strvec_split(&words, " \t two  one\tthree ");
	strvec_split(&words, "   ");
	strvec_pushf(&words, "%d", 4);
	assert_int_equal(words.count, 4);
	strvec_sort(&words);
	assert_string_equal(words.items[0], "4");
	assert_string_equal(words.items[3], "two");
	assert_true(strvec_contains(&words, "three"));
	assert_false(strvec_contains(&words, "tree"));
	for (unsigned i = 0; i < 100; i++) {
		strvec_push(&words, "more");
		assert_null(words.items[words.count]);
	}
}

static void test_error(void **state)
{
	(void)state;
	AUTO(error_clear) struct error err = ERROR_INIT, other = ERROR_INIT;

	assert_int_equal(error_errno(&err, ENOSPC, "writing %s", "x"), -1);
	assert_int_equal(err.kind, ERROR_NO_SPACE);
	assert_string_equal(err.message, "writing x: No space left on device");
	assert_int_equal(error_wrap(&err, "packing %s", "y"), -1);
	assert_string_equal(err.message, "packing y: writing x: No space left on device");
	error_subject(&err, "first");
	error_subject(&err, "second");
	assert_string_equal(err.subject, "first");
	error_set(&other, ERROR_TRUST, "to be replaced");
	error_move(&other, &err);
	assert_int_equal(err.kind, ERROR_NONE);
	assert_null(err.message);
	assert_string_equal(other.subject, "first");
	assert_int_equal(error_set(&other, ERROR_URL, "new"), -1);
	assert_null(other.subject); /* nothing is left of what was there */
	assert_null(other.hint);
	error_move(NULL, &other);
	assert_null(other.message);

	assert_int_equal(error_set(NULL, ERROR_URL, "x"), -1);
	assert_int_equal(error_errno(NULL, EIO, "x"), -1);
	assert_int_equal(error_wrap(NULL, "x"), -1);
	assert_int_equal(error_subject(NULL, "x"), -1);
	assert_int_equal(error_hint(NULL, "x"), -1);
	error_clear(NULL);
}

static void test_kind_names(void **state)
{
	(void)state;
	for (enum error_kind a = ERROR_NONE; a < ERROR_KINDS; a++) {
		assert_non_null(error_kind_name(a));
		for (enum error_kind b = ERROR_NONE; b < a; b++)
			assert_string_not_equal(error_kind_name(a), error_kind_name(b));
	}
	assert_string_equal(error_kind_name(ERROR_KINDS), "unknown");
}

static void test_grow(void **state)
{
	(void)state;
	size_t capacity = 0, count = 0;
	int *items = NULL;
	for (; count < 1000; count++) {
		items = xgrow(items, count, &capacity, sizeof(*items));
		items[count] = (int)count;
		assert_true(capacity > count);
	}
	for (size_t i = 0; i < count; i++)
		assert_int_equal(items[i], i);
	free(items);
	assert_null(xstrdup_or_null(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tail),   cmocka_unit_test(test_clean),
		cmocka_unit_test(test_strbuf), cmocka_unit_test(test_strvec),
		cmocka_unit_test(test_error),  cmocka_unit_test(test_kind_names),
		cmocka_unit_test(test_grow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
