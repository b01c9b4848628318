#include "tests/unit/base/scratch.h"
#include "vzpkg/import/address.h"
#include "vzpkg/import/import.h"
#include "vzpkg/import/yum_conf.h"

/* ---- yum.conf ------------------------------------------------------------------------------------------------- */

static void parse(struct yum_conf *conf, const char *text, size_t size)
{
	AUTO(strbuf_release) struct strbuf buf = STRBUF_INIT;
	strbuf_add(&buf, text, size);
	yum_conf_parse(conf, &buf);
}

#define PARSE(conf, text) parse(conf, text, sizeof(text) - 1)

static void options_of_sections(void **state)
{
	AUTO(yum_conf_release) struct yum_conf conf = YUM_CONF_INIT;
	(void)state;

	PARSE(&conf,
	      "[main]\nCacheDir = /x \n# comment\n; another\n\n[base]\r\nbaseurl=http://a/\r\n"
	      "  http://b/\n\thttp://c/\nenabled=1\nenabled=0\nempty=\n");
	assert_int_equal(conf.count, 5);
	assert_string_equal(yum_conf_get(&conf, "main", "cachedir"), "/x");
	assert_string_equal(yum_conf_get(&conf, "base", "baseurl"),
			    "http://a/ http://b/ http://c/");
	assert_int_equal(conf.options[1].line, 7);
	assert_string_equal(yum_conf_get(&conf, "base", "enabled"), "0");
	assert_string_equal(yum_conf_get(&conf, "base", "empty"), "");
	assert_null(yum_conf_get(&conf, "base", "cachedir"));
	assert_null(yum_conf_get(&conf, "other", "enabled"));
}

static void what_is_no_option(void **state)
{
	AUTO(yum_conf_release) struct yum_conf conf = YUM_CONF_INIT;
	(void)state;

	PARSE(&conf, "early=1\n[a]\n  indented=first\nwords\n=x\n[]\n[open\nk\1=v\n");
	const char *values[] = {
		"early=1", "first", "words", "=x", "[]", "[open", "a line that is not text"
	};
	assert_int_equal(conf.count, sizeof(values) / sizeof(values[0]));
	for (size_t i = 0; i < conf.count; i++) {
		assert_string_equal(conf.options[i].value, values[i]);
		assert_true(i == 1 ? conf.options[i].key != NULL : conf.options[i].key == NULL);
	}
	assert_string_equal(yum_conf_get(&conf, "a", "indented"), "first");
}

/* ---- addresses -------------------------------------------------------------------------------------------------- */

static struct import an_import(const char *os, const char *release, const char *arch)
{
	return (struct import){
		.os = (char *)os, .release = (char *)release, .arch = arch, .format = PACKAGE_RPM
	};
}

static void expands(const struct import *import, const char *text, const char *wanted)
{
	autofree char *unknown = NULL;
	autofree char *expanded = address_expand(import, text, &unknown);
	if (wanted)
		assert_string_equal(expanded, wanted);
	else
		assert_null(expanded);
}

static void old_variables(void **state)
{
	struct import import = an_import("fedora-core", "4", "i386");
	(void)state;

	expands(&import, "http://x/$releasever/@@OSARCH@@/@@OSVERSION@@/${basearch}",
		"http://x/4/$basearch/4/$basearch");
	expands(&import, "$SUSE_SERVER/pub/opensuse/distribution",
		"http://download.opensuse.org/distribution");
	expands(&import, "$CE_SERVER/centos", "http://mirror.centos.org/centos");
	expands(&import, "http://x/$archive", NULL);
	expands(&import, "http://x/$SW_SERVER", NULL);
	expands(&import, "http://x/@@OTHER", NULL);
	expands(&import, "$", NULL);
	expands(&import, "@@", NULL);
	expands(&import, "a@b", "a@b");
}

static void unknown_names(void **state)
{
	static const char *const texts[][2] = {
		{ "http://x/$YUM0/y", "$YUM0" },
		{ "@@FOO@@/y", "@@FOO@@" },
		{ "$", "$" },
		{ "@@", "@@" },
		{ "${", "${" },
		{ "@@x", "@@x" },
	};
	struct import import = an_import("fedora", "8", NULL);
	(void)state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		autofree char *unknown = NULL;
		assert_null(address_expand(&import, texts[i][0], &unknown));
		assert_string_equal(unknown, texts[i][1]);
	}
}

static void becomes(const struct import *import, const char *url, const char *repository,
		    const char *guest)
{
	AUTO(address_release) struct address address = ADDRESS_INIT;
	address_rpm(import, url, &address);
	assert_string_equal(address.repository, repository);
	if (guest)
		assert_string_equal(address.guest, guest);
	else
		assert_null(address.guest);
}

