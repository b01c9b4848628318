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
#include "vzpkg/install/clean.h"
#include "vzpkg/install/dpkg_database.h"
#include "vzpkg/install/dpkg_overrides.h"
#include "vzpkg/install/dpkg_unpack.h"
#include "vzpkg/install/paragraph.h"

struct world {
	char *path; /* of a folder that holds the tree and what must stay as it is */
	int dir, tree;
	struct dpkg_database database;
	struct error err;
};

static int setup(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));
	const char *tmp = getenv("TMPDIR");

	world->path = xasprintf("%s/database.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(world->path));
	world->dir = dir_open(AT_FDCWD, world->path, false, 0, NULL);
	world->tree = dir_open(world->dir, "tree", true, 0755, NULL);
	world->database = DPKG_DATABASE_INIT;
	assert_int_equal(dpkg_database_open(&world->database, world->tree, true, NULL), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	dpkg_database_release(&world->database);
	error_clear(&world->err);
	close(world->dir);
	close(world->tree);
	tree_remove(AT_FDCWD, world->path, NULL);
	free(world->path);
	free(world);
	return 0;
}

static void put(int dir, const char *path, const char *text)
{
	autofree char *parent = xstrdup(path);
	char *slash = strrchr(parent, '/');
	if (slash) {
		*slash = '\0';
		close(dir_open(dir, parent, true, 0755, NULL));
	}
	assert_int_equal(file_write_atomic(dir, path, 0644, text, strlen(text), NULL), 0);
}

static void assert_content(int dir, const char *path, const char *expected)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	assert_int_equal(file_read(dir, path, 1 << 20, &text, NULL), 0);
	assert_string_equal(text.text, expected);
}

static struct unpacked_entry entries[] = {
	{ .path = (char *)"/." },
	{ .path = (char *)"/usr/share/man/man1/x.1.gz", .kind = UNPACKED_FILE },
};

static const struct unpacked first = {
	.control = (char *)"Package: first\nVersion: 1\nDescription: x\n y\n\n",
	.conffiles = (char *)" /etc/a 0123\n /etc/b newconffile\n",
	.info_name = (char *)"first:amd64",
	.entries = entries,
	.count = 2,
};
static const struct unpacked second = {
	.control = (char *)"Package: second\nVersion: 2",
	.conffiles = (char *)"",
	.info_name = (char *)"second",
};
static const struct unpacked *const both[] = { &first, &second };

static void packages_are_unpacked_in_the_status(void **state)
{
	struct world *world = *state;

	assert_int_equal(dpkg_database_add(&world->database, both, 2, NULL), 0);
	assert_content(world->tree, "var/lib/dpkg/status",
		       "Package: first\nVersion: 1\nDescription: x\n y\n"
		       "Status: install ok unpacked\n"
		       "Conffiles:\n /etc/a 0123\n /etc/b newconffile\n\n"
		       "Package: second\nVersion: 2\nStatus: install ok unpacked\n\n");
	assert_content(world->tree, "var/lib/dpkg/info/format", "1\n");
	assert_int_equal(faccessat(world->tree, "var/lib/dpkg/triggers/File", F_OK, 0), -1);
}

/* A dpkg that knows one architecture has no such file. */
static void old_databases_have_no_format(void **state)
{
	struct world *world = *state;
	AUTO(dpkg_database_release) struct dpkg_database database = DPKG_DATABASE_INIT;

	assert_int_equal(unlinkat(world->database.info, "format", 0), 0);
	assert_int_equal(dpkg_database_open(&database, world->tree, false, NULL), 0);
	assert_int_equal(faccessat(world->database.info, "format", F_OK, 0), -1);
}

