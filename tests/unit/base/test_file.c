#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/file.h"

static char *folder;
static int dir;

static int setup(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	folder = xasprintf("%s/file.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(folder));
	dir = dir_open(AT_FDCWD, folder, false, 0, NULL);
	return dir < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(dir);
	int ret = tree_remove(AT_FDCWD, folder, NULL);
	free(folder);
	return ret;
}

static void atomic_write_and_read(void **state)
{
	(void)state;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct stat st;

	assert_int_equal(file_write_atomic(dir, "f", 0640, "one", 3, NULL), 0);
	assert_int_equal(file_write_atomic(dir, "f", 0600, "second", 6, NULL), 0);
	assert_int_equal(file_read(dir, "f", 6, &text, NULL), 0);
	assert_string_equal(text.text, "second");
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void limits(void **state)
{
	(void)state;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;

	assert_int_equal(file_write_atomic(dir, "l", 0644, "123456", 6, NULL), 0);
	assert_int_equal(file_read(dir, "l", 5, &text, &err), -1);
	assert_non_null(strstr(err.message, "larger than 5 bytes"));
	assert_int_equal(file_read(dir, "none", 5, &text, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_FILE);
}

static void nothing_leads_out(void **state)
{
	(void)state;
	struct stat root, st;

	assert_int_equal(mkdirat(dir, "root", 0755), 0);
	assert_int_equal(mkdirat(dir, "root/etc", 0755), 0);
	assert_int_equal(symlinkat("/etc", dir, "root/absolute"), 0);
	assert_int_equal(symlinkat("../../..", dir, "root/up"), 0);
	autoclose int tree = dir_open(dir, "root", false, 0, NULL);
	assert_int_equal(fstat(tree, &root), 0);

	autoclose int up = open_in_root(tree, "up", O_PATH, 0);
	assert_true(up >= 0 && fstat(up, &st) == 0);
	assert_int_equal(st.st_ino, root.st_ino);
	autoclose int absolute = open_in_root(tree, "absolute/passwd", O_RDONLY, 0);
	assert_int_equal(absolute, -1);
	assert_int_equal(errno, ENOENT);
	autoclose int inside = open_in_root(tree, "/absolute", O_PATH | O_DIRECTORY, 0);
	assert_true(inside >= 0);
}

static void removing_a_tree(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(dir, "a", 0755), 0);
	assert_int_equal(mkdirat(dir, "a/b", 0755), 0);
	assert_int_equal(file_write_atomic(dir, "kept", 0644, "x", 1, NULL), 0);
	assert_int_equal(file_write_atomic(dir, "a/b/f", 0644, "x", 1, NULL), 0);
	assert_int_equal(symlinkat("../../kept", dir, "a/b/link"), 0);
	assert_int_equal(mkfifoat(dir, "a/fifo", 0600), 0);
	assert_int_equal(fchmodat(dir, "a/b", 0, 0), 0);
	assert_int_equal(tree_remove(dir, "a", NULL), 0);
	assert_int_equal(faccessat(dir, "a", F_OK, 0), -1);
	assert_int_equal(faccessat(dir, "kept", F_OK, 0), 0);
	assert_int_equal(tree_remove(dir, "a", NULL), 0);
}

static void digests(void **state)
{
	(void)state;
	static const struct {
		enum digest_kind kind;
		const char *hex; /* of "abc" */
	} known[] = {
		{ DIGEST_MD5, "900150983cd24fb0d6963f7d28e17f72" },
		{ DIGEST_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ DIGEST_SHA256,
		  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct digest digest, parsed;
		char hex[DIGEST_MAX * 2 + 1];
		digest_data(known[i].kind, "abc", 3, &digest);
		assert_string_equal(digest_hex(&digest, hex), known[i].hex);
		assert_true(digest_parse(&parsed, known[i].kind, hex, strlen(hex)));
		assert_true(digest_equal(&digest, &parsed));
		assert_false(digest_parse(&parsed, known[i].kind, hex, strlen(hex) - 1));
		hex[3] = 'g';
		assert_false(digest_parse(&parsed, known[i].kind, hex, strlen(hex)));

		struct hasher *hasher = hasher_new(known[i].kind);
		hasher_update(hasher, "a", 1);
		hasher_update(hasher, "bc", 2);
		hasher_finish(hasher, &parsed);
		hasher_free(hasher);
		assert_true(digest_equal(&digest, &parsed));
	}
	assert_int_equal(digest_kind_parse("SHA-256"), DIGEST_SHA256);
	assert_int_equal(digest_kind_parse("crc32"), DIGEST_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(atomic_write_and_read),
		cmocka_unit_test(limits),
		cmocka_unit_test(nothing_leads_out),
		cmocka_unit_test(removing_a_tree),
		cmocka_unit_test(digests),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
