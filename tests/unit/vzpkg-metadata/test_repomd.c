#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "vzpkg/metadata/location.h"
#include "vzpkg/metadata/mirrorlist.h"
#include "vzpkg/metadata/repomd.h"

#define SHA1 "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static int parse(struct repomd *repomd, const char *text, struct error *err)
{
	return repomd_parse(repomd, "repomd.xml", text, strlen(text), err);
}

static void modern(void **state)
{
	static const char text[] =
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<repomd xmlns=\"http://linux.duke.edu/metadata/repo\" xmlns:rpm=\"x\">\n"
		" <revision>1600000000</revision>\n"
		" <data type=\"primary\"><checksum type=\"sha256\">" SHA256 "</checksum>\n"
		"  <open-checksum type=\"sha256\">" SHA256 "</open-checksum>\n"
		"  <location href=\"repodata/" SHA256 "-primary.xml.zst\"/>\n"
		"  <timestamp>1600000001</timestamp><size> 123 "
		"</size><open-size>4567</open-size></data>\n"
		" <data type=\"primary_zck\"><checksum type=\"sha256\">" SHA256 "</checksum>\n"
		"  <location href=\"repodata/primary.zck\"/></data>\n"
		"</repomd>\n";
	AUTO(repomd_release) struct repomd repomd;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(parse(&repomd, text, &err), 0);
	assert_int_equal(repomd.date, 1600000000);
	const struct repomd_file *file = repomd_find(&repomd, "primary");
	assert_string_equal(file->location, "repodata/" SHA256 "-primary.xml.zst");
	assert_int_equal(file->size, 123);
	assert_int_equal(file->open_size, 4567);
	assert_int_equal(file->digest.kind, DIGEST_SHA256);
	assert_null(repomd_find(&repomd, "filelists"));
}

/* As createrepo wrote it in 2005: no revision, no sizes, times with fractions. */
static void old(void **state)
{
	static const char text[] =
		"<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n"
		"<data type=\"other\"><location href=\"repodata/other.xml.gz\"/>"
		"<checksum type=\"sha\">" SHA1
		"</checksum><timestamp>1118000000.25</timestamp></data>\n"
		"<data type=\"primary\"><location href=\"repodata/primary.xml.gz\"/>"
		"<checksum type=\"sha\">" SHA1
		"</checksum><timestamp>1117000000</timestamp></data>\n"
		"</repomd>";
	AUTO(repomd_release) struct repomd repomd;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(parse(&repomd, text, &err), 0);
	assert_int_equal(repomd.date, 1118000000);
	assert_int_equal(repomd.count, 2);
	assert_int_equal(repomd_find(&repomd, "primary")->digest.kind, DIGEST_SHA1);
	assert_int_equal(repomd_find(&repomd, "primary")->size, 0);
}

/* "8.4" is a revision, too, and no time. */
static void revision_of_another_kind(void **state)
{
	static const char text[] =
		"<repomd><revision>8.4</revision><data type=\"primary\"><location href=\"a/b\"/>"
		"<checksum type=\"sha\">" SHA1
		"</checksum><timestamp>1117000000</timestamp></data></repomd>";
	AUTO(repomd_release) struct repomd repomd;

	(void)state;
	assert_int_equal(parse(&repomd, text, NULL), 0);
	assert_int_equal(repomd.date, 1117000000);
}

static void refused(void **state)
{
	static const char *const texts[] = {
		"",
		"not XML",
		"<html><body>moved</body></html>",
		"<repomd/>",
		"<repomd><data type=\"primary\"/></repomd>",
		"<repomd><data type=\"primary\"><location href=\"../x\"/><checksum "
		"type=\"sha\">" SHA1 "</checksum></data></repomd>",
		"<repomd><data type=\"primary\"><location href=\"x\"/><checksum "
		"type=\"crc\">00</checksum>"
		"</data></repomd>",
		"<repomd><data type=\"primary\"><location href=\"x\"/><checksum type=\"sha\">" SHA1,
		"<!DOCTYPE repomd [<!ENTITY x \"y\">]><repomd><data type=\"primary\"><location "
		"href=\"&x;\"/>"
		"<checksum type=\"sha\">" SHA1 "</checksum></data></repomd>",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(repomd_release) struct repomd repomd;
		assert_int_equal(parse(&repomd, texts[i], &err), -1);
		assert_int_equal(err.kind, ERROR_PARSE);
		assert_non_null(err.hint);
	}
}

