#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <db.h>
#include <endian.h>
#include <fcntl.h>
#include <rpm/header.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmmacro.h>
#include <rpm/rpmts.h>
#include <solv/pool.h>
#include <solv/repo.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/fetch/rpm_library.h"
#include "vzpkg/metadata/installed.h"
#include "vzpkg/metadata/installed_repo.h"
#include "vzpkg/metadata/installed_rpm.h"
#include "vzpkg/metadata/yumdb.h"

#define RPM "var/lib/rpm"

static char *folder;
static int tree = -1;
static rpmts writer; /* of the sqlite database */

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	folder = xasprintf("%s/test_installed.XXXXXX", tmp ?: "/tmp");
	assert_non_null(mkdtemp(folder));
	tree = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int db = dir_open(tree, RPM, true, 0755, NULL);
	return db < 0;
}

static int teardown(void **state)
{
	(void)state;
	rpmtsFree(writer);
	writer = NULL;
	close(tree);
	int ret = tree_remove(AT_FDCWD, folder, NULL);
	free(folder);
	return ret;
}

/* ---- packages ---------------------------------------------------------------------------------------------------- */

static void put_relation(Header header, rpmTagVal name, rpmTagVal flags, rpmTagVal version,
			 const char *word, uint32_t sense, const char *evr)
{
	headerPutString(header, name, word);
	headerPutUint32(header, flags, &sense, 1);
	headerPutString(header, version, evr);
}

static Header make_package(const char *name, uint32_t epoch)
{
	const uint32_t indexes[] = { 0, 1 };
	const char *folders[] = { "/bin/", "/usr/share/x/" };
	const char *files[] = { name, "read\nme" };
	Header header = headerNew();

	headerPutString(header, RPMTAG_NAME, name);
	headerPutString(header, RPMTAG_VERSION, "1.0");
	headerPutString(header, RPMTAG_RELEASE, "2.el7");
	headerPutString(header, RPMTAG_ARCH, "x86_64");
	if (epoch)
		headerPutUint32(header, RPMTAG_EPOCH, &epoch, 1);
	put_relation(header, RPMTAG_PROVIDENAME, RPMTAG_PROVIDEFLAGS, RPMTAG_PROVIDEVERSION,
		     "thing", RPMSENSE_EQUAL, "3:1-1");
	put_relation(header, RPMTAG_REQUIRENAME, RPMTAG_REQUIREFLAGS, RPMTAG_REQUIREVERSION,
		     "/bin/sh", 0, "");
	put_relation(header, RPMTAG_REQUIRENAME, RPMTAG_REQUIREFLAGS, RPMTAG_REQUIREVERSION,
		     "rpmlib(PayloadIsZstd)", RPMSENSE_RPMLIB | RPMSENSE_LESS | RPMSENSE_EQUAL,
		     "5.4.18-1");
	put_relation(header, RPMTAG_REQUIRENAME, RPMTAG_REQUIREFLAGS, RPMTAG_REQUIREVERSION,
		     "(a if b)", 0, "");
	headerPutStringArray(header, RPMTAG_DIRNAMES, folders, 2);
	headerPutStringArray(header, RPMTAG_BASENAMES, files, 2);
	headerPutUint32(header, RPMTAG_DIRINDEXES, indexes, 2);
	return headerReload(header, RPMTAG_HEADERIMMUTABLE);
}

#define RECORD(name, evr)                                                                   \
	"P" name "\t" evr "\tx86_64\nvthing\t=\t3:1-1\nr/bin/sh\nr(a if b)\nd/bin/\nf" name \
	"\nd/usr/share/x/\n"

static const char both[] = RECORD("bash", "1.0-2.el7") RECORD("zlib", "7:1.0-2.el7");

/* ---- databases --------------------------------------------------------------------------------------------------- */

