#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <solv/pool.h>
#include <solv/repo.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "vzpkg/metadata/index_deb.h"
#include "vzpkg/metadata/pool.h"

enum { CHUNK = 1 << 16 }; /* of the text on its way to libsolv */

static const char head[] = "Package: a\nVersion: 1\nArchitecture: all\nSize: 7\n";

/* The digest that is taken for the only package of an index. */
static struct digest digest_of(const char *text, size_t length)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	autoclose int fd = memfd_create("index", MFD_CLOEXEC);
	struct digest digest = DIGEST_INIT;
	uint64_t total;

	assert_int_equal(write_all(fd, text, length, "index", NULL), 0);
	lseek(fd, 0, SEEK_SET);
	Pool *pool = pool_create();
	pool_setdisttype(pool, DISTTYPE_DEB);
	Repo *repo = repo_create(pool, "r");
	assert_int_equal(index_deb_parse(fd, "index", repo, &total, &err), 0);
	assert_int_equal(total, length);
	assert_int_equal(repo->nsolvables, 1);
	struct package_pool packages = { .pool = pool,
					 .sha512_key = pool_str2id(pool, ATTRIBUTE_SHA512, 1) };
	assert_int_equal(package_download_size(&packages, repo->start), 7);
	package_digest(&packages, repo->start, &digest);
	pool_free(pool);
	return digest;
}

static void field(struct strbuf *text, const char *name, enum digest_kind kind, const char *of)
{
	char hex[DIGEST_MAX * 2 + 1];
	struct digest digest;
	digest_data(kind, of, strlen(of), &digest);
	strbuf_addf(text, "%s: %s\n", name, digest_hex(&digest, hex));
}

static void assert_digest(const struct strbuf *text, enum digest_kind kind, const char *of)
{
	struct digest wanted, digest = digest_of(text->text, text->length);
	digest_data(kind, of, strlen(of), &wanted);
	assert_true(digest_equal(&digest, &wanted));
}

static void the_strongest_digest_counts(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
		strbuf_adds(&text, head);
		if (first)
			field(&text, "SHA512", DIGEST_SHA512, "x");
		field(&text, "SHA256", DIGEST_SHA256, "x");
		if (!first)
			field(&text, "sha512", DIGEST_SHA512, "x");
		assert_digest(&text, DIGEST_SHA512, "x");
	}
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	strbuf_adds(&text, head);
	field(&text, "SHA256", DIGEST_SHA256, "y");
	assert_digest(&text, DIGEST_SHA256, "y");
}

/* libsolv 0.7.23 ends the program if it sees such a field. */
static void sha512_alone_wherever_a_chunk_ends(void **state)
{
	(void)state;
	for (size_t at = CHUNK - 9; at < CHUNK + 2; at++) {
		AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
		strbuf_adds(&text, head);
		strbuf_adds(&text, "Description: ");
		while (text.length < at - 1)
			strbuf_addc(&text, 'd');
		strbuf_addc(&text, '\n');
		field(&text, "SHA512", DIGEST_SHA512, "z");
		assert_digest(&text, DIGEST_SHA512, "z");
	}
}

/* Fields that are used and fields that are not, longer than what is read at once, and the end without a newline. */
static void a_line_may_be_of_any_length(void **state)
{
	(void)state;
	for (size_t length = 2 * CHUNK - 70; length < 5 * CHUNK; length += CHUNK / 2 + 1) {
		AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
		strbuf_adds(&text, "\n \n\nDescription: what\n");
		while (text.length < length)
			strbuf_addc(&text, 'd');
		strbuf_adds(&text, "\n goes on\n");
		strbuf_adds(&text, head);
		strbuf_adds(&text, "Provides: b");
		while (text.length < 2 * length)
			strbuf_adds(&text, ", c");
		strbuf_adds(&text, ",\n d\n");
		field(&text, "SHA256", DIGEST_SHA256, "y");
		strbuf_truncate(&text, text.length - 1);
		assert_digest(&text, DIGEST_SHA256, "y");
	}
}

static void a_bad_digest_is_none(void **state)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	(void)state;
	strbuf_adds(&text, head);
	strbuf_adds(&text, "SHA512: 12\n");
	assert_int_equal(digest_of(text.text, text.length).kind, DIGEST_NONE);
}

/* … nor behind a NUL, where a line begins for it and not for us. */
static void an_index_is_text(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autoclose int fd = memfd_create("index", MFD_CLOEXEC);
	uint64_t total;

	(void)state;
	strbuf_adds(&text, head);
	strbuf_add(&text, "\0", 1);
	field(&text, "SHA512", DIGEST_SHA512, "z");
	assert_int_equal(write_all(fd, text.text, text.length, "index", NULL), 0);
	lseek(fd, 0, SEEK_SET);
	Pool *pool = pool_create();
	assert_int_equal(index_deb_parse(fd, "index", repo_create(pool, "r"), &total, &err), -1);
	assert_int_equal(err.kind, ERROR_FETCH);
	pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_strongest_digest_counts),
		cmocka_unit_test(sha512_alone_wherever_a_chunk_ends),
		cmocka_unit_test(a_line_may_be_of_any_length),
		cmocka_unit_test(a_bad_digest_is_none),
		cmocka_unit_test(an_index_is_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
