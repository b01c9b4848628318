#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/cache/store.h"

enum { COUNT = 20 };

/* A repository on disk, file://DIR/repo, of COUNT packages, and the plan that wants them all. */
struct world {
	char *path;
	int dir, pm;
	struct plan_repository repository;
	struct plan_package packages[COUNT];
	struct plan plan;
	struct fetcher *fetcher;
	struct store *store;
};

static void make_package(struct world *world, size_t index)
{
	struct plan_package *package = &world->packages[index];
	autofree char *text = xasprintf("package %zu, %0*zu", index, (int)index * 1000, index);

	*package = (struct plan_package){
		.name = xasprintf("package%zu", index),
		.version = xstrdup("1.0"),
		.location = xasprintf("pool/package%zu_1.0_amd64.deb", index),
		.size = strlen(text),
	};
	digest_data(DIGEST_SHA256, text, strlen(text), &package->digest);
	autofree char *path = xasprintf("repo/%s", package->location);
	assert_int_equal(file_write_atomic(world->dir, path, 0600, text, strlen(text), NULL), 0);
}

static int setup(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));
	const char *tmp = getenv("TMPDIR");

	world->path = xasprintf("%s/store.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(world->path));
	world->dir = dir_open(AT_FDCWD, world->path, false, 0, NULL);
	world->pm = dir_open(world->dir, "pm", true, 0755, NULL);
	close(dir_open(world->dir, "repo/pool", true, 0755, NULL));
	strvec_pushf(&world->repository.base_urls, "file://%s/repo", world->path);
	for (size_t i = 0; i < COUNT; i++)
		make_package(world, i);
	world->plan = (struct plan){
		.repositories = &world->repository,
		.repository_count = 1,
		.packages = world->packages,
		.count = COUNT,
	};
	world->fetcher = fetcher_new(&(struct fetch_options){ .retries = 1 }, NULL);
	assert_non_null(world->fetcher);
	assert_int_equal(store_open(world->pm, &world->store, NULL), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	store_free(world->store);
	fetcher_free(world->fetcher);
	for (size_t i = 0; i < COUNT; i++) {
		free(world->packages[i].name);
		free(world->packages[i].version);
		free(world->packages[i].location);
	}
	strvec_release(&world->repository.base_urls);
	close(world->pm);
	close(world->dir);
	tree_remove(AT_FDCWD, world->path, NULL);
	free(world->path);
	free(world);
	return 0;
}

static int fill(struct world *world, struct error *err)
{
	return cache_fill(world->store, &world->plan, world->fetcher, NULL, err);
}

static void must_fill(struct world *world)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	if (fill(world, &err) < 0)
		fail_msg("%s", err.message);
}

/* Of package `index`, below pm/; to be freed. */
static char *stored(const struct world *world, size_t index)
{
	char hex[DIGEST_MAX * 2 + 1];
	digest_hex(&world->packages[index].digest, hex);
	return xasprintf("packages/sha256/%.2s/%s.deb", hex, hex);
}

static size_t files_in(int dir, const char *name)
{
	size_t count = 0;
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *stream = fdopendir(fd);
	assert_non_null(stream);
	for (struct dirent *entry; (entry = readdir(stream));)
		count += entry->d_name[0] != '.';
	return count;
}

static void assert_opens(struct world *world, size_t index)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct digest digest;

	autoclose int fd = store_package_open(world->store, &world->packages[index], &err);
	if (fd < 0)
		fail_msg("%s", err.message);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_int_equal(file_read_fd(fd, "package", 1 << 20, &text, NULL), 0);
	digest_data(DIGEST_SHA256, text.text, text.length, &digest);
	assert_true(digest_equal(&digest, &world->packages[index].digest));
}

static void filled_and_opened(void **state)
{
	struct world *world = *state;
	struct stat st;

	must_fill(world);
	for (size_t i = 0; i < COUNT; i++) {
		autofree char *path = stored(world, i);
		assert_int_equal(fstatat(world->pm, path, &st, 0), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0644);
		assert_opens(world, i);
	}
	assert_int_equal(files_in(world->pm, "packages/partial"), 0);
}