static void locations(void **state)
{
	(void)state;
	assert_true(location_is_safe("Packages/b/bash-5.1-2.el9.x86_64.rpm"));
	assert_true(location_is_safe("libstdc++-4.rpm"));
	assert_false(location_is_safe(NULL));
	assert_false(location_is_safe(""));
	assert_false(location_is_safe("/etc/passwd"));
	assert_false(location_is_safe("a/../../b"));
	assert_false(location_is_safe("http://evil.example/x"));
	assert_false(location_is_safe("a b"));
	assert_false(location_is_safe("a?b"));
}

/* ---- lists of mirrors -------------------------------------------------------------------------------------- */

static int read_list(struct mirrorlist *list, const char *text, struct error *err)
{
	return mirrorlist_parse(list, "http://lists.example/", text, strlen(text), err);
}

static void plain_list(void **state)
{
	AUTO(mirrorlist_release) struct mirrorlist list;

	(void)state;
	assert_int_equal(
		read_list(&list,
			  "# repo = os\r\nhttp://a.example/os/\r\n\nftp://b.example/os\n"
			  "  https://c.example/os \nrsync://d\nhttp://a.example/os\nfile:///etc\n",
			  NULL),
		0);
	assert_int_equal(list.bases.count, 2);
	assert_string_equal(list.bases.items[0], "http://a.example/os");
	assert_string_equal(list.bases.items[1], "https://c.example/os");
	assert_int_equal(list.repomd.kind, DIGEST_NONE);
}

static void metalink(void **state)
{
	static const char text[] =
		"<?xml version=\"1.0\"?><metalink version=\"3.0\" "
		"xmlns=\"http://www.metalinker.org/\" "
		"xmlns:mm0=\"m\"><files><file name=\"repomd.xml\"><size>10</size><verification>"
		"<hash type=\"md5\">d41d8cd98f00b204e9800998ecf8427e</hash>"
		"<hash type=\"sha256\">" SHA256 "</hash></verification><resources>"
		"<url protocol=\"http\" "
		"preference=\"90\">http://b.example/x/repodata/repomd.xml</url>"
		"<url protocol=\"rsync\" "
		"preference=\"100\">rsync://r.example/x/repodata/repomd.xml</url>"
		"<url protocol=\"https\" "
		"preference=\"100\">https://a.example/repodata/repomd.xml</url>"
		"<url protocol=\"http\" preference=\"95\">http://c.example/other.xml</url>"
		"</resources></file></files></metalink>";
	AUTO(mirrorlist_release) struct mirrorlist list;

	(void)state;
	assert_int_equal(read_list(&list, text, NULL), 0);
	assert_int_equal(list.bases.count, 2);
	assert_string_equal(list.bases.items[0], "https://a.example");
	assert_string_equal(list.bases.items[1], "http://b.example/x");
	assert_int_equal(list.repomd.kind, DIGEST_SHA256);
}

static void useless_lists(void **state)
{
	static const struct {
		const char *text;
		enum error_kind kind;
	} cases[] = {
		{ "", ERROR_FETCH },
		{ "# nothing\n", ERROR_FETCH },
		{ "Invalid release\n", ERROR_FETCH },
		{ "<html><body>x</body></html>", ERROR_PARSE },
		{ "<metalink/>", ERROR_FETCH },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(mirrorlist_release) struct mirrorlist list;
		assert_int_equal(read_list(&list, cases[i].text, &err), -1);
		if (err.kind != cases[i].kind)
			fail_msg("\"%s\": %s", cases[i].text, err.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modern),
		cmocka_unit_test(old),
		cmocka_unit_test(revision_of_another_kind),
		cmocka_unit_test(refused),
		cmocka_unit_test(locations),
		cmocka_unit_test(plain_list),
		cmocka_unit_test(metalink),
		cmocka_unit_test(useless_lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
