#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "tests/unit/vzpkg-install/make_deb.h"
#include "vzpkg/install/dpkg_overrides.h"
#include "vzpkg/install/wave.h"

#define END                            \
	{                              \
		NULL, 0, NULL, 0, 0, 0 \
	}
enum { PACKAGES_MAX = 12 };

/* A store with packages, the plan that wants them, and an empty tree. */
struct world {
	char *path;
	int dir, tree, pm;
	struct plan_repository repository;
	struct plan_package packages[PACKAGES_MAX];
	struct plan plan;
	struct report *report;
	struct fetcher *fetcher;
	struct store *store;
	struct dpkg_database database;
	struct install_job job;
	struct waves waves;
	struct error err;
};

static int setup(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));
	const char *tmp = getenv("TMPDIR");

	world->path = xasprintf("%s/wave.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(world->path));
	world->dir = dir_open(AT_FDCWD, world->path, false, 0, NULL);
	world->tree = dir_open(world->dir, "tree", true, 0755, NULL);
	world->pm = dir_open(world->dir, "pm", true, 0755, NULL);
	close(dir_open(world->dir, "repo", true, 0755, NULL));
	strvec_pushf(&world->repository.base_urls, "file://%s/repo", world->path);
	world->plan = (struct plan){
		.repositories = &world->repository,
		.repository_count = 1,
		.packages = world->packages,
	};
	world->report = report_new(&(struct report_options){ .quiet = true, .progress_fd = -1 });
	world->fetcher = fetcher_new(&(struct fetch_options){ .retries = 1 }, NULL);
	assert_int_equal(store_open(world->pm, &world->store, NULL), 0);
	world->database = DPKG_DATABASE_INIT;
	assert_int_equal(dpkg_database_open(&world->database, world->tree, true, NULL), 0);
	world->job = (struct install_job){
		.plan = &world->plan,
		.store = world->store,
		.report = world->report,
		.tree = world->tree,
		.jobs = 3,
	};
	world->waves = (struct waves){
		.job = &world->job,
		.database = &world->database,
		.unpacked = xcalloc(PACKAGES_MAX, sizeof(struct unpacked)),
	};
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	waves_release(&world->waves);
	dpkg_database_release(&world->database);
	store_free(world->store);
	fetcher_free(world->fetcher);
	report_free(world->report);
	for (size_t i = 0; i < world->plan.count; i++)
		free(world->packages[i].location);
	strvec_release(&world->repository.base_urls);
	error_clear(&world->err);
	close(world->dir);
	close(world->tree);
	close(world->pm);
	tree_remove(AT_FDCWD, world->path, NULL);
	free(world->path);
	free(world);
	return 0;
}

/* Appends a package to the plan: version 1, with more fields and these members. */
static void add(struct world *world, const char *name, const char *fields,
		const struct member *info, const struct member *data)
{
	struct plan_package *package = &world->packages[world->plan.count++];
	AUTO(strbuf_release) struct strbuf bytes = STRBUF_INIT;
	autofree char *control =
		xasprintf("Package: %s\nVersion: 1\nArchitecture: all\n%s", name, fields);
	autofree char *path = xasprintf("repo/%s.deb", name);

	deb_make(&(struct deb){ control, info, data, "xz" }, &bytes);
	assert_int_equal(file_write_atomic(world->dir, path, 0644, bytes.text, bytes.length, NULL),
			 0);
	*package = (struct plan_package){
		.name = (char *)name,
		.version = (char *)"1",
		.arch = (char *)"all",
		.location = xasprintf("%s.deb", name),
		.size = bytes.length,
	};
	digest_data(DIGEST_SHA256, bytes.text, bytes.length, &package->digest);
}

static int unpack_some(struct world *world, size_t from, size_t count)
{
	size_t indices[PACKAGES_MAX];
	for (size_t i = 0; i < count; i++)
		indices[i] = from + i;
	assert_int_equal(
		cache_fill(world->store, &world->plan, world->fetcher, world->report, NULL), 0);
	return wave_unpack(&world->waves, indices, count, &world->err);
}

static int unpack_all(struct world *world)
{
	return unpack_some(world, 0, world->plan.count);
}

static void assert_content(int dir, const char *path, const char *expected)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	assert_int_equal(file_read(dir, path, 1 << 20, &text, NULL), 0);
	assert_string_equal(text.text, expected);
}

static const struct member has_a[] = {
	{ "./", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./etc/", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./etc/x", S_IFREG | 0644, "a", 0, 0, 0 },
	END,
};
static const struct member has_b[] = {
	{ "./", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./etc/", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./etc/x", S_IFREG | 0644, "b", 0, 0, 0 },
	END,
};

