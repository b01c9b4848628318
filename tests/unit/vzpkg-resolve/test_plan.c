#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/resolve/order.h"
#include "vzpkg/resolve/plan.h"

/* "name>depends…!pre-depends…", one letter a package, in the order of `text`. */
static struct plan *make_plan(const char *text)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	struct plan *plan = xcalloc(1, sizeof(*plan));

	strvec_split(&words, text);
	plan->packages = xcalloc(words.count, sizeof(*plan->packages));
	plan->count = words.count;
	for (size_t i = 0; i < words.count; i++) {
		plan->packages[i].name = xstrndup(words.items[i], 1);
		plan->packages[i].version = xstrdup("1");
		plan->packages[i].arch = xstrdup("all");
	}
	for (size_t i = 0; i < words.count; i++) {
		struct plan_package *package = &plan->packages[i];
		bool pre = false;
		for (const char *c = words.items[i] + 1; *c; c++) {
			if (*c == '>' || *c == '!') {
				pre = *c == '!';
				continue;
			}
			size_t to = 0;
			while (words.items[to][0] != *c)
				to++;
			size_t **edges = pre ? &package->pre_depends : &package->depends;
			size_t *count = pre ? &package->pre_depend_count : &package->depend_count;
			*edges = xreallocarray(*edges, *count + 1, sizeof(size_t));
			(*edges)[(*count)++] = to;
		}
	}
	return plan;
}

static void expect_order(const char *text, const char *order)
{
	AUTO(plan_freep) struct plan *plan = make_plan(text);
	char got[64] = "";

	plan_order(plan);
	for (size_t i = 0; i < plan->count; i++)
		got[i] = plan->packages[i].name[0];
	assert_string_equal(got, order);
	for (size_t i = 0; i < plan->count; i++)
		for (size_t p = 0; p < plan->packages[i].pre_depend_count; p++)
			assert_true(plan->packages[i].pre_depends[p] < i);
}

static void orders(void **state)
{
	(void)state;
	expect_order("c b a", "abc");
	expect_order("a>b b>c c", "cba");
	expect_order("a!b b c>a", "bac");
	/* A circle of Depends is cut, but never between a package and what it pre-depends on. */
	expect_order("a>b b>a", "ba");
	expect_order("a!b b>c c>a", "cba");
	expect_order("d>c c>b b>d!a a>d", "cdab");
}

static void digests(void **state)
{
	(void)state;
	AUTO(plan_freep) struct plan *one = make_plan("a b"), *other = make_plan("b a");
	struct digest x, y;

	plan_digest(one, &x);
	plan_digest(other, &y);
	assert_true(digest_equal(&x, &y));
	free(other->packages[0].version);
	other->packages[0].version = xstrdup("2");
	plan_digest(other, &y);
	assert_false(digest_equal(&x, &y));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders),
		cmocka_unit_test(digests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
