/* A private area's own part, saved and put back: everything of it, and whatever moment its maker was killed at. Needs root. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/duplicate.h"
#include "runtime/area/saved.h"

enum { HOLE = 1 << 20, DEEP = 2000 };

struct area {
	char *path;
	int dir;
};

static int setup(void **state)
{
	struct area *area = xcalloc(1, sizeof(*area));
	const char *top = getenv("TMPDIR");

	area->path = xasprintf("%s/test-saved.XXXXXX", top ? top : "/dev/shm");
	assert_non_null(mkdtemp(area->path));
	area->dir = open(area->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(area->dir >= 0);
	assert_int_equal(mkdirat(area->dir, "upper", 0755), 0);
	*state = area;
	return 0;
}

static int teardown(void **state)
{
	struct area *area = *state;

	close(area->dir);
	assert_int_equal(tree_remove(AT_FDCWD, area->path, NULL), 0);
	free(area->path);
	free(area);
	return 0;
}

static void put(int dir, const char *name, const char *text)
{
	autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(write_all(fd, text, strlen(text), name, NULL), 0);
}

static bool holds(int dir, const char *name, const char *text)
{
	AUTO(strbuf_release) struct strbuf got = STRBUF_INIT;
	return file_read(dir, name, 4096, &got, NULL) == 0 && strcmp(got.text, text) == 0;
}

static size_t count_entries(int dir)
{
	autoclosedir DIR *entries = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY));
	size_t count = 0;

	while (readdir(entries))
		count++;
	return count - 2;
}

/* ---- a tree once more ------------------------------------------------------------------------------------------ */

static void set_xattr(const struct area *area, const char *name, const char *key, const char *value)
{
	autofree char *path = xasprintf("%s/upper/%s", area->path, name);
	assert_int_equal(lsetxattr(path, key, value, strlen(value), 0), 0);
}