static void nothing_parked(const struct world *world)
{
	for (size_t i = 0; i < PACKAGES_MAX; i++) {
		autofree char *name = parked_name("etc/x", i);
		assert_int_equal(faccessat(world->tree, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	}
}

static void a_file_in_two_packages_is_an_error(void **state)
{
	struct world *world = *state;

	add(world, "one", "", NULL, has_a);
	add(world, "two", "Replaces: three, onely\n", NULL, has_b);
	assert_int_equal(unpack_all(world), -1);
	assert_int_equal(world->err.kind, ERROR_INSTALL);
	assert_non_null(strstr(world->err.message, "/etc/x"));
	assert_non_null(strstr(world->err.message, "one 1"));
	assert_non_null(strstr(world->err.message, "two 1"));
}

/* Whichever worker was first: many rounds give many orders. */
static void who_replaces_wins(void **state)
{
	struct world *world = *state;

	add(world, "one", "Replaces: two (<< 2)\n", NULL, has_a);
	add(world, "two", "", NULL, has_b);
	assert_int_equal(unpack_all(world), 0);
	assert_content(world->tree, "etc/x", "a");
	assert_content(world->database.info, "one.list", "/.\n/etc\n/etc/x\n");
	assert_content(world->database.info, "two.list", "/.\n/etc\n");
	nothing_parked(world);
}

static void who_replaces_wins_in_either_order(void **state)
{
	struct world *world = *state;

	add(world, "one", "", NULL, has_a);
	add(world, "two", "Replaces: one\n", NULL, has_b);
	assert_int_equal(unpack_all(world), 0);
	assert_content(world->tree, "etc/x", "b");
	assert_content(world->database.info, "one.list", "/.\n/etc\n");
	nothing_parked(world);
}

static void an_earlier_wave_counts(void **state)
{
	struct world *world = *state;

	add(world, "one", "", NULL, has_a);
	add(world, "two", "Replaces: one\n", NULL, has_b);
	assert_int_equal(unpack_some(world, 0, 1), 0);
	assert_content(world->tree, "etc/x", "a");
	assert_int_equal(unpack_some(world, 1, 1), 0);
	assert_content(world->tree, "etc/x", "b");
	assert_content(world->database.info, "one.list", "/.\n/etc\n");
}

/* "/bin/x" and "/usr/bin/x" are one file where /bin is a link. */
static void one_file_by_two_names_is_a_conflict(void **state)
{
	struct world *world = *state;
	static const struct member old[] = {
		{ "./bin/", S_IFDIR | 0755, NULL, 0, 0, 0 },
		{ "./bin/x", S_IFREG | 0755, "old", 0, 0, 0 },
		END,
	};
	static const struct member new[] = {
		{ "./usr/", S_IFDIR | 0755, NULL, 0, 0, 0 },
		{ "./usr/bin/", S_IFDIR | 0755, NULL, 0, 0, 0 },
		{ "./usr/bin/x", S_IFREG | 0755, "new", 0, 0, 0 },
		END,
	};

	close(dir_open(world->tree, "usr/bin", true, 0755, NULL));
	assert_int_equal(symlinkat("usr/bin", world->tree, "bin"), 0);
	add(world, "one", "", NULL, old);
	add(world, "two", "", NULL, new);
	assert_int_equal(unpack_all(world), -1);
	assert_non_null(strstr(world->err.message, "neither replaces the other"));
}

/* A script has made a file: it gives way, but dpkg shall decide on a conffile. */
static void files_of_nobody(void **state)
{
	struct world *world = *state;
	static const struct member conffiles[] = {
		{ "./conffiles", S_IFREG | 0644, "/etc/c\n/etc/d\n", 0, 0, 0 },
		END,
	};
	static const struct member data[] = {
		{ "./etc/", S_IFDIR | 0755, NULL, 0, 0, 0 },
		{ "./etc/c", S_IFREG | 0644, "c", 0, 0, 0 },
		{ "./etc/d", S_IFREG | 0644, "d", 0, 0, 0 },
		{ "./etc/x", S_IFREG | 0644, "x", 0, 0, 0 },
		END,
	};
	AUTO(strbuf_release) struct strbuf status = STRBUF_INIT;

	close(dir_open(world->tree, "etc", true, 0755, NULL));
	assert_int_equal(file_write_atomic(world->tree, "etc/c", 0600, "script", 6, NULL), 0);
	assert_int_equal(file_write_atomic(world->tree, "etc/x", 0600, "script", 6, NULL), 0);
	add(world, "one", "", conffiles, data);
	assert_int_equal(unpack_all(world), 0);
	assert_content(world->tree, "etc/x", "x");
	assert_content(world->tree, "etc/c", "script");
	assert_content(world->tree, "etc/c.dpkg-new", "c");
	assert_content(world->tree, "etc/d", "d");
	assert_int_equal(file_read(world->database.dpkg, "status", 1 << 16, &status, NULL), 0);
	assert_non_null(strstr(status.text, "\nConffiles:\n /etc/c newconffile\n /etc/d "
					    "8277e0910d750195b448797616e091ad\n\n"));
}

/* Many packages share a folder with other modes: the first in the plan says what it is like, as it does
 * where one is unpacked after the other. */
static void the_first_in_the_plan_makes_a_folder(void **state)
{
	struct world *world = *state;
	static char names[PACKAGES_MAX][8];
	struct member data[PACKAGES_MAX][4] = { 0 };
	static char files[PACKAGES_MAX][16];
	struct stat st;

	for (size_t i = 0; i < PACKAGES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "p%zu", i);
		snprintf(files[i], sizeof(files[i]), "./s/f%zu", i);
		data[i][0] = (struct member){
			"./s/", S_IFDIR | (i ? 0755 : 02775), NULL, 0, (unsigned)i + 1, 50
		};
		data[i][1] = (struct member){ files[i], S_IFREG | 0644,
					      "x",      (PACKAGES_MAX - i) * 10000,
					      0,        0 };
		add(world, names[i], "", NULL, data[i]);
	}
	assert_int_equal(unpack_all(world), 0);
	assert_int_equal(fstatat(world->tree, "s", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 02775);
	assert_int_equal(st.st_uid, 1);
	assert_int_equal(st.st_gid, 50);
}

/* What is there stays as it is. */
static void a_folder_that_is_there_is_not_changed(void **state)
{
	struct world *world = *state;
	static const struct member data[] = {
		{ "./s/", S_IFDIR | 01777, NULL, 0, 3, 3 },
		END,
	};
	struct stat st;

	assert_int_equal(mkdirat(world->tree, "s", 0700), 0);
	add(world, "one", "", NULL, data);
	assert_int_equal(unpack_all(world), 0);
	assert_int_equal(fstatat(world->tree, "s", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(st.st_uid, 0);
}

static void overrides_are_honoured(void **state)
{
	struct world *world = *state;
	struct stat_override stats[] = {
		{ .path = (char *)"etc/x", .uid = 4, .gid = 5, .mode = 0600 }
	};
	struct diversion diversions[] = { { (char *)"etc/x", (char *)"etc/x.other",
					    (char *)"two" } };
	struct dpkg_overrides overrides = { stats, 1, diversions, 1 };
	struct stat st;

	add(world, "one", "", NULL, has_a);
	add(world, "two", "", NULL, has_b);
	world->waves.overrides = &overrides;
	close(dir_open(world->tree, "etc", true, 0755, NULL));
	assert_int_equal(file_write_atomic(world->tree, "etc/x.other", 0600, "old", 3, NULL), 0);
	assert_int_equal(unpack_all(world), 0);
	assert_content(world->tree, "etc/x.other", "a");
	assert_content(world->tree, "etc/x", "b");
	assert_content(world->database.info, "one.list", "/.\n/etc\n/etc/x\n");
	assert_content(world->database.info, "two.list", "/.\n/etc\n/etc/x\n");
	assert_int_equal(fstatat(world->tree, "etc/x", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_uid, 4);
	assert_int_equal(st.st_gid, 5);
}

static void a_bad_package_stops_the_others(void **state)
{
	struct world *world = *state;
	static const struct member data[] = { { "./../x", S_IFREG | 0644, "x", 0, 0, 0 }, END };

	add(world, "one", "", NULL, has_a);
	add(world, "two", "", NULL, data);
	assert_int_equal(unpack_all(world), -1);
	assert_int_equal(world->err.kind, ERROR_INSTALL);
	assert_string_equal(world->err.subject, "two 1");
	assert_int_equal(faccessat(world->database.dpkg, "status", F_OK, 0), -1);
}

static void a_package_that_was_changed_is_not_unpacked(void **state)
{
	struct world *world = *state;

	add(world, "one", "", NULL, has_a);
	assert_int_equal(
		cache_fill(world->store, &world->plan, world->fetcher, world->report, NULL), 0);
	world->packages[0].digest.bytes[0] ^= 1;
	size_t index = 0;
	assert_int_equal(wave_unpack(&world->waves, &index, 1, &world->err), -1);
	assert_int_equal(faccessat(world->tree, "etc/x", F_OK, 0), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_file_in_two_packages_is_an_error),
		TEST(who_replaces_wins),
		TEST(who_replaces_wins_in_either_order),
		TEST(an_earlier_wave_counts),
		TEST(one_file_by_two_names_is_a_conflict),
		TEST(files_of_nobody),
		TEST(the_first_in_the_plan_makes_a_folder),
		TEST(a_folder_that_is_there_is_not_changed),
		TEST(overrides_are_honoured),
		TEST(a_bad_package_stops_the_others),
		TEST(a_package_that_was_changed_is_not_unpacked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
