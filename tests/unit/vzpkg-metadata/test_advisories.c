#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/advisories.h"

static int parse(struct advisories *advisories, const char *text, struct error *err)
{
	autoclose int fd = memfd_create("updateinfo", MFD_CLOEXEC);
	uint64_t total = 0;

	assert_int_equal(write_all(fd, text, strlen(text), "updateinfo", NULL), 0);
	lseek(fd, 0, SEEK_SET);
	int ret = advisories_parse(fd, "updateinfo", advisories, &total, err);
	assert_int_equal(total, strlen(text));
	return ret;
}

static void only_security(void **state)
{
	AUTO(advisories_release) struct advisories advisories = ADVISORIES_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(
		parse(&advisories,
		      "<updates><update type='bugfix'><id>A</id><pkglist><collection>"
		      "<package name='x' version='1' release='1' arch='noarch'/>"
		      "</collection></pkglist></update>"
		      "<update "
		      "type='Security'><id>B</id><severity>Moderate</severity><pkglist><collection>"
		      "<package name='x' epoch='0' version='1' release='2' arch='noarch'/>"
		      "<package name='y' epoch='3' version='1' release='2'/>"
		      "<package name='without-a-version'/><package version='4'/>"
		      "</collection><collection><package name='z' version='5' release='1' "
		      "arch='i686'/>"
		      "</collection></pkglist></update>"
		      "<update type='security' status='retracted'><id>C</id></update>"
		      "<update type='security'><title>without an id</title></update></updates>",
		      &err),
		0);
	assert_int_equal(advisories.count, 1);
	assert_string_equal(advisories.items[0].id, "B");
	assert_int_equal(advisory_severity(&advisories.items[0]), 2);
	assert_int_equal(advisories.package_count, 3);
	assert_string_equal(advisories.packages[0].version, "1-2");
	assert_string_equal(advisories.packages[0].arch, "noarch");
	assert_string_equal(advisories.packages[1].version, "3:1-2");
	assert_null(advisories.packages[1].arch);
	assert_string_equal(advisories.packages[2].name, "z");
}

static void words_are_fit_for_a_terminal(void **state)
{
	AUTO(advisories_release) struct advisories advisories = ADVISORIES_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(parse(&advisories,
			       "<updates><update type='security'><id>A&#10;B&#155;2J</id>"
			       "<severity>very bad</severity></update></updates>",
			       &err),
			 0);
	assert_string_equal(advisories.items[0].id, "A?B??2J");
	assert_string_equal(advisories.items[0].severity, "very?bad");
	assert_int_equal(advisory_severity(&advisories.items[0]), 0);
}

static void what_is_no_xml(void **state)
{
	AUTO(advisories_release) struct advisories advisories = ADVISORIES_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(parse(&advisories, "<updates><update type='security'><id>A</id>", &err),
			 -1);
	assert_int_equal(err.kind, ERROR_FETCH);
	assert_int_equal(advisories.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_security),
		cmocka_unit_test(words_are_fit_for_a_terminal),
		cmocka_unit_test(what_is_no_xml),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
