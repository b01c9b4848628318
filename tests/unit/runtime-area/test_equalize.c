/* A tree made the same as another one: whatever was there before, and without touching what was the same. Needs root. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/duplicate.h"

struct trees {
	char *path;
	int top, from, to, links;
};

static int make(int dir, const char *name)
{
	assert_int_equal(mkdirat(dir, name, 0755), 0);
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int setup(void **state)
{
	struct trees *trees = xcalloc(1, sizeof(*trees));
	const char *top = getenv("TMPDIR");

	trees->path = xasprintf("%s/test-equalize.XXXXXX", top ? top : "/dev/shm");
	assert_non_null(mkdtemp(trees->path));
	trees->top = open(trees->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	trees->from = make(trees->top, "from");
	trees->to = make(trees->top, "to");
	trees->links = make(trees->to, ".links");
	*state = trees;
	return 0;
}

static int teardown(void **state)
{
	struct trees *trees = *state;

	close(trees->from);
	close(trees->to);
	close(trees->links);
	close(trees->top);
	assert_int_equal(tree_remove(AT_FDCWD, trees->path, NULL), 0);
	free(trees->path);
	free(trees);
	return 0;
}

static void put(int dir, const char *name, const char *text)
{
	autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(write_all(fd, text, strlen(text), name, NULL), 0);
}

static void age(int dir, const char *name)
{
	const struct timespec times[2] = { { 1000, 5 }, { 1000, 5 } };
	assert_int_equal(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static bool holds(int dir, const char *name, const char *text)
{
	AUTO(strbuf_release) struct strbuf got = STRBUF_INIT;
	return file_read(dir, name, 4096, &got, NULL) == 0 && strcmp(got.text, text) == 0;
}

static struct stat look(int dir, const char *name)
{
	struct stat st;
	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static void equalize(const struct trees *trees)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	if (tree_equalize(trees->from, trees->to, trees->links, &err) < 0)
		fail_msg("%s", err.message);
}

static void test_same_is_not_touched(void **state)
{
	const struct trees *trees = *state;

	put(trees->from, "file", "text");
	age(trees->from, "file");
	put(trees->to, "file", "text");
	age(trees->to, "file");
	assert_int_equal(symlinkat("a", trees->from, "link"), 0);
	age(trees->from, "link");
	assert_int_equal(symlinkat("a", trees->to, "link"), 0);
	age(trees->to, "link");
	struct stat file = look(trees->to, "file"), link = look(trees->to, "link");
	equalize(trees);
	struct stat after = look(trees->to, "file"), link_after = look(trees->to, "link");
	assert_int_equal(file.st_ino, after.st_ino);
	assert_int_equal(file.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
	assert_int_equal(link.st_ctim.tv_nsec, link_after.st_ctim.tv_nsec);
}

/* Same size, same time, another byte. */
static void test_content(void **state)
{
	const struct trees *trees = *state;

	put(trees->from, "file", "right");
	age(trees->from, "file");
	put(trees->to, "file", "wrong");
	age(trees->to, "file");
	assert_int_equal(symlinkat("right", trees->from, "link"), 0);
	assert_int_equal(symlinkat("wrong", trees->to, "link"), 0);
	equalize(trees);
	char target[16] = "";
	assert_true(holds(trees->to, "file", "right"));
	assert_int_equal(readlinkat(trees->to, "link", target, sizeof(target)), 5);
	assert_string_equal(target, "right");
}

static void test_attributes(void **state)
{
	const struct trees *trees = *state;
	autofree char *path = xasprintf("%s/to/file", trees->path);

	put(trees->from, "file", "text");
	put(trees->to, "file", "text");
	assert_int_equal(fchownat(trees->from, "file", 5, 6, 0), 0);
	assert_int_equal(fchmodat(trees->from, "file", 04711, 0), 0);
	assert_int_equal(setxattr(path, "trusted.more", "x", 1, 0), 0);
	struct stat before = look(trees->to, "file");
	equalize(trees);
	struct stat after = look(trees->to, "file");
	assert_int_equal(before.st_ino, after.st_ino); /* not copied for that */
	assert_int_equal(after.st_mode & 07777, 04711);
	assert_int_equal(after.st_uid, 5);
	assert_int_equal(getxattr(path, "trusted.more", NULL, 0), -1);
}

static void test_types(void **state)
{
	const struct trees *trees = *state;

	close(make(trees->from, "folder"));
	put(trees->to, "folder", "a file");
	put(trees->from, "file", "text");
	autoclose int was = make(trees->to, "file");
	put(was, "inside", "x");
	assert_int_equal(symlinkat("x", trees->to, "pipe"), 0);
	assert_int_equal(mkfifoat(trees->from, "pipe", 0600), 0);
	put(trees->to, "more", "x");
	equalize(trees);
	assert_true(S_ISDIR(look(trees->to, "folder").st_mode));
	assert_true(holds(trees->to, "file", "text"));
	assert_true(S_ISFIFO(look(trees->to, "pipe").st_mode));
	assert_int_equal(faccessat(trees->to, "more", F_OK, 0), -1);
	assert_int_equal(faccessat(trees->to, ".links", F_OK, 0), 0);
}

static void test_links(void **state)
{
	const struct trees *trees = *state;

	put(trees->from, "a", "text");
	assert_int_equal(linkat(trees->from, "a", trees->from, "b", 0), 0);
	put(trees->from, "c", "text");
	put(trees->to, "a", "text");
	assert_int_equal(linkat(trees->to, "a", trees->to, "c", 0), 0);
	put(trees->to, "b", "text");
	equalize(trees);
	assert_int_equal(look(trees->to, "a").st_ino, look(trees->to, "b").st_ino);
	assert_int_not_equal(look(trees->to, "a").st_ino, look(trees->to, "c").st_ino);
}

static void test_folders(void **state)
{
	const struct trees *trees = *state;
	autoclose int from = make(trees->from, "folder"), to = make(trees->to, "folder");

	put(to, "more", "x");
	put(from, "less", "x");
	assert_int_equal(fchmodat(trees->from, "folder", 01700, 0), 0);
	age(trees->from, "folder");
	equalize(trees);
	struct stat after = look(trees->to, "folder");
	assert_int_equal(after.st_mode & 07777, 01700);
	assert_int_equal(after.st_mtim.tv_sec, 1000);
	assert_int_equal(faccessat(to, "more", F_OK, 0), -1);
	assert_true(holds(to, "less", "x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_is_not_touched, setup, teardown),
		cmocka_unit_test_setup_teardown(test_content, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_folders, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
