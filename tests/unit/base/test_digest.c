#include "tests/unit/base/scratch.h"

#include <pthread.h>

#include "base/digest.h"

/* RFC 1321 A.5, FIPS 180-2 appendices. */
static const struct {
	enum digest_kind kind;
	const char *empty, *abc;
} known[] = {
	{ DIGEST_MD5, "d41d8cd98f00b204e9800998ecf8427e", "900150983cd24fb0d6963f7d28e17f72" },
	{ DIGEST_SHA1, "da39a3ee5e6b4b0d3255bfef95601890afd80709",
	  "a9993e364706816aba3e25717850c26c9cd0d89d" },
	{ DIGEST_SHA256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ DIGEST_SHA512,
	  "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
	  "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
	  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
};
enum { KNOWN = sizeof(known) / sizeof(known[0]) };

static const char million_sha256[] =
	"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void test_known(void **state)
{
	(void)state;
	char text[DIGEST_MAX * 2 + 1];
	for (size_t i = 0; i < KNOWN; i++) {
		struct digest digest;
		digest_data(known[i].kind, "", 0, &digest);
		assert_string_equal(digest_hex(&digest, text), known[i].empty);
		digest_data(known[i].kind, "abc", 3, &digest);
		assert_string_equal(digest_hex(&digest, text), known[i].abc);
		assert_int_equal(strlen(text), digest_size(known[i].kind) * 2);
	}
}

static void test_pieces(void **state)
{
	(void)state;
	char text[DIGEST_MAX * 2 + 1], piece[1000];
	struct digest digest;
	memset(piece, 'a', sizeof(piece));
	struct hasher *hasher = hasher_new(DIGEST_SHA256);
	for (unsigned i = 0; i < 1000; i++)
		hasher_update(hasher, piece, sizeof(piece));
	hasher_finish(hasher, &digest);
	hasher_freep(&hasher);
	assert_null(hasher);
	hasher_free(NULL);
	assert_string_equal(digest_hex(&digest, text), million_sha256);
}

static void test_file(void **state)
{
	struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	char text[DIGEST_MAX * 2 + 1];
	struct digest digest;

	put_file(scratch->dir, "f", "skipped:abc");
	autoclose int fd = openat(scratch->dir, "f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(lseek(fd, 8, SEEK_SET), 8);
	assert_int_equal(digest_fd(DIGEST_SHA1, fd, "f", &digest, &err), 0);
	assert_string_equal(digest_hex(&digest, text), known[1].abc);
	assert_int_equal(digest_fd(DIGEST_SHA1, fd, "f", &digest, &err), 0); /* nothing is left */
	assert_string_equal(digest_hex(&digest, text), known[1].empty);

	assert_int_equal(digest_fd(DIGEST_SHA1, scratch->dir, "the name", &digest, &err), -1);
	assert_non_null(strstr(err.message, "reading the name: "));
}

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum digest_kind kind;
	} names[] = {
		{ "sha", DIGEST_SHA1 },      { "SHA1", DIGEST_SHA1 },
		{ "SHA256", DIGEST_SHA256 }, { "sha-256", DIGEST_SHA256 },
		{ "Sha512", DIGEST_SHA512 }, { "MD5Sum", DIGEST_MD5 },
		{ "md5", DIGEST_MD5 },       { "", DIGEST_NONE },
		{ "none", DIGEST_NONE },     { "sha25", DIGEST_NONE },
		{ "sha2566", DIGEST_NONE },  { "blake2b", DIGEST_NONE },
		{ "crc32", DIGEST_NONE },
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(digest_kind_parse(names[i].name), names[i].kind);
	for (enum digest_kind kind = DIGEST_MD5; kind < DIGEST_KINDS; kind++)
		assert_int_equal(digest_kind_parse(digest_kind_name(kind)), kind);
}

static void test_parse(void **state)
{
	(void)state;
	struct digest digest = DIGEST_INIT, expected;
	autofree char *upper = xstrdup(known[2].abc);

	for (char *at = upper; *at; at++)
		if (*at >= 'a' && *at <= 'f')
			*at -= 32;
	digest_data(DIGEST_SHA256, "abc", 3, &expected);
	assert_true(digest_parse(&digest, DIGEST_SHA256, known[2].abc, 64));
	assert_true(digest_equal(&digest, &expected));
	assert_true(digest_parse(&digest, DIGEST_SHA256, upper, 64));
	assert_true(digest_equal(&digest, &expected));

	/* What is refused changes nothing. */
	assert_false(digest_parse(&digest, DIGEST_SHA256, known[2].abc, 63));
	assert_false(digest_parse(&digest, DIGEST_SHA1, known[2].abc, 64));
	assert_false(digest_parse(&digest, DIGEST_NONE, "", 0));
	for (const char *bad = "gG/:@`\x10 xX"; *bad; bad++) {
		autofree char *text = xstrdup(known[2].abc);
		text[17] = *bad;
		assert_false(digest_parse(&digest, DIGEST_SHA256, text, 64));
	}
	assert_true(digest_equal(&digest, &expected));
}

static void test_equal(void **state)
{
	(void)state;
	struct digest a, b, none = DIGEST_INIT;
	digest_data(DIGEST_SHA256, "abc", 3, &a);
	b = a;
	assert_true(digest_equal(&a, &b));
	b.bytes[31] ^= 1;
	assert_false(digest_equal(&a, &b));
	b = a;
	b.kind = DIGEST_MD5;
	assert_false(digest_equal(&a, &b));
	assert_false(digest_equal(&a, &none));
	assert_false(digest_equal(&none, &none));
}

static void test_mac(void **state)
{
	(void)state;
	struct mac_key key, other;
	struct mac one, two;

	assert_int_equal(mac_key_make(&key, NULL), 0);
	assert_int_equal(mac_key_make(&other, NULL), 0);
	mac_data(&key, "a text", 6, &one);
	mac_data(&key, "a text", 6, &two);
	assert_memory_equal(&one, &two, sizeof(one));
	mac_data(&key, "a test", 6, &two);
	assert_memory_not_equal(&one, &two, sizeof(one));
	mac_data(&key, "a text", 5, &two);
	assert_memory_not_equal(&one, &two, sizeof(one));
	mac_data(&other, "a text", 6, &two);
	assert_memory_not_equal(&one, &two, sizeof(one));
}

static void *compute(void *data)
{
	unsigned *wrong = data;
	char text[DIGEST_MAX * 2 + 1];
	for (unsigned round = 0; round < 200; round++)
		for (size_t i = 0; i < KNOWN; i++) {
			struct digest digest;
			struct hasher *hasher = hasher_new(known[i].kind);
			hasher_update(hasher, "a", 1);
			hasher_update(hasher, "bc", 2);
			hasher_finish(hasher, &digest);
			hasher_free(hasher);
			*wrong += strcmp(digest_hex(&digest, text), known[i].abc) != 0;
		}
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	pthread_t threads[4];
	unsigned wrong[4] = { 0 };
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, compute, &wrong[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(wrong[i], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads), /* first: several threads initialise the library */
		cmocka_unit_test(test_known),   cmocka_unit_test(test_pieces),
		scratch_test(test_file),        cmocka_unit_test(test_names),
		cmocka_unit_test(test_parse),   cmocka_unit_test(test_equal),
		cmocka_unit_test(test_mac),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
