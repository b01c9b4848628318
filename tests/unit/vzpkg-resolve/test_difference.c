#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/resolve/difference.h"

/* "name version arch [digest]" */
static struct digest digest_of(const char *text)
{
	struct digest digest;
	digest_data(DIGEST_SHA256, text, strlen(text), &digest);
	return digest;
}

static void have(struct installed *installed, const char *name, const char *version,
		 const char *arch, const char *digest)
{
	struct installed_package package = {
		.name = (char *)name,
		.version = (char *)version,
		.arch = (char *)arch,
		.digest = digest ? digest_of(digest) : DIGEST_INIT,
	};
	memcpy(package.signer, "ABCD", 5);
	installed_add(installed, &package);
}

static struct plan *plan_of(size_t count)
{
	struct plan *plan = xcalloc(1, sizeof(*plan));
	plan->packages = xcalloc(count, sizeof(*plan->packages));
	return plan;
}

static void want(struct plan *plan, const char *name, const char *version, const char *arch,
		 const char *digest)
{
	plan->packages[plan->count++] = (struct plan_package){
		.name = xstrdup(name),
		.version = xstrdup(version),
		.arch = xstrdup(arch),
		.digest = digest_of(digest),
	};
}

static void nothing(void **state)
{
	AUTO(installed_release) struct installed installed = INSTALLED_INIT;
	AUTO(plan_freep) struct plan *plan = plan_of(2);
	AUTO(difference_release) struct difference difference = DIFFERENCE_INIT;

	(void)state;
	have(&installed, "b", "2", "all", NULL);
	have(&installed, "a", "1", "all", "x");
	want(plan, "a", "1", "all", "x");
	want(plan, "b", "2", "all", "y");
	difference_make(&installed, plan, &difference);
	assert_int_equal(difference.count, 0);
	/* Who has signed what stays is known. */
	assert_string_equal(plan->packages[0].signer, "ABCD");
}

static void each_kind(void **state)
{
	AUTO(installed_release) struct installed installed = INSTALLED_INIT;
	AUTO(plan_freep) struct plan *plan = plan_of(4);
	AUTO(difference_release) struct difference difference = DIFFERENCE_INIT;

	(void)state;
	have(&installed, "stays", "1", "all", "x");
	have(&installed, "old", "1", "all", "x");
	have(&installed, "rebuilt", "1", "all", "x");
	have(&installed, "gone", "1", "all", "x");
	want(plan, "new", "1", "all", "x");
	want(plan, "old", "2", "amd64", "y");
	want(plan, "rebuilt", "1", "all", "y");
	want(plan, "stays", "1", "all", "x");
	difference_make(&installed, plan, &difference);
	assert_int_equal(difference.count, 4);
	assert_int_equal(difference.changes[0].kind, CHANGE_ADD);
	assert_int_equal(difference.changes[0].package, 0);
	assert_null(difference.changes[0].before);
	assert_int_equal(difference.changes[1].kind, CHANGE_REPLACE);
	assert_string_equal(difference.changes[1].before->version, "1");
	assert_int_equal(difference.changes[2].kind, CHANGE_REPLACE);
	assert_int_equal(difference.changes[2].package, 2);
	assert_int_equal(difference.changes[3].kind, CHANGE_REMOVE);
	assert_string_equal(difference.changes[3].before->name, "gone");
	assert_int_equal(difference_count(&difference, CHANGE_REPLACE), 2);
	/* Who has signed another file is not. */
	assert_string_equal(plan->packages[1].signer, "");
}

static void several_of_a_name(void **state)
{
	AUTO(installed_release) struct installed installed = INSTALLED_INIT;
	AUTO(plan_freep) struct plan *plan = plan_of(3);
	AUTO(difference_release) struct difference difference = DIFFERENCE_INIT;

	(void)state;
	have(&installed, "libc", "1", "i386", "x");
	have(&installed, "libc", "1", "amd64", "y");
	have(&installed, "kernel", "1", "all", "x");
	have(&installed, "kernel", "2", "all", "y");
	want(plan, "kernel", "2", "all", "y");
	want(plan, "libc", "2", "amd64", "z");
	want(plan, "libc", "2", "i386", "z");
	difference_make(&installed, plan, &difference);
	assert_int_equal(difference.count, 3);
	assert_string_equal(difference.changes[0].before->arch, "amd64");
	assert_string_equal(difference.changes[1].before->arch, "i386");
	assert_int_equal(difference.changes[2].kind, CHANGE_REMOVE);
	assert_string_equal(difference.changes[2].before->version, "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing),
		cmocka_unit_test(each_kind),
		cmocka_unit_test(several_of_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