static void addresses_of_rpm(void **state)
{
	struct import old = an_import("fedora-core", "4", "i386"),
		      new = an_import("fedora", "43", "x86_64");
	(void)state;

	becomes(&old, "http://download.fedora.redhat.com/pub/fedora/linux/core/4/i386/os/",
		"$FEDORA_ARCHIVE/core/4/$basearch/os eol",
		"http://archives.fedoraproject.org/pub/archive/fedora/linux/core/4/$basearch/os");
	becomes(&new,
		"https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Everything/x86_64/os",
		"$FEDORA_MIRROR/releases/43/Everything/$basearch/os",
		"https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Everything/$basearch/"
		"os");
	becomes(&old, "http://mirror.centos.org/centos/5/os/i386/",
		"$CENTOS_VAULT/5.11/os/$basearch eol", "http://vault.centos.org/5.11/os/$basearch");
	becomes(&old, "http://vault.centos.org/5.4/os/i386", "$CENTOS_VAULT/5.4/os/$basearch eol",
		"http://vault.centos.org/5.4/os/$basearch");
	becomes(&old, "http://mirror.centos.org/centos/8-stream/BaseOS/i386/os",
		"$CENTOS_VAULT/8-stream/BaseOS/$basearch/os eol",
		"http://vault.centos.org/8-stream/BaseOS/$basearch/os");
	becomes(&old, "http://mirror.centos.org/altarch/7/os/i386",
		"http://mirror.centos.org/altarch/7/os/$basearch",
		"http://mirror.centos.org/altarch/7/os/$basearch");
	becomes(&old, "http://mirror.centos.org/centos/99/os",
		"http://mirror.centos.org/centos/99/os", "http://mirror.centos.org/centos/99/os");
	/* Only a whole part of the path is the architecture, and only the tree's own. */
	becomes(&old, "http://x/i386-extra/x86_64/i386", "http://x/i386-extra/x86_64/$basearch",
		"http://x/i386-extra/x86_64/$basearch");
	becomes(&old, "file:///srv/r/", "file:///srv/r", NULL);
	becomes(&old, "http://localhost/r", "http://localhost/r", NULL);
}

static void lists_of_mirrors(void **state)
{
	static const char *const lists[][3] = {
		{ "6", "http://fedora.redhat.com/download/mirrors/fedora-core-6",
		  "$FEDORA_ARCHIVE/core/6/$basearch/os eol" },
		{ "6", "http://mirrors.fedoraproject.org/mirrorlist?repo=core-6&arch=$basearch",
		  "$FEDORA_ARCHIVE/core/6/$basearch/os eol" },
		{ "6", "http://mirrors.fedoraproject.org/mirrorlist?arch=i386&repo=extras-6",
		  "$FEDORA_ARCHIVE/extras/6/$basearch eol" },
		{ "20", "https://mirrors.fedoraproject.org/metalink?repo=fedora-20&arch=x86_64",
		  "$FEDORA_ARCHIVE/releases/20/Everything/$basearch/os eol" },
		{ "20",
		  "https://mirrors.fedoraproject.org/"
		  "metalink?repo=updates-released-f20&arch=x86_64",
		  "$FEDORA_ARCHIVE/updates/20/$basearch eol" },
		{ "30",
		  "https://mirrors.fedoraproject.org/"
		  "metalink?repo=updates-released-f30&arch=x86_64",
		  "$FEDORA_ARCHIVE/updates/30/Everything/$basearch eol" },
		{ "7", "http://mirrorlist.centos.org/?release=7&arch=x86_64&repo=updates",
		  "$CENTOS_VAULT/7.9.2009/updates/$basearch eol" },
		{ "8", "http://mirrorlist.centos.org/?release=8&arch=x86_64&repo=AppStream",
		  "$CENTOS_VAULT/8.5.2111/AppStream/$basearch/os eol" },
		{ "6", "http://mirrors.fedoraproject.org/mirrorlist?repo=rawhide", NULL },
		{ "6", "http://mirrors.fedoraproject.org/mirrorlist?norepo=core-6", NULL },
		{ "6", "http://mirrors.fedoraproject.org/mirrorlist?repo=core-6x", NULL },
		{ "7", "http://mirrorlist.centos.org/?release=7", NULL },
		{ "7", "http://mirrorlist.centos.org/", NULL },
		{ "7", "http://repo.example.org/list?arch=x86_64", NULL },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		AUTO(address_release) struct address address = ADDRESS_INIT;
		struct import import = an_import("any", lists[i][0], "x86_64");
		address_list(&import, lists[i][1], &address);
		if (lists[i][2])
			assert_string_equal(address.repository, lists[i][2]);
		else
			assert_null(address.repository);
		assert_true(lists[i][2] ? !address.list : address.list != NULL);
	}
}

