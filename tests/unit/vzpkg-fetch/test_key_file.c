#include "tests/unit/base/scratch.h"
#include "vzpkg/fetch/key_file.h"

/* Debian's of 2009, and one of Fedora's that is shipped. */
#define LENNY "tests/data/signature/lenny-automatic.asc"
#define FEDORA "templates/fedora-core/4/config/gpgkeys/RPM-GPG-KEY-fedora.asc"

static void read_top(const char *name, struct strbuf *text)
{
	const char *top = getenv("VZPKG_TOP");
	autofree char *path = xasprintf("%s/%s", top ? top : ".", name);
	assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, text, NULL), 0);
}

static void what_keys_are(void **state)
{
	AUTO(key_list_release) struct key_list list = KEY_LIST_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	(void)state;

	read_top(LENNY, &text);
	read_top(FEDORA, &text);
	assert_int_equal(key_text_list("both", text.text, text.length, &list, NULL), 0);
	assert_int_equal(list.count, 2);
	const struct key_info *lenny = &list.keys[0], *fedora = &list.keys[1];
	assert_string_equal(lenny->fingerprint, "150C8614919D8446E01E83AF9AA38DCD55BE302B");
	assert_string_equal(
		lenny->user,
		"Debian Archive Automatic Signing Key (5.0/lenny) <ftpmaster@debian.org>");
	assert_true(lenny->rsa && !lenny->dsa && !lenny->revoked && !lenny->secret);
	assert_int_equal(lenny->bits, 4096);
	assert_int_equal(lenny->created, 1233084904);
	assert_int_equal(lenny->expires, 1356982504);
	assert_true(fedora->dsa && !fedora->rsa);
	assert_int_equal(fedora->bits, 1024);
	assert_int_equal(fedora->expires, 0);
}

static void refused(const char *text, size_t size)
{
	AUTO(key_list_release) struct key_list list = KEY_LIST_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;

	assert_int_equal(key_text_list("rubbish", text, size, &list, &err), -1);
	assert_int_equal(list.count, 0);
	assert_non_null(strstr(err.message, "rubbish"));
}

/* At some of it gpg ends at once, and who writes the rest to it has to notice. */
static void what_is_no_key(void **state)
{
	static const char armor[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxx";
	enum { SIZE = 200000, TEXTS = 30 };
	autofree char *text = xcalloc(1, SIZE);
	uint32_t random = 1;
	(void)state;

	alarm(300);
	refused(text, SIZE);
	memcpy(text, armor, strlen(armor));
	refused(text, SIZE);
	refused(text, strlen(armor));
	for (size_t i = 0; i < TEXTS; i++) {
		/* Marsaglia's xorshift */
		for (size_t at = 0; at < SIZE; at++) {
			random ^= random << 13;
			random ^= random >> 17;
			random ^= random << 5;
			text[at] = (char)random;
		}
		refused(text, SIZE);
	}
	alarm(0);
}

static void empty_text(void **state)
{
	AUTO(key_list_release) struct key_list list = KEY_LIST_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	(void)state;
	assert_int_equal(key_text_list("empty", "", 0, &list, &err), -1);
	assert_string_equal(err.message, "empty holds no OpenPGP key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_keys_are),
		cmocka_unit_test(what_is_no_key),
		cmocka_unit_test(empty_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