static void make_all_kinds(const struct area *area)
{
	const struct timespec times[2] = { { 1000, 1 }, { 2000, 123456789 } };
	autoclose int upper = openat(area->dir, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	put(upper, "file", "content");
	assert_int_equal(fchownat(upper, "file", 1234, 4321, 0), 0);
	assert_int_equal(fchmodat(upper, "file", 06751, 0), 0);
	set_xattr(area, "file", "trusted.overlay.origin", "handle");
	set_xattr(area, "file", "user.note", "the tenant's");
	assert_int_equal(linkat(upper, "file", upper, "again", 0), 0);
	assert_int_equal(symlinkat("/nowhere", upper, "link"), 0);
	assert_int_equal(fchownat(upper, "link", 7, 8, AT_SYMLINK_NOFOLLOW), 0);
	set_xattr(area, "link", "trusted.note", "of a link");
	assert_int_equal(mknodat(upper, "gone", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(mknodat(upper, "pipe", S_IFIFO | 0620, 0), 0);
	assert_int_equal(mknodat(upper, "socket", S_IFSOCK | 0600, 0), 0);
	autoclose int sparse = openat(upper, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(sparse, "x", 1, HOLE), 1);
	assert_int_equal(ftruncate(sparse, 3 * HOLE), 0);
	assert_int_equal(mkdirat(upper, "folder", 01777), 0);
	set_xattr(area, "folder", "trusted.overlay.opaque", "y");
	assert_int_equal(linkat(upper, "file", upper, "folder/third", 0), 0);
	assert_int_equal(utimensat(upper, "file", times, 0), 0);
	assert_int_equal(utimensat(upper, "link", times, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(utimensat(upper, "folder", times, 0), 0);
	assert_int_equal(fchown(upper, 55, 66), 0);
	assert_int_equal(futimens(upper, times), 0);
}

static void assert_same(int a, int b, const char *name)
{
	struct stat before, after;

	assert_int_equal(fstatat(a, name, &before, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fstatat(b, name, &after, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(before.st_mode, after.st_mode);
	assert_int_equal(before.st_uid, after.st_uid);
	assert_int_equal(before.st_gid, after.st_gid);
	assert_int_equal(before.st_nlink, after.st_nlink);
	assert_int_equal(before.st_rdev, after.st_rdev);
	assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	/* To read a link is to read it for the first time. */
	if (!S_ISLNK(before.st_mode))
		assert_int_equal(before.st_atim.tv_sec, after.st_atim.tv_sec);
	if (!S_ISDIR(before.st_mode)) {
		assert_int_equal(before.st_size, after.st_size);
		assert_int_equal(before.st_blocks, after.st_blocks);
	}
}

static void assert_xattr(const struct area *area, const char *name, const char *key,
			 const char *value)
{
	char got[64] = "";
	autofree char *path = xasprintf("%s/copy/%s", area->path, name);
	assert_int_equal(lgetxattr(path, key, got, sizeof(got)), strlen(value));
	assert_memory_equal(got, value, strlen(value));
}

static void duplicate(const struct area *area)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	assert_int_equal(mkdirat(area->dir, "copy", 0700), 0);
	assert_int_equal(mkdirat(area->dir, "links", 0700), 0);
	autoclose int from = openat(area->dir, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int to = openat(area->dir, "copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int links = openat(area->dir, "links", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status = tree_duplicate(from, to, links, &err);
	if (status < 0)
		print_error("%s\n", err.message);
	assert_int_equal(status, 0);
	assert_int_equal(tree_remove(area->dir, "links", NULL), 0);
}

static void test_duplicate(void **state)
{
	static const char *const names[] = { ".",    "file",   "again",  "link",   "gone",
					     "pipe", "socket", "sparse", "folder", "folder/third" };
	const struct area *area = *state;
	struct stat one, other;

	make_all_kinds(area);
	duplicate(area);
	autoclose int from = openat(area->dir, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int to = openat(area->dir, "copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_same(from, to, names[i]);
	assert_int_equal(count_entries(to), count_entries(from));
	assert_true(holds(to, "folder/third", "content"));
	assert_xattr(area, "file", "trusted.overlay.origin", "handle");
	assert_xattr(area, "file", "user.note", "the tenant's");
	assert_xattr(area, "link", "trusted.note", "of a link");
	assert_xattr(area, "folder", "trusted.overlay.opaque", "y");
	assert_int_equal(fstatat(to, "file", &one, 0), 0);
	assert_int_equal(fstatat(to, "folder/third", &other, 0), 0);
	assert_int_equal(one.st_ino, other.st_ino);
}

/* A path that no call takes at once, and more folders in each other than there are descriptors. */
static void test_deep(void **state)
{
	const struct area *area = *state;
	static const char name[] = "a-folder-that-somebody-has-made-in-it";
	int at = openat(area->dir, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < DEEP; i++) {
		assert_int_equal(mkdirat(at, name, 0755), 0);
		int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	put(at, "bottom", "here");
	close(at);
	duplicate(area);
	at = openat(area->dir, "copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < DEEP; i++) {
		int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	assert_true(holds(at, "bottom", "here"));
	close(at);
}

/* ---- saved -------------------------------------------------------------------------------------------------------- */

static int save(const struct area *area)
{
	put(area->dir, "upper/file", "before");
	int fd = saved_make(area->dir, "upper", NULL);
	assert_true(fd >= 0);
	put(area->dir, "upper/file", "after");
	put(area->dir, "upper/new", "new");
	return fd;
}

static void assert_before(const struct area *area)
{
	assert_true(holds(area->dir, "upper/file", "before"));
	assert_int_equal(faccessat(area->dir, "upper/new", F_OK, 0), -1);
	assert_int_equal(count_entries(area->dir), 1);
}

static void assert_after(const struct area *area)
{
	assert_true(holds(area->dir, "upper/file", "after"));
	assert_int_equal(count_entries(area->dir), 1);
}

static void reconcile(const struct area *area)
{
	assert_int_equal(saved_reconcile(area->dir, "upper", NULL), 0);
}

static void test_put_back(void **state)
{
	const struct area *area = *state;
	autoclose int fd = save(area);

	assert_int_equal(saved_put_back(area->dir, "upper", NULL), 0);
	assert_before(area);
	reconcile(area);
	assert_before(area);
}

static void test_drop(void **state)
{
	const struct area *area = *state;
	autoclose int fd = save(area);

	assert_int_equal(saved_drop(area->dir, "upper", NULL), 0);
	assert_after(area);
	reconcile(area);
	assert_after(area);
}

/* The copy's maker is gone: nobody has its lock. */
static void test_killed_before_the_end(void **state)
{
	const struct area *area = *state;

	close(save(area));
	reconcile(area);
	assert_before(area);
}

static void test_at_work(void **state)
{
	const struct area *area = *state;
	autoclose int fd = save(area);

	reconcile(area);
	assert_true(holds(area->dir, "upper/file", "after"));
	assert_int_equal(saved_put_back(area->dir, "upper", NULL), 0);
	assert_before(area);
}

static void copy_name(const struct area *area, char *name, size_t size)
{
	struct stat st;
	assert_int_equal(fstatat(area->dir, "upper", &st, 0), 0);
	snprintf(name, size, ".saved.%ju", (uintmax_t)st.st_ino);
}

/* It has taken its place, and what was there has its name. */
static void test_killed_while_put_back(void **state)
{
	const struct area *area = *state;
	char name[64];

	close(save(area));
	copy_name(area, name, sizeof(name));
	assert_int_equal(renameat2(area->dir, name, area->dir, "upper", RENAME_EXCHANGE), 0);
	reconcile(area);
	assert_before(area);
}

static void test_killed_while_dropped(void **state)
{
	const struct area *area = *state;
	char name[64];

	close(save(area));
	copy_name(area, name, sizeof(name));
	assert_int_equal(renameat(area->dir, name, area->dir, ".dropped.1"), 0);
	reconcile(area);
	assert_after(area);
}

static void test_killed_while_made(void **state)
{
	const struct area *area = *state;

	put(area->dir, "upper/file", "after");
	assert_int_equal(mkdirat(area->dir, ".saving", 0700), 0);
	assert_int_equal(mkdirat(area->dir, ".saving/tree", 0700), 0);
	put(area->dir, ".saving/tree/file", "half");
	reconcile(area);
	assert_after(area);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_duplicate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_before_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_work, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_while_put_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_while_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_while_made, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