/* What is written is in the log and not in the data, until the writer is closed. */
static void write_sqlite(void)
{
	autofree char *path = xasprintf("%s/" RPM, folder);

	assert_int_equal(rpm_library_open(NULL), 0);
	rpmPushMacro(NULL, "_dbpath", NULL, path, RMIL_CMDLINE);
	rpmPushMacro(NULL, "_db_backend", NULL, "sqlite", RMIL_CMDLINE);
	writer = rpmtsCreate();
	rpmtsSetRootDir(writer, "/");
	assert_int_equal(rpmtsOpenDB(writer, O_RDWR | O_CREAT), 0);
	rpmtxn lock = rpmtxnBegin(writer, RPMTXN_WRITE);
	const char *const names[] = { "zlib", "gpg-pubkey", "bash" };
	for (uint32_t i = 0; i < 3; i++) {
		Header header = make_package(names[i], i ? 0 : 7);
		assert_int_equal(rpmtsImportHeader(lock, header, 0), RPMRC_OK);
		headerFree(header);
	}
	rpmtxnEnd(lock);
}

static void write_bdb(const char *name)
{
	autofree char *path = xasprintf("%s/%s", folder, name);
	DB *db;

	assert_int_equal(db_create(&db, NULL, 0), 0);
	assert_int_equal(db->open(db, NULL, path, NULL, DB_HASH, DB_CREATE, 0644), 0);
	const char *const names[] = { NULL, "zlib", "bash" };
	for (uint32_t i = 0; i < 3; i++) {
		Header header = i ? make_package(names[i], i == 1 ? 7 : 0) : NULL;
		unsigned size = sizeof(uint32_t);
		uint32_t number = htole32(i), highest = htole32(2);
		autofree void *blob =
			header ? headerExport(header, &size) : xmemdup(&highest, sizeof(highest));
		DBT key = { .data = &number, .size = sizeof(number) };
		DBT value = { .data = blob, .size = size };
		assert_int_equal(db->put(db, NULL, &key, &value, 0), 0);
		if (header)
			headerFree(header);
	}
	assert_int_equal(db->close(db, 0), 0);
}