static void interests_are_registered(void **state)
{
	struct world *world = *state;

	put(world->database.info, "first:amd64.triggers",
	    "# a comment\ninterest /usr/share/man\ninterest-noawait ldconfig # why\n"
	    "activate other\n");
	put(world->database.info, "second.triggers",
	    "\tinterest-noawait   /usr/lib\ninterest ldconfig\n");
	assert_int_equal(dpkg_database_add(&world->database, both, 2, NULL), 0);
	assert_content(world->tree, "var/lib/dpkg/triggers/File",
		       "/usr/share/man first:amd64\n/usr/lib second/noawait\n");
	assert_content(world->tree, "var/lib/dpkg/triggers/ldconfig",
		       "first:amd64/noawait\nsecond\n");
	assert_int_equal(faccessat(world->tree, "var/lib/dpkg/triggers/other", F_OK, 0), -1);
}

static void refuses_triggers_that_are_paths(void **state)
{
	struct world *world = *state;
	static const char *const names[] = { "../x", "a/b", ".x", ".." };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		autofree char *text = xasprintf("interest %s\n", names[i]);
		put(world->database.info, "second.triggers", text);
		assert_int_equal(dpkg_database_add(&world->database, both, 2, &world->err), -1);
		assert_int_equal(world->err.kind, ERROR_INSTALL);
		error_clear(&world->err);
	}
}

static void paths_activate_triggers(void **state)
{
	struct world *world = *state;

	put(world->database.triggers, "File",
	    "/usr/share/man a\n/usr/share/ma b\n/usr/share/man/man1/x.1.gz c/noawait\n"
	    "/usr/share/man/man1/x.1.gz.not d\n/opt e\n");
	assert_int_equal(dpkg_database_activate(&world->database, both, 2, NULL), 0);
	assert_content(world->tree, "var/lib/dpkg/triggers/Unincorp",
		       "/usr/share/man -\n/usr/share/man/man1/x.1.gz -\n");
}

static void a_path_is_taken_from_a_list(void **state)
{
	struct world *world = *state;

	put(world->database.info, "second.list", "/.\n/etc\n/etc/x\n/etc/xy\n");
	assert_int_equal(dpkg_database_unlist(&world->database, "second", "/etc/x", NULL), 0);
	assert_content(world->database.info, "second.list", "/.\n/etc\n/etc/xy\n");
}

static void what_is_not_installed_is_named(void **state)
{
	struct world *world = *state;
	struct plan_package packages[] = {
		{ .name = (char[]){ "a" } },
		{ .name = (char[]){ "b" } },
		{ .name = (char[]){ "gone" } },
	};
	struct plan plan = { .packages = packages, .count = 3 };
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	put(world->database.dpkg, "status",
	    "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: install ok "
	    "unpacked\n\n"
	    "Package: c\nStatus: install ok triggers-pending\n\n"
	    "Package: ghost\nStatus: install ok installed\n");
	assert_int_equal(dpkg_database_compare(&world->database, &plan, &text, NULL), 0);
	assert_string_equal(text.text, "b (install ok unpacked), c (install ok triggers-pending), "
				       "ghost (not to be installed), gone (missing)");
}

/* Scripts run as the tree's root: what they leave in the place of dpkg's files and folders must make us
 * neither read nor write anything else. */
static void links_in_place_of_dpkgs_files_are_not_followed(void **state)
{
	struct world *world = *state;
	autofree char *secret = xasprintf("%s/secret", world->path);
	autofree char *elsewhere = xasprintf("%s/elsewhere", world->path);
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct plan plan = { 0 };

	put(world->dir, "secret", "Package: secret\nStatus: x\n");
	close(dir_open(world->dir, "elsewhere", true, 0755, NULL));
	assert_int_equal(symlinkat(secret, world->database.dpkg, "status"), 0);
	assert_int_equal(dpkg_database_compare(&world->database, &plan, &text, &world->err), -1);
	assert_int_equal(dpkg_database_add(&world->database, both, 2, &world->err), -1);
	assert_content(world->dir, "secret", "Package: secret\nStatus: x\n");
	assert_int_equal(unlinkat(world->database.dpkg, "status", 0), 0);

	put(world->database.info, "second.triggers", "interest x\n");
	assert_int_equal(tree_remove(world->database.dpkg, "triggers", NULL), 0);
	assert_int_equal(symlinkat(elsewhere, world->database.dpkg, "triggers"), 0);
	(void)dpkg_database_add(&world->database, both, 2, NULL);
	(void)dpkg_database_activate(&world->database, both, 2, NULL);
	assert_int_equal(faccessat(world->dir, "elsewhere/x", F_OK, 0), -1);
	assert_int_equal(faccessat(world->dir, "elsewhere/Unincorp", F_OK, 0), -1);
}

