#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/installed.h"

#define STATUS "var/lib/dpkg/status"
#define MARKS "var/lib/apt/extended_states"

static char *folder;
static int tree = -1;

static const char dpkg[] = "Package: dpkg\nEssential: yes\nStatus: install ok installed\n"
			   "Architecture: amd64\nVersion: 1.21\n";

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	folder = xasprintf("%s/test_installed.XXXXXX", tmp ?: "/tmp");
	assert_non_null(mkdtemp(folder));
	tree = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int a = dir_open(tree, "var/lib/dpkg/updates", true, 0755, NULL);
	autoclose int b = dir_open(tree, "var/lib/apt", true, 0755, NULL);
	return a < 0 || b < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(tree);
	int ret = tree_remove(AT_FDCWD, folder, NULL);
	free(folder);
	return ret;
}

static void put(const char *path, const char *text)
{
	autoclose int fd = openat(tree, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(write_all(fd, text, strlen(text), path, NULL), 0);
}

static void put_status(const char *more)
{
	autofree char *text = xasprintf("%s\n%s", dpkg, more);
	put(STATUS, text);
}

/* NAME VERSION ARCH, and of the marks their letters. */
static char *read_set(struct installed_set *set)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct strbuf text = STRBUF_INIT;

	if (installed_read(tree, PACKAGE_DEB, set, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < set->installed.count; i++) {
		const struct installed_package *package = &set->installed.packages[i];
		strbuf_addf(&text, "%s %s %s%s%s%s\n", package->name, package->version,
			    package->arch, package->essential ? " e" : "",
			    package->automatic ? " a" : "", package->held ? " h" : "");
	}
	return strbuf_detach(&text);
}

static void expect_set(const char *wanted)
{
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
	autofree char *got = read_set(&set);
	assert_string_equal(got, wanted);
}

static struct digest digest(void)
{
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
	autofree char *got = read_set(&set);
	return set.digest;
}

static void expect_broken(const char *words)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;

	assert_int_equal(installed_read(tree, PACKAGE_DEB, &set, &err), -1);
	assert_int_equal(err.kind, ERROR_PACKAGES);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void test_states(void **state)
{
	(void)state;
	put_status(
		"Package: b\nStatus: hold ok installed\nArchitecture: all\nVersion: 1:2-3~x+y\n\n"
		"Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: "
		"1\n\n"
		"Package: never\nStatus: purge ok not-installed\n\n\n"
		"package: a\nstatus: install ok installed\nArchitecture: i386\nVersion: 1\n"
		"Description: caf\xc3\xa9\n more\n .\n");
	expect_set("a 1 i386\nb 1:2-3~x+y all h\ndpkg 1.21 amd64 e\n");
}

static void test_unfinished(void **state)
{
	(void)state;
	put_status(
		"Package: x\nStatus: install ok half-configured\nArchitecture: all\nVersion: 1\n\n"
		"Package: y\nStatus: install reinstreq installed\nArchitecture: all\nVersion: 1\n");
	expect_broken("in part: x (install ok half-configured), y (install reinstreq installed)");
	put_status("");
	put("var/lib/dpkg/updates/0003", "");
	expect_broken("dpkg was interrupted");
}

static void test_marks(void **state)
{
	(void)state;
	put_status("Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n"
		   "Package: b\nStatus: install ok installed\nArchitecture: i386\nVersion: 1\n\n"
		   "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
		   "Package: c\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n");
	struct digest before = digest();
	put(MARKS, "Package: a\nArchitecture: amd64\nAuto-Installed: 1\n\n"
		   "Package: b\nArchitecture: i386\nAuto-Installed: 1\n\n"
		   "Package: c\nArchitecture: amd64\nAuto-Installed: 0\n\n");
	expect_set("a 1 all a\nb 1 amd64\nb 1 i386 a\nc 1 all\ndpkg 1.21 amd64 e\n");
	struct digest after = digest();
	assert_false(digest_equal(&before, &after));
}

/* Neither the order nor what is only described matters; relations do. */
static void test_digest(void **state)
{
	static const char a[] =
		"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n";
	static const char b[] =
		"Package: b\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n";

	(void)state;
	autofree char *one = xasprintf("%s\n%sDescription: x\n", a, b);
	put_status(one);
	struct digest first = digest();
	autofree char *two = xasprintf("%s\n%sConffiles:\n /etc/x 0\n", b, a);
	put_status(two);
	struct digest second = digest();
	assert_true(digest_equal(&first, &second));
	autofree char *three = xasprintf("%s\n%sDepends: c,\n d (>= 1)\n", a, b);
	put_status(three);
	struct digest third = digest();
	assert_false(digest_equal(&first, &third));
}

static void test_malformed(void **state)
{
	static const struct {
		const char *text, *words;
	} bad[] = {
		{ "Package x\n", "line 7 is no field" },
		{ " more\n", "line 7 goes on with nothing" },
		{ "Package: x\nPackage: y\n", "line 8 repeats a field" },
		{ "Package: x\n", "without a status" },
		{ "Package: ../x\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
		  "without a name" },
		{ "Status: install ok installed\nVersion: 1\nArchitecture: all\n",
		  "without a name" },
		{ "Package: x\nStatus: install ok installed\nVersion: a b\nArchitecture: all\n",
		  "no version" },
		{ "Package: x\nStatus: install ok installed\nVersion: 1\n",
		  "no version or architecture" },
		{ "Package: x\nStatus: install ok installed\nDepends: a\x01\n", "bytes" },
		{ "Package: x\nStatus: install ok broken\nVersion: 1\nArchitecture: all\n",
		  "in part: x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_status(bad[i].text);
		expect_broken(bad[i].words);
	}
	put(STATUS, "");
	expect_broken("no installed package");
	autoclose int fd = openat(tree, STATUS, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "Package: x\0y\n", 13), 13);
	expect_broken("NUL");
}

/* What a tenant may put in its place. None of it may block, or lead out. */
static void test_hostile_files(void **state)
{
	(void)state;
	expect_broken("there is none");
	assert_int_equal(mkfifoat(tree, STATUS, 0644), 0);
	expect_broken("it is no file");
	unlinkat(tree, STATUS, 0);
	assert_int_equal(symlinkat("/etc/passwd", tree, STATUS), 0);
	expect_broken("there is none");
	unlinkat(tree, STATUS, 0);
	assert_int_equal(symlinkat("../../../../../../../var/lib/dpkg/status-old", tree, STATUS),
			 0);
	put("var/lib/dpkg/status-old", dpkg);
	expect_set("dpkg 1.21 amd64 e\n");
	unlinkat(tree, STATUS, 0);
	assert_int_equal(symlinkat("status", tree, STATUS), 0);
	expect_broken("symbolic links");
	unlinkat(tree, STATUS, 0);
	assert_int_equal(mkdirat(tree, STATUS, 0755), 0);
	expect_broken("it is no file");
	unlinkat(tree, STATUS, AT_REMOVEDIR);
	put_status("");
	assert_int_equal(mkfifoat(tree, MARKS, 0644), 0);
	expect_broken(MARKS);
	unlinkat(tree, MARKS, 0);
	autoclose int fd = openat(tree, STATUS, O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)4 << 30), 0);
	expect_broken("larger than");
}