static void addresses_of_deb(void **state)
{
	static const char *const lines[][3] = {
		{ "http://ftp.us.debian.org/debian/ squeeze main",
		  "$DEBIAN_ARCHIVE squeeze main eol",
		  "deb http://archive.debian.org/debian squeeze main" },
		{ "http://deb.debian.org/debian trixie-updates main",
		  "$DEBIAN_MIRROR trixie-updates main",
		  "deb http://deb.debian.org/debian trixie-updates main" },
		{ "http://security.debian.org/ wheezy/updates main",
		  "$DEBIAN_SECURITY_ARCHIVE wheezy/updates main eol",
		  "deb http://archive.debian.org/debian-security wheezy/updates main" },
		{ "http://de.archive.ubuntu.com/ubuntu karmic-updates main universe",
		  "http://old-releases.ubuntu.com/ubuntu karmic-updates main universe eol",
		  "deb http://old-releases.ubuntu.com/ubuntu karmic-updates main universe" },
		{ "http://archive.ubuntu.com/ubuntu noble main",
		  "http://archive.ubuntu.com/ubuntu noble main",
		  "deb http://archive.ubuntu.com/ubuntu noble main" },
		{ "http://apt.example.org/debian lenny main",
		  "http://apt.example.org/debian lenny main",
		  "deb http://apt.example.org/debian lenny main" },
		{ "file:///srv/d ./", "file:///srv/d ./", NULL },
		{ "http://ftp.debian.org/debian etch-updates main", NULL, NULL },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		AUTO(address_release) struct address address = ADDRESS_INIT;
		const char *why = NULL;
		bool taken = address_deb(lines[i][0], &address, &why);
		assert_true(taken == (lines[i][1] != NULL));
		if (taken)
			assert_string_equal(address.repository, lines[i][1]);
		else
			assert_non_null(why);
		if (lines[i][2])
			assert_string_equal(address.guest, lines[i][2]);
		else
			assert_null(address.guest);
	}
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* A tree of OpenVZ's with a list and a repository, in that folder. */
static struct import *read_at(const struct scratch *scratch, const char *folder, const char *name,
			      struct error *err)
{
	AUTO(conf_release) struct conf variables = CONF_INIT;
	autofree char *path = xasprintf("%s/%s", scratch->path, folder);
	autoclose int dir = dir_open(AT_FDCWD, path, true, 0755, NULL);
	struct import_request request = { .dir = path, .name = name, .variables = &variables };
	struct import *import = NULL;

	put_file(dir, "default.list", "bash\n");
	put_file(dir, "yum.conf", "[main]\n[r]\nbaseurl=http://x/\n");
	import_read(&request, &import, err);
	return import;
}

static void names(void **state)
{
	static const char *const cases[][5] = {
		/* folder, --name, OS, release, architecture */
		{ "a/fedora-core/4/x86_64/config", NULL, "fedora-core", "4", "x86_64" },
		{ "b/fedora-core/4/x86/config", NULL, "fedora-core", "4", "i386" },
		{ "c/fedora-core-4/config", NULL, "fedora-core", "4", "" },
		{ "d/vztmpl-centos-4", NULL, "centos", "4", "" },
		{ "e/debian-minimal-8.0-x86_64-ez", NULL, "debian-minimal", "8.0", "x86_64" },
		{ "f/fedora-core-4", "suse-11.3-i386", "suse", "11.3", "i386" },
		{ "g/noname/config", "x-1", "x", "1", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(import_freep)
		struct import *import = read_at(*state, cases[i][0], cases[i][1], NULL);
		assert_non_null(import);
		assert_string_equal(import->os, cases[i][2]);
		assert_string_equal(import->release, cases[i][3]);
		assert_string_equal(import->arch ?: "", cases[i][4]);
	}
}

static void no_names(void **state)
{
	static const char *const cases[][2] = {
		{ "noname/config", NULL }, { "4/x86_64/config/..x-1", NULL },
		{ "a/x-1", "" },           { "b/x-1", "-1" },
		{ "c/x-1", "x-" },         { "d/x-1", "a/b-1" },
		{ "e/x-1", "x" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		assert_null(read_at(*state, cases[i][0], cases[i][1], &err));
		assert_int_equal(err.kind, ERROR_USAGE);
		assert_non_null(err.hint);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_of_sections),
		cmocka_unit_test(what_is_no_option),
		cmocka_unit_test(old_variables),
		cmocka_unit_test(unknown_names),
		cmocka_unit_test(addresses_of_rpm),
		cmocka_unit_test(lists_of_mirrors),
		cmocka_unit_test(addresses_of_deb),
		scratch_test(names),
		scratch_test(no_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