static void automatic_packages_are_marked(void **state)
{
	struct world *world = *state;
	struct plan_package packages[] = {
		{ .name = (char *)"asked", .arch = (char *)"amd64" },
		{ .name = (char *)"lib", .arch = (char *)"amd64", .automatic = true },
		{ .name = (char *)"data", .arch = (char *)"all", .automatic = true },
	};
	struct plan plan = { .packages = packages, .count = 3 };

	/* Without apt there is nobody to tell. */
	assert_int_equal(apt_mark_automatic(world->tree, &plan, "amd64", NULL), 0);
	assert_int_equal(faccessat(world->tree, "var/lib/apt", F_OK, 0), -1);
	close(dir_open(world->tree, "var/lib/apt", true, 0755, NULL));
	assert_int_equal(apt_mark_automatic(world->tree, &plan, "amd64", NULL), 0);
	assert_content(world->tree, "var/lib/apt/extended_states",
		       "Package: lib\nArchitecture: amd64\nAuto-Installed: 1\n\n"
		       "Package: data\nArchitecture: amd64\nAuto-Installed: 1\n\n");
}

static void overrides_are_read(void **state)
{
	struct world *world = *state;
	AUTO(dpkg_overrides_release) struct dpkg_overrides overrides = DPKG_OVERRIDES_INIT;

	assert_int_equal(dpkg_overrides_read(&overrides, world->tree, NULL), 0);
	assert_null(dpkg_diverted(&overrides, "bin/sh", "bash"));
	dpkg_overrides_release(&overrides);
	put(world->tree, "etc/passwd", "root:x:0:0::/:/bin/sh\nman:x:6:12::/:/bin/sh\n");
	put(world->tree, "etc/group", "root:x:0:\nshadow:x:42:\n");
	put(world->database.dpkg, "statoverride",
	    "man shadow 2755 /usr/bin/x\n#7 root 0640 /etc/y\n");
	put(world->database.dpkg, "diversions",
	    "/bin/sh\n/bin/sh.distrib\ndash\n/etc/l\n/etc/l.local\n:\n");
	assert_int_equal(dpkg_overrides_read(&overrides, world->tree, NULL), 0);

	const struct stat_override *x = dpkg_stat_override(&overrides, "usr/bin/x");
	assert_non_null(x);
	assert_int_equal(x->uid, 6);
	assert_int_equal(x->gid, 42);
	assert_int_equal(x->mode, 02755);
	assert_int_equal(dpkg_stat_override(&overrides, "etc/y")->uid, 7);
	assert_null(dpkg_stat_override(&overrides, "etc/x"));
	assert_string_equal(dpkg_diverted(&overrides, "bin/sh", "bash"), "bin/sh.distrib");
	assert_null(dpkg_diverted(&overrides, "bin/sh", "dash"));
	assert_string_equal(dpkg_diverted(&overrides, "etc/l", "any"), "etc/l.local");
}

static bool filters(const struct world *world)
{
	bool found;
	assert_int_equal(dpkg_has_filters(world->tree, &found, NULL), 0);
	return found;
}