static void put32(char *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static void write_ndb(void)
{
	enum { PAGE = 4096, SIZE = 4 * PAGE };
	autofree char *file = xcalloc(SIZE, 1);
	size_t at = PAGE, slot = 32;

	memcpy(file, "RpmP", 4);
	put32(file + 8, 5); /* generation */
	put32(file + 12, 1); /* pages of slots */
	put32(file + 16, 9); /* the next package */
	for (size_t i = slot; i < PAGE; i += 16)
		memcpy(file + i, "Slot", 4);
	const char *const names[] = { "zlib", "bash" };
	for (uint32_t i = 0; i < 2; i++, slot += 32) {
		Header header = make_package(names[i], i ? 0 : 7);
		unsigned size;
		autofree void *blob = headerExport(header, &size);
		size_t blocks = (16 + size + 12 + 15) / 16;
		put32(file + slot + 4, i + 1);
		put32(file + slot + 8, (uint32_t)(at / 16));
		put32(file + slot + 12, (uint32_t)blocks);
		memcpy(file + at, "BlbS", 4);
		put32(file + at + 4, i + 1);
		put32(file + at + 12, size);
		memcpy(file + at + 16, blob, size);
		memcpy(file + at + blocks * 16 - 4, "BlbE", 4);
		at += blocks * 16;
		headerFree(header);
	}
	assert_true(at <= SIZE);
	autoclose int fd =
		openat(tree, RPM "/Packages.db", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(write_all(fd, file, at, "ndb", NULL), 0);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void expect_both(void)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;

	if (installed_read(tree, PACKAGE_RPM, &set, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(set.text, both);
	assert_int_equal(set.installed.count, 2);
	assert_string_equal(set.installed.packages[1].version, "7:1.0-2.el7");
}

static void expect_broken(const char *words)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;

	assert_int_equal(installed_read(tree, PACKAGE_RPM, &set, &err), -1);
	assert_int_equal(err.kind, ERROR_PACKAGES);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void test_sqlite(void **state)
{
	struct digest before, after;

	(void)state;
	write_sqlite();
	expect_both();
	assert_int_equal(installed_fingerprint(tree, PACKAGE_RPM, &before, NULL), 0);
	rpmtsFree(writer);
	writer = NULL;
	expect_both();
	assert_int_equal(installed_fingerprint(tree, PACKAGE_RPM, &after, NULL), 0);
	assert_false(digest_equal(&before, &after));
}

/* The environment of whoever has it open is none of ours. */
static void test_bdb(void **state)
{
	(void)state;
	autoclose int fd = openat(tree, RPM "/__db.001", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write_all(fd, "rubbish", 7, "__db.001", NULL), 0);
	write_bdb(RPM "/Packages");
	expect_both();
}

static void test_ndb(void **state)
{
	(void)state;
	write_ndb();
	expect_both();
}

/* The folder is a link; the newest kind is the one in use. */
static void test_places(void **state)
{
	(void)state;
	write_bdb(RPM "/Packages");
	write_ndb();
	autoclose int image = dir_open(tree, "usr/lib/sysimage", true, 0755, NULL);
	assert_int_equal(renameat(tree, RPM, image, "rpm"), 0);
	expect_both();
	assert_int_equal(symlinkat("../../usr/lib/sysimage/rpm", tree, RPM), 0);
	expect_both();
	assert_int_equal(unlinkat(image, "rpm/Packages.db", 0), 0);
	assert_int_equal(mkfifoat(image, "rpm/Packages.db", 0644), 0);
	expect_broken("it is no file");
}

#define ID "0123456789abcdef0123456789abcdef01234567"

static void put_reason(const char *entry, const char *reason)
{
	autofree char *path = xasprintf(YUMDB "/%s", entry);
	autoclose int dir = dir_open(tree, path, true, 0755, NULL);

	assert_int_equal(file_write_atomic(dir, "reason", 0644, reason, strlen(reason), NULL), 0);
}

static void expect_reasons(const char *records)
{
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;

	assert_int_equal(installed_read(tree, PACKAGE_RPM, &set, NULL), 0);
	assert_string_equal(set.text, records);
	for (size_t i = 0; i < 2; i++) {
		const char *record = set.text + set.offsets[i];
		const char *line = strchr(record, '\n') + 1;
		assert_int_equal(set.installed.packages[i].automatic,
				 strncmp(line, "ydep\n", 5) == 0);
		assert_int_equal(set.installed.packages[i].asked, strncmp(line, "yuser\n", 6) == 0);
	}
}

#define BASH \
	"P"  \
	"bash\t1.0-2.el7\tx86_64\n"
#define ZLIB \
	"P"  \
	"zlib\t7:1.0-2.el7\tx86_64\n"
#define REST(name) "vthing\t=\t3:1-1\nr/bin/sh\nr(a if b)\nd/bin/\nf" name "\nd/usr/share/x/\n"

/* What yum has written down counts, what it has left behind does not, and what is no yumdb is none. */
static void test_reasons(void **state)
{
	struct digest before, after;

	(void)state;
	write_bdb(RPM "/Packages");
	put_reason("z/" ID "-zlib-0.9-1.el7-x86_64", "dep");
	put_reason("b/bash.1234567-bash-1.0-2.el7-x86_64", "dep");
	put_reason("b/" ID "-bash-1.0-2.el7-x86_64", "group");
	expect_both();
	assert_int_equal(installed_fingerprint(tree, PACKAGE_RPM, &before, NULL), 0);
	put_reason("z/" ID "-zlib-1.0-2.el7-x86_64", "dep");
	expect_reasons(BASH REST("bash") ZLIB "ydep\n" REST("zlib"));
	assert_int_equal(installed_fingerprint(tree, PACKAGE_RPM, &after, NULL), 0);
	assert_false(digest_equal(&before, &after));
	put_reason("b/" ID "-bash-1.0-2.el7-x86_64", "user");
	expect_reasons(BASH "yuser\n" REST("bash") ZLIB "ydep\n" REST("zlib"));

	autoclose int letter = dir_open(tree, YUMDB "/z", false, 0, NULL);
	assert_int_equal(unlinkat(letter, ID "-zlib-1.0-2.el7-x86_64/reason", 0), 0);
	assert_int_equal(mkfifoat(letter, ID "-zlib-1.0-2.el7-x86_64/reason", 0644), 0);
	expect_reasons(BASH "yuser\n" REST("bash") ZLIB REST("zlib"));
	assert_int_equal(renameat(tree, YUMDB, tree, "elsewhere"), 0);
	assert_int_equal(symlinkat("/proc/self/root", tree, YUMDB), 0);
	expect_both();
}

#define HISTORY "var/lib/dnf/history.sqlite"

static void tell(sqlite3 *db, const char *sql)
{
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* What dnf said last counts, in transactions that have succeeded; what it has removed it knows nothing of. */
static void test_dnf(void **state)
{
	struct digest before, after;
	sqlite3 *db;

	(void)state;
	autofree char *path = xasprintf("%s/" HISTORY, folder);
	autoclose int dir = dir_open(tree, "var/lib/dnf", true, 0755, NULL);
	write_bdb(RPM "/Packages");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	tell(db, "PRAGMA journal_mode = WAL; CREATE TABLE other (id)");
	expect_both();
	tell(db,
	     "CREATE TABLE trans (id INTEGER PRIMARY KEY, state INTEGER);"
	     "CREATE TABLE rpm (item_id INTEGER, name TEXT, arch TEXT);"
	     "CREATE TABLE trans_item (id INTEGER PRIMARY KEY, trans_id INTEGER, item_id INTEGER,"
	     " action INTEGER, reason INTEGER);"
	     "INSERT INTO trans VALUES (1, 1), (2, 1), (3, 2);"
	     "INSERT INTO rpm VALUES (1, 'bash', 'x86_64'), (2, 'zlib', 'x86_64'),"
	     " (3, 'zlib', 'i686'), (4, 'ba' || char(10) || 'sh', 'x86_64');"
	     "INSERT INTO trans_item VALUES (1, 1, 1, 1, 1), (2, 1, 2, 1, 4), (3, 1, 3, 1, 2),"
	     " (4, 1, 4, 1, 1), (5, 2, 1, 6, 2), (6, 2, 1, 7, 1), (7, 3, 1, 1, 1)");
	expect_reasons(BASH "yuser\n" REST("bash") ZLIB "ydep\n" REST("zlib"));
	assert_int_equal(installed_fingerprint(tree, PACKAGE_RPM, &before, NULL), 0);
	tell(db, "INSERT INTO trans_item VALUES (8, 2, 1, 8, 2)");
	expect_reasons(BASH REST("bash") ZLIB "ydep\n" REST("zlib"));
	assert_int_equal(installed_fingerprint(tree, PACKAGE_RPM, &after, NULL), 0);
	assert_false(digest_equal(&before, &after));
	sqlite3_close(db);
	expect_reasons(BASH REST("bash") ZLIB "ydep\n" REST("zlib"));

	assert_int_equal(file_write_atomic(dir, "history.sqlite", 0644,
					   "rubbish, and more than "
					   "that",
					   27, NULL),
			 0);
	expect_broken("/" HISTORY ": ");
	assert_int_equal(unlinkat(dir, "history.sqlite", 0), 0);
	assert_int_equal(mkfifoat(dir, "history.sqlite", 0644), 0);
	expect_broken("/" HISTORY ": it is no file");
}

static void test_missing(void **state)
{
	(void)state;
	expect_broken("no rpm database");
	assert_int_equal(unlinkat(tree, RPM, AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("/proc/self/cwd", tree, RPM), 0);
	expect_broken("no rpm database");
}

/* Whatever is cut off, or overwritten: an error that says where, or packages that are none of ours to judge. */
static void damage(const char *path)
{
	autoclose int fd = openat(tree, path, O_RDWR | O_CLOEXEC);
	AUTO(strbuf_release) struct strbuf whole = STRBUF_INIT;
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(file_read_fd(fd, path, 1 << 20, &whole, NULL), 0);
	for (size_t i = 0; i < 24; i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
		autofree char *copy = xmemdup(whole.text, whole.length);
		size_t at = whole.length * i / 24;
		if (i % 2)
			memset(copy + at, 0xff - (int)i, whole.length / 24);
		assert_int_equal(pwrite(fd, copy, whole.length, 0), (ssize_t)whole.length);
		assert_int_equal(ftruncate(fd, i % 2 ? st.st_size : (off_t)at), 0);
		if (installed_read(tree, PACKAGE_RPM, &set, &err) < 0) {
			assert_int_equal(err.kind, ERROR_PACKAGES);
			assert_non_null(strstr(err.message, path));
		}
	}
}

static void test_damaged(void **state)
{
	(void)state;
	write_bdb(RPM "/Packages");
	damage(RPM "/Packages");
	assert_int_equal(unlinkat(tree, RPM "/Packages", 0), 0);
	write_ndb();
	damage(RPM "/Packages.db");
	assert_int_equal(unlinkat(tree, RPM "/Packages.db", 0), 0);
	write_sqlite();
	rpmtsFree(writer);
	writer = NULL;
	damage(RPM "/rpmdb.sqlite");
}

static void test_lines(void **state)
{
	static const char *const bad[] = {
		"",        "Pa\t1\tx",      "va\n",      "Pa\t1\tx\nqx\n",
		"Pa\t1\n", "Pa\t1\tx\n\n",  "Pa\t\tx\n", "P../a\t1\tx\n",
		"Pa\t1\n", "Pa\t1\tx\ty\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO(installed_builder_release)
		struct installed_builder builder = INSTALLED_BUILDER_INIT;
		AUTO(error_clear) struct error err = ERROR_INIT;
		assert_int_equal(installed_rpm_parse(bad[i], strlen(bad[i]), NULL, &builder, &err),
				 -1);
		assert_int_equal(err.kind, ERROR_PACKAGES);
	}
}

static bool provides(Pool *pool, const char *what, Id solvable)
{
	Id id = pool_str2id(pool, what, 0), other, index;

	FOR_PROVIDES(other, index, id)
	if (other == solvable)
		return true;
	return false;
}

/* A rich dependency that goes too deep is left out. */
static void test_repo(void **state)
{
	AUTO(installed_builder_release) struct installed_builder builder = INSTALLED_BUILDER_INIT;
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	Id ids[2];

	(void)state;
	strbuf_adds(&text, both);
	strbuf_adds(&text, "r");
	for (int i = 0; i < 100000; i++)
		strbuf_adds(&text, "(");
	strbuf_adds(&text, "\nr/bin/bash\n");
	assert_int_equal(installed_rpm_parse(text.text, text.length, NULL, &builder, NULL), 0);
	installed_builder_finish(&builder, PACKAGE_RPM, &set);
	Pool *pool = pool_create();
	pool_setdisttype(pool, DISTTYPE_RPM);
	Repo *repo = repo_create(pool, "installed");
	assert_int_equal(installed_repo_fill(&set, repo, ids, NULL), 0);
	pool_set_installed(pool, repo);
	pool_addfileprovides(pool);
	pool_createwhatprovides(pool);
	assert_true(provides(pool, "bash", ids[0]));
	assert_true(provides(pool, "/bin/bash", ids[0]));
	assert_false(provides(pool, "/bin/bash", ids[1]));
	assert_true(provides(pool, "thing", ids[1]));
	pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sqlite, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bdb, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ndb, setup, teardown),
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reasons, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dnf, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_repo),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
