/* Which VEs words select. */
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

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/config/select.h"

static char folder[] = "/tmp/vzpkg-select.XXXXXX";
static struct host_config host;

static void put(const char *name, const char *text)
{
	autofree char *path = xasprintf("%s/%s", folder, name);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, 0644, text, strlen(text), NULL), 0);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	host = HOST_CONFIG_INIT;
	autofree char *conf = xasprintf("%s/vz.conf", folder);
	put("vz.conf", "VE_CONFDIR=.\n");
	put("101.conf", "NAME=\"web1\"\nOSTEMPLATE=\"debian-12-x86_64\"\n");
	put("102.conf", "NAME=\"web2\"\nOSTEMPLATE=\"debian-12-x86_64-web\"\n");
	put("105.conf", "OSTEMPLATE=\".centos-7-x86_64\"\n");
	put("110.conf", "NAME=\"db\"\nOSTEMPLATE=\"debian-12.1-x86_64\"\n");
	put("120.conf", "this is no configuration\n");
	return host_config_load(&host, conf, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	host_config_release(&host);
	return tree_remove(AT_FDCWD, folder, NULL);
}

/* "101 102 !nosuch" */
static char *selected(const struct ve_words *words, struct error *err)
{
	AUTO(ve_selection_release) struct ve_selection selection = VE_SELECTION_INIT;
	struct strbuf text = STRBUF_INIT;

	if (ve_select(&host, words, &selection, err) < 0)
		return NULL;
	for (size_t i = 0; i < selection.count; i++) {
		strbuf_addf(&text, "%s", text.length ? " " : "");
		if (selection.items[i].ctid)
			strbuf_addf(&text, "%u", selection.items[i].ctid);
		else
			strbuf_addf(&text, "!%s", selection.items[i].word);
	}
	return strbuf_detach(&text);
}

static void assert_ves(const char *ves, const char *skip, const char *expected)
{
	struct ve_words words = { 0 };
	strvec_push(&words.ves, ves);
	if (skip)
		strvec_push(&words.skip, skip);
	autofree char *found = selected(&words, NULL);
	assert_non_null(found);
	assert_string_equal(found, expected);
	strvec_release(&words.ves);
	strvec_release(&words.skip);
}

static void assert_none(const char *ves, enum error_kind kind)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct ve_words words = { 0 };
	strvec_push(&words.ves, ves);
	assert_null(selected(&words, &err));
	assert_int_equal(err.kind, kind);
	assert_non_null(err.hint);
	strvec_release(&words.ves);
}

static void by_words(void **state)
{
	(void)state;
	assert_ves("101", NULL, "101");
	assert_ves("110,101,101", NULL, "101 110");
	assert_ves("db", NULL, "110");
	assert_ves("101-109", NULL, "101 102 105");
	assert_ves("web*", NULL, "101 102");
	assert_ves("web[2-9],105", NULL, "102 105");
	assert_ves("101-120", "102,db,web1", "105 120");
}

static void what_is_not_there_is_kept(void **state)
{
	(void)state;
	assert_ves("101,199", NULL, "101 199");
	assert_ves("101,nosuch", NULL, "!nosuch 101");
}

static void none_at_all(void **state)
{
	(void)state;
	assert_none("nosuch*", ERROR_NO_VE);
	assert_none("130-140", ERROR_NO_VE);
	assert_none("109-101", ERROR_USAGE);
	assert_none("7", ERROR_USAGE);
	assert_none("1-101", ERROR_USAGE);
	assert_none(",", ERROR_NO_VE);
}

static void by_template(void **state)
{
	(void)state;
	struct ve_words words = { 0 };
	AUTO(error_clear) struct error err = ERROR_INIT;

	strvec_push(&words.templates, "debian-12");
	autofree char *debian = selected(&words, NULL);
	assert_string_equal(debian, "101 102");
	strvec_push(&words.templates, "centos-7");
	autofree char *both = selected(&words, NULL);
	assert_string_equal(both, "101 102 105");
	strvec_push(&words.templates, "fedora-core-4");
	assert_null(selected(&words, &err));
	assert_int_equal(err.kind, ERROR_NO_VE);
	strvec_release(&words.templates);
}

static void all_but_some(void **state)
{
	(void)state;
	struct ve_words words = { .all = true };
	assert_true(ve_words_given(&words));
	strvec_push(&words.skip, "120");
	autofree char *found = selected(&words, NULL);
	assert_string_equal(found, "101 102 105 110");
	strvec_push(&words.skip, "101-110");
	assert_null(selected(&words, NULL));
	strvec_release(&words.skip);
}

static void words_for_many(void **state)
{
	static const char *const one[] = { "101", "web-1", "101-", "-140", "1-2-3", "" };
	static const char *const many[] = { "101,", "101,web", "101-140", "web*", "we[bc]", "w?b" };
	(void)state;
	for (size_t i = 0; i < sizeof(one) / sizeof(*one); i++)
		assert_false(ve_word_is_many(one[i]));
	for (size_t i = 0; i < sizeof(many) / sizeof(*many); i++)
		assert_true(ve_word_is_many(many[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_words),     cmocka_unit_test(what_is_not_there_is_kept),
		cmocka_unit_test(none_at_all),  cmocka_unit_test(by_template),
		cmocka_unit_test(all_but_some), cmocka_unit_test(words_for_many),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