static void filters_of_dpkg_are_found(void **state)
{
	struct world *world = *state;
	autofree char *elsewhere = xasprintf("%s/filters", world->path);

	assert_false(filters(world));
	put(world->tree, "etc/dpkg/dpkg.cfg",
	    "# path-exclude=/x\nno-debsig\nlog /var/log/dpkg.log\n");
	put(world->tree, "etc/dpkg/dpkg.cfg.d/a", "force-unsafe-io\n");
	assert_false(filters(world));
	put(world->dir, "filters", "path-exclude=/x\n");
	assert_int_equal(symlinkat(elsewhere, world->tree, "etc/dpkg/dpkg.cfg.d/out"), 0);
	assert_false(filters(world));
	put(world->tree, "etc/dpkg/dpkg.cfg.d/b", "force-unsafe-io\n\n  path-include /x\n");
	assert_true(filters(world));
	assert_int_equal(tree_remove(world->tree, "etc/dpkg/dpkg.cfg.d", NULL), 0);
	assert_false(filters(world));
	put(world->tree, "etc/dpkg/dpkg.cfg", "path-exclude=/usr/share/doc/*");
	assert_true(filters(world));
}

static void fields_of_paragraphs(void **state)
{
	static const char text[] =
		"Package: x\nReplaces:  a (<< 1),\n b | c:any,d\nreplaces-not: z\n";
	autofree char *replaces = paragraph_get(text, "replaces");

	(void)state;
	assert_string_equal(replaces, "a (<< 1),\n b | c:any,d");
	assert_null(paragraph_get(text, "Repl"));
	assert_null(paragraph_get("", "Package"));
	assert_true(relation_names(replaces, "a"));
	assert_true(relation_names(replaces, "b"));
	assert_true(relation_names(replaces, "c"));
	assert_true(relation_names(replaces, "d"));
	assert_false(relation_names(replaces, "ab"));
	assert_false(relation_names(replaces, "any"));
	assert_false(relation_names(NULL, "a"));
}

static void the_hosts_traces_are_cleaned_away(void **state)
{
	struct world *world = *state;
	autofree char *outside = xasprintf("%s/outside", world->path);
	static const char *const gone[] = {
		"etc/resolv.conf",
		"etc/hostname",
		"etc/ssh/ssh_host_rsa_key",
		"etc/passwd-",
		"tmp/x",
		"run/x/y",
		"run/lock/z",
		"var/lib/apt/lists/pool",
		"var/lib/apt/lists/partial/x",
		"var/cache/apt/pkg.bin",
		"var/lib/dpkg/status-old",
		"var/lib/systemd/random-seed",
		"var/log/dpkg.log",
		"var/lib/dbus/machine-id",
		"var/cache/ldconfig/aux-cache",
	};
	static const char *const kept[] = {
		"etc/ssh/sshd_config",
		"etc/passwd",
		"var/lib/dpkg/diversions",
		"var/lib/apt/lists/partial",
		"run/lock",
		"var/cache/apt/archives",
		"tmp",
		"var/lib/dpkg/info/format",
	};

	close(dir_open(world->tree, "var/cache/apt/archives", true, 0755, NULL));
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		put(world->tree, gone[i], "x");
	for (size_t i = 0; i < 3; i++)
		put(world->tree, kept[i], "x");
	put(world->tree, "etc/machine-id", "0123\n");
	put(world->tree, "var/log/wtmp", "x");
	put(world->dir, "outside/keep", "x");
	assert_int_equal(symlinkat(outside, world->tree, "var/tmp"), 0);
	assert_int_equal(clean_tree(world->tree, NULL), 0);
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		if (faccessat(world->tree, gone[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			fail_msg("%s is left", gone[i]);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (faccessat(world->tree, kept[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			fail_msg("%s is gone", kept[i]);
	assert_content(world->tree, "etc/machine-id", "");
	assert_content(world->tree, "var/log/wtmp", "");
	assert_content(world->dir, "outside/keep", "x");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(packages_are_unpacked_in_the_status),
		TEST(old_databases_have_no_format),
		TEST(interests_are_registered),
		TEST(refuses_triggers_that_are_paths),
		TEST(paths_activate_triggers),
		TEST(a_path_is_taken_from_a_list),
		TEST(what_is_not_installed_is_named),
		TEST(links_in_place_of_dpkgs_files_are_not_followed),
		TEST(automatic_packages_are_marked),
		TEST(overrides_are_read),
		TEST(filters_of_dpkg_are_found),
		TEST(the_hosts_traces_are_cleaned_away),
		cmocka_unit_test(fields_of_paragraphs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
