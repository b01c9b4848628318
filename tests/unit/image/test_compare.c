/* Two trees that differ in one way each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "image/compare.h"

enum { LARGE = (3 << 16) + 17 }; /* some pieces, and a part of one */

struct trees {
	char *path;
	int trees[2];
};

static struct trees made;

static void put(int tree, const char *name, const char *text)
{
	autoclose int fd =
		openat(tree, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text), name, NULL), 0);
}

static void set_time(int tree, const char *name, time_t when)
{
	const struct timespec times[2] = { { .tv_sec = when }, { .tv_sec = when } };
	assert_int_equal(utimensat(tree, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void put_large(int tree, const char *name, size_t changed)
{
	autofree char *text = xmalloc(LARGE + 1);
	memset(text, 'x', LARGE);
	text[LARGE] = 0;
	if (changed < LARGE)
		text[changed] = 'y';
	put(tree, name, text);
}

/* a folder, files, links: all of one time. */
static void fill(int tree)
{
	static const char *const names[] = {
		"dir/a", "dir/b", "dir/c", "link", "large", "dir", "."
	};
	assert_int_equal(mkdirat(tree, "dir", 0755), 0);
	put(tree, "dir/a", "one\n");
	put(tree, "dir/b", "two\n");
	put_large(tree, "large", LARGE);
	assert_int_equal(linkat(tree, "dir/a", tree, "dir/c", 0), 0);
	assert_int_equal(symlinkat("dir/a", tree, "link"), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		set_time(tree, names[i], 1000000000);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	(void)state;
	made.path = xasprintf("%s/compare.XXXXXX", tmp && *tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(made.path));
	for (int i = 0; i < 2; i++) {
		autofree char *tree = xasprintf("%s/%d", made.path, i);
		made.trees[i] = dir_open(AT_FDCWD, tree, true, 0755, NULL);
		assert_true(made.trees[i] >= 0);
		fill(made.trees[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(made.trees[0]);
	close(made.trees[1]);
	int result = tree_remove(AT_FDCWD, made.path, NULL);
	free(made.path);
	return result;
}

static int note(const char *path, unsigned differs, void *data, struct error *err)
{
	(void)err;
	strbuf_addf(data, "%s:%x ", *path ? path : ".", differs);
	return 0;
}

/* "PATH:BITS …" */
static void differ(const char *expected)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	assert_int_equal(trees_compare(made.trees[0], made.trees[1], note, &text, &err), 0);
	assert_string_equal(text.length ? text.text : "", expected);
}

static void same(void **state)
{
	(void)state;
	differ("");
}

static void content(void **state)
{
	int tree = made.trees[1];
	(void)state;
	put(tree, "dir/b", "tWo\n"); /* of the same size and time */
	set_time(tree, "dir/b", 1000000000);
	differ("dir/b:8 ");
	put(tree, "dir/b", "longer\n");
	set_time(tree, "dir/b", 1000000001);
	differ("dir/b:48 ");
}

static void content_of_large_files(void **state)
{
	static const size_t places[] = { 0, (1 << 16) - 1, 1 << 16, LARGE - 1 };
	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		put_large(made.trees[1], "large", places[i]);
		set_time(made.trees[1], "large", 1000000000);
		differ("large:8 ");
	}
}

static void mode_owner_time(void **state)
{
	int tree = made.trees[1];
	(void)state;
	set_time(tree, "dir", 999999999);
	differ("dir:40 ");
	set_time(tree, "dir", 1000000000);
	assert_int_equal(fchmodat(tree, "dir/b", 04644, 0), 0);
	assert_int_equal(fchownat(tree, "large", 0, 7, 0), 0);
	set_time(tree, "link", 999999999);
	differ("dir/b:10 large:20 link:40 ");
}

static void links(void **state)
{
	int tree = made.trees[1];
	(void)state;
	assert_int_equal(unlinkat(tree, "link", 0), 0);
	assert_int_equal(symlinkat("dir/b", tree, "link"), 0);
	set_time(tree, "link", 1000000000);
	/* A copy has the same content, and is another file. */
	assert_int_equal(unlinkat(tree, "dir/c", 0), 0);
	put(tree, "dir/c", "one\n");
	set_time(tree, "dir/c", 1000000000);
	differ("dir/c:80 link:8 ");
}

static void kind(void **state)
{
	int tree = made.trees[1];
	(void)state;
	assert_int_equal(unlinkat(tree, "dir/b", 0), 0);
	assert_int_equal(mkfifoat(tree, "dir/b", 0644), 0); /* which is not opened */
	differ("dir/b:4 ");
}

static void set_attribute(int side, const char *name, const char *value)
{
	autoclose int fd = openat(made.trees[side], "dir/b", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, name, value, strlen(value), 0), 0);
}

static void attributes(void **state)
{
	(void)state;
	set_attribute(0, "user.word", "a");
	differ("dir/b:100 ");
	set_attribute(1, "user.word", "a");
	differ("");
	set_attribute(1, "user.word", "b");
	differ("dir/b:100 ");
	set_attribute(1, "user.word", "ab");
	differ("dir/b:100 ");
	/* No tarball holds it. */
	set_attribute(1, "user.word", "a");
	set_attribute(1, "trusted.word", "a");
	differ("");
}

/* That a folder has another time is no news if something in it came or went; its mode is. */
static void one_side_only(void **state)
{
	(void)state;
	put(made.trees[0], "dir/only-here", "");
	put(made.trees[1], "zzz", "");
	differ("dir/only-here:1 zzz:2 ");
	assert_int_equal(fchmodat(made.trees[1], "dir", 0700, 0), 0);
	differ("dir:10 dir/only-here:1 zzz:2 ");
}

static int refuse(const char *path, unsigned differs, void *data, struct error *err)
{
	(void)differs;
	++*(int *)data;
	return error_set(err, ERROR_GATE, "%s is enough", path);
}

static void the_first_may_be_enough(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	int calls = 0;
	(void)state;
	put(made.trees[1], "dir/b", "other\n");
	put(made.trees[1], "large", "other\n");
	assert_int_equal(trees_compare(made.trees[0], made.trees[1], refuse, &calls, &err), -1);
	assert_int_equal(calls, 1);
	assert_string_equal(err.message, "dir/b is enough");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(same, setup, teardown),
		cmocka_unit_test_setup_teardown(content, setup, teardown),
		cmocka_unit_test_setup_teardown(content_of_large_files, setup, teardown),
		cmocka_unit_test_setup_teardown(mode_owner_time, setup, teardown),
		cmocka_unit_test_setup_teardown(links, setup, teardown),
		cmocka_unit_test_setup_teardown(kind, setup, teardown),
		cmocka_unit_test_setup_teardown(attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(one_side_only, setup, teardown),
		cmocka_unit_test_setup_teardown(the_first_may_be_enough, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