static void test_mounts(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree char *target = xasprintf("%s/var/lib/dpkg", folder);
	struct digest print;

	(void)state;
	put_status("");
	assert_int_equal(mount("tmpfs", target, "tmpfs", 0, ""), 0);
	put_status("");
	int got = installed_fingerprint(tree, PACKAGE_DEB, &print, &err);
	assert_int_equal(umount(target), 0);
	assert_int_equal(got, -1);
	assert_int_equal(err.kind, ERROR_PACKAGES);
	assert_non_null(strstr(err.message, "another file system"));
}

static void test_fingerprint(void **state)
{
	struct digest first, second, third;

	(void)state;
	put_status("");
	assert_int_equal(installed_fingerprint(tree, PACKAGE_DEB, &first, NULL), 0);
	assert_int_equal(installed_fingerprint(tree, PACKAGE_DEB, &second, NULL), 0);
	assert_true(digest_equal(&first, &second));
	put(MARKS, "");
	assert_int_equal(installed_fingerprint(tree, PACKAGE_DEB, &second, NULL), 0);
	assert_false(digest_equal(&first, &second));
	put_status("Package: a\n");
	assert_int_equal(installed_fingerprint(tree, PACKAGE_DEB, &third, NULL), 0);
	assert_false(digest_equal(&second, &third));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_states, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unfinished, setup, teardown),
		cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mounts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fingerprint, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
