#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/release.h"
#include "vzpkg/metadata/seen.h"

#define MD5 "900150983cd24fb0d6963f7d28e17f72"
#define SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const char text[] = "Origin: Debian\n"
			   "Suite: stable\n"
			   "Codename: bookworm\n"
			   "Date: Sat, 10 Jun 2023 08:16:33 UTC\n"
			   "Valid-Until: Sat, 17 Jun 2023 08:16:33 UTC\n"
			   "Acquire-By-Hash: yes\n"
			   "Architectures: all amd64 arm64\n"
			   "Components: main contrib\n"
			   "MD5Sum:\n"
			   " " MD5 "    7 main/old\n"
			   " " MD5 "    8 main/Packages.gz\n"
			   "SHA256:\n"
			   " " SHA256 "   9 other/main/Packages.gz\n"
			   " " SHA256 "  10 main/Packages.gz\n";

static void fields(void **state)
{
	(void)state;
	AUTO(release_release) struct release release = RELEASE_INIT;
	assert_int_equal(release_parse(&release, "x", text, NULL), 0);
	assert_string_equal(release.origin, "Debian");
	assert_string_equal(release.codename, "bookworm");
	assert_int_equal(release.date, 1686384993);
	assert_int_equal(release.valid_until, 1686384993 + 7 * 24 * 3600);
	assert_true(release.by_hash);
	assert_int_equal(release.architectures.count, 3);
	assert_true(strvec_contains(&release.components, "contrib"));
}

static void digests(void **state)
{
	(void)state;
	AUTO(release_release) struct release release = RELEASE_INIT;
	struct digest digest;
	uint64_t size;

	assert_int_equal(release_parse(&release, "x", text, NULL), 0);
	assert_true(release_find(&release, "main/Packages.gz", false, &digest, &size));
	assert_int_equal(digest.kind, DIGEST_SHA256);
	assert_int_equal(size, 10);
	/* Listed with a weak digest only. */
	assert_false(release_find(&release, "main/old", false, &digest, &size));
	assert_true(release_find(&release, "main/old", true, &digest, &size));
	assert_int_equal(digest.kind, DIGEST_MD5);
	assert_false(release_find(&release, "Packages.gz", true, &digest, &size));
	assert_false(release_find(&release, "main/Packages", true, &digest, &size));
}

static void no_release(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"<html>",
		"Date: yesterday\nSHA256:\n",
		"Date: Sat, 10 Jun 2023 08:16:33 UTC\n",
		"Date: Sat, 10 Jun 2023 08:16:33 CEST\nSHA256:\n",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO(release_release) struct release release = RELEASE_INIT;
		AUTO(error_clear) struct error err = ERROR_INIT;
		assert_int_equal(release_parse(&release, "x", bad[i], &err), -1);
		assert_int_equal(err.kind, ERROR_PARSE);
	}
}

static void memory(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	autofree char *folder = xasprintf("%s/seen.XXXXXX", tmp ? tmp : "/dev/shm");
	struct seen seen = { .date = 1686384993 };

	assert_non_null(mkdtemp(folder));
	autoclose int pm = dir_open(AT_FDCWD, folder, false, 0, NULL);
	digest_data(DIGEST_SHA256, "x", 1, &seen.top);
	assert_int_equal(seen_read(pm, "name").date, 0);
	assert_int_equal(seen_write(pm, "name", &seen, NULL), 0);
	struct seen again = seen_read(pm, "name");
	assert_int_equal(again.date, seen.date);
	assert_true(digest_equal(&again.top, &seen.top));
	assert_int_equal(file_write_atomic(pm, "seen/name", 0644, "12 nonsense\n", 12, NULL), 0);
	assert_int_equal(seen_read(pm, "name").date, 0);
	tree_remove(AT_FDCWD, folder, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(digests),
		cmocka_unit_test(no_release),
		cmocka_unit_test(memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