static void a_full_store_needs_no_network(void **state)
{
	struct world *world = *state;
	must_fill(world);
	assert_int_equal(tree_remove(world->dir, "repo", NULL), 0);
	assert_int_equal(cache_fill(world->store, &world->plan, NULL, NULL, NULL), 0);
	must_fill(world);
}

static void offline_says_what_is_missing(void **state)
{
	struct world *world = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;

	must_fill(world);
	autofree char *path = stored(world, 7);
	assert_int_equal(unlinkat(world->pm, path, 0), 0);
	assert_int_equal(cache_fill(world->store, &world->plan, NULL, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_FETCH);
	assert_string_equal(err.subject, "package7");
	assert_non_null(strstr(err.hint, "--offline"));
	error_clear(&err);
	assert_int_equal(store_package_open(world->store, &world->packages[7], &err), -1);
	assert_int_equal(err.kind, ERROR_FETCH);
}

static void overwrite(int dir, const char *path, off_t offset)
{
	autoclose int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "X", 1, offset), 1);
}

/* One byte is not what it was: found on use, moved away, fetched again. */
static void damage_is_found_and_mended(void **state)
{
	struct world *world = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;

	must_fill(world);
	autofree char *path = stored(world, 3);
	autofree char *aside = xasprintf("%s.damaged", path);
	overwrite(world->pm, path, 1000);
	assert_int_equal(store_package_open(world->store, &world->packages[3], &err), -1);
	assert_int_equal(err.kind, ERROR_TRUST);
	assert_string_equal(err.subject, "package3");
	assert_non_null(err.hint);
	assert_int_equal(faccessat(world->pm, path, F_OK, 0), -1);
	assert_int_equal(faccessat(world->pm, aside, F_OK, 0), 0);
	must_fill(world);
	assert_opens(world, 3);
}

static void a_cut_file_is_fetched_again(void **state)
{
	struct world *world = *state;
	must_fill(world);
	autofree char *path = stored(world, 5);
	autoclose int fd = openat(world->pm, path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 10), 0);
	must_fill(world);
	assert_opens(world, 5);
}

static void a_wrong_file_does_not_get_in(void **state)
{
	struct world *world = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree char *source = xasprintf("repo/%s", world->packages[9].location);

	overwrite(world->dir, source, 20);
	assert_int_equal(fill(world, &err), -1);
	assert_int_equal(err.kind, ERROR_TRUST);
	autofree char *path = stored(world, 9);
	assert_int_equal(faccessat(world->pm, path, F_OK, 0), -1);
}

static void no_digest_no_package(void **state)
{
	struct world *world = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;

	must_fill(world);
	world->packages[2].digest = DIGEST_INIT;
	assert_int_equal(fill(world, &err), -1);
	assert_int_equal(err.kind, ERROR_TRUST);
	error_clear(&err);
	assert_int_equal(store_package_open(world->store, &world->packages[2], &err), -1);
	assert_int_equal(err.kind, ERROR_TRUST);
}

static void the_same_file_twice(void **state)
{
	struct world *world = *state;
	struct plan_package *copy = &world->packages[12];

	copy->digest = world->packages[11].digest;
	copy->size = world->packages[11].size;
	free(copy->location);
	copy->location = xstrdup(world->packages[11].location);
	must_fill(world);
	assert_opens(world, 11);
	assert_opens(world, 12);
}

/* Several vzpkg fill and use one store at the same time. */
static void many_at_once(void **state)
{
	struct world *world = *state;
	pid_t pids[4];
	int status;

	for (size_t i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		struct store *store;
		struct fetcher *fetcher = fetcher_new(&(struct fetch_options){ 0 }, NULL);
		if (!fetcher || store_open(world->pm, &store, NULL) < 0 ||
		    cache_fill(store, &world->plan, fetcher, NULL, NULL) < 0)
			_exit(1);
		for (size_t p = 0; p < COUNT; p++)
			if (store_package_open(store, &world->packages[p], NULL) < 0)
				_exit(2);
		_exit(0);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(files_in(world->pm, "packages/partial"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(filled_and_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_store_needs_no_network, setup, teardown),
		cmocka_unit_test_setup_teardown(offline_says_what_is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_found_and_mended, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cut_file_is_fetched_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wrong_file_does_not_get_in, setup, teardown),
		cmocka_unit_test_setup_teardown(no_digest_no_package, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_file_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(many_at_once, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
