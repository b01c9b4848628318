#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/fetch/signature.h"

#define MODERN "1BD64DECFC62E6A8A324637665701933023B7F8D"
#define EXPIRED "D26AA8B5136044211D6C320C292563B2FE3F5F62"
#define SHORT "B1D14B4F94D3798BD85730AEB384676976C5624D"
#define REVOKED "0EB042314AC6B5AA16D149A31EC6B99F40B84A5C"
#define OTHER "9B09CAC3A101C443C9D106A42D0797F69B8C955C"
#define LENNY_AUTOMATIC "150C8614919D8446E01E83AF9AA38DCD55BE302B"
#define LENNY_STABLE "7F5A44454C724A65CBCD4FB14D270D06F42584E6"
#define BOOKWORM "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8"

struct fixture {
	char *dir;
	int homes;
	struct keyring *keyring;
	struct signature_result result;
	struct strbuf text;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");
	f->dir = xasprintf("%s/vzpkg-signature.XXXXXX", tmp ? tmp : "/dev/shm");
	f->text = STRBUF_INIT;
	assert_non_null(mkdtemp(f->dir));
	f->homes = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	keyring_free(f->keyring);
	strbuf_release(&f->text);
	error_clear(&f->err);
	close(f->homes);
	assert_int_equal(tree_remove(AT_FDCWD, f->dir, NULL), 0);
	free(f->dir);
	free(f);
	return 0;
}

static char *data_path(const char *name)
{
	const char *top = getenv("VZPKG_TOP");
	return xasprintf("%s/tests/data/signature/%s", top ? top : ".", name);
}

static void read_data(const char *name, struct strbuf *text)
{
	autofree char *path = data_path(name);
	assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, text, NULL), 0);
}

/* All key files; trusts only what `waivers` says. */
static int open_all(struct fixture *f, const struct signature_waiver *waivers, size_t count)
{
	static const char *const names[] = { "modern.asc",
					     "expired.asc",
					     "short.asc",
					     "revoked.asc",
					     "lenny-automatic.asc",
					     "lenny-stable.asc",
					     "bookworm-automatic.asc" };
	AUTO(strvec_release) struct strvec files = STRVEC_INIT;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		strvec_take(&files, data_path(names[i]));
	error_clear(&f->err);
	keyring_freep(&f->keyring);
	return keyring_open(f->homes, &files, waivers, count, &f->keyring, &f->err);
}

static void trust(struct fixture *f, struct signature_waiver waiver)
{
	waiver.file = "config/trust";
	waiver.line = 7;
	if (open_all(f, &waiver, 1) < 0)
		fail_msg("%s", f->err.message);
}

static int detached(struct fixture *f, const char *text, const char *signature)
{
	AUTO(strbuf_release) struct strbuf data = STRBUF_INIT, sig = STRBUF_INIT;
	read_data(text, &data);
	read_data(signature, &sig);
	error_clear(&f->err);
	return signature_verify_detached(f->keyring, "http://m/Release", data.text, data.length,
					 sig.text, sig.length, &f->result, &f->err);
}

static int clear_text(struct fixture *f, const char *data, size_t size)
{
	error_clear(&f->err);
	strbuf_truncate(&f->text, 0);
	return signature_verify_clear(f->keyring, "http://m/InRelease", data, size, &f->text,
				      &f->result, &f->err);
}

static int clear_file(struct fixture *f, const char *name)
{
	AUTO(strbuf_release) struct strbuf data = STRBUF_INIT;
	read_data(name, &data);
	return clear_text(f, data.text, data.length);
}

static void assert_good(struct fixture *f, int status, const char *fingerprint)
{
	if (status < 0)
		fail_msg("%s", f->err.message);
	assert_string_equal(f->result.fingerprint, fingerprint);
	assert_true(f->result.created > 1000000000);
}

static void assert_has(const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text ? text : "(null)");
}

static void assert_refused(struct fixture *f, int status, const char *message, const char *hint)
{
	assert_int_equal(status, -1);
	assert_int_equal(f->err.kind, ERROR_TRUST);
	assert_has(f->err.message, message);
	assert_has(f->err.message, "http://m/");
	assert_has(f->err.hint, hint);
	assert_int_equal(f->text.length, 0);
}

/* ---- good ones ---- */

static void test_good(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	assert_good(f, detached(f, "text", "text.modern.sig"), MODERN);
	assert_good(f, detached(f, "text", "text.two.sig"), MODERN);
	assert_good(f, clear_file(f, "text.modern.clear"), MODERN);
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	read_data("text", &text);
	assert_string_equal(f->text.text, text.text);
}

/* The handed out text is the signed one, whatever stands around it in the file. */
static void test_text_around_is_not_handed_out(void **state)
{
	struct fixture *f = *state;
	AUTO(strbuf_release) struct strbuf data = STRBUF_INIT;
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	read_data("text.modern.clear", &data);
	strbuf_adds(&data, "Suite: evil\n");
	if (clear_text(f, data.text, data.length) == 0)
		assert_null(strstr(f->text.text, "evil"));
	AUTO(strbuf_release) struct strbuf before = STRBUF_INIT;
	strbuf_addf(&before, "Suite: evil\n%s", data.text);
	assert_refused(f, clear_text(f, before.text, before.length), "is not signed", "mirror");
}

static void test_second_message_is_refused(void **state)
{
	struct fixture *f = *state;
	AUTO(strbuf_release) struct strbuf data = STRBUF_INIT, one = STRBUF_INIT;
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	read_data("text.modern.clear", &data);
	strbuf_add(&one, data.text, data.length);
	strbuf_adds(&data, "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nSuite: evil\n");
	strbuf_adds(&data, strstr(one.text, "-----BEGIN PGP SIGNATURE"));
	if (clear_text(f, data.text, data.length) == 0)
		assert_null(strstr(f->text.text, "evil"));
}

static void test_debian_12(void **state)
{
	struct fixture *f = *state;
	/* Modern in everything; `expired` only so that this test outlives the key. */
	trust(f, (struct signature_waiver){ .fingerprint = BOOKWORM, .expired_ok = true });
	assert_good(f, clear_file(f, "bookworm-updates-InRelease"), BOOKWORM);
	assert_int_equal(strncmp(f->text.text, "Origin: Debian\n", 15), 0);
	assert_null(strstr(f->text.text, "PGP"));
}

static void test_debian_5(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){
			 .fingerprint = LENNY_AUTOMATIC, .expired_ok = true, .sha1_ok = true });
	assert_good(f, detached(f, "lenny-Release", "lenny-Release.gpg"), LENNY_AUTOMATIC);
	assert_int_equal(f->result.created, 1290869453);
	trust(f, (struct signature_waiver){ .fingerprint = LENNY_STABLE,
					    .expired_ok = true,
					    .sha1_ok = true,
					    .weak_ok = true });
	assert_good(f, detached(f, "lenny-Release", "lenny-Release.gpg"), LENNY_STABLE);
}

static void test_debian_5_without_waivers(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){ .fingerprint = LENNY_AUTOMATIC });
	assert_refused(f, detached(f, "lenny-Release", "lenny-Release.gpg"),
		       "the signing key " LENNY_AUTOMATIC
		       " (Debian Archive Automatic Signing Key (5.0/lenny) "
		       "<ftpmaster@debian.org>) has expired on 2012-12-31",
		       "line 7 of config/trust is to be: " LENNY_AUTOMATIC " expired sha1");
	trust(f, (struct signature_waiver){ .fingerprint = LENNY_AUTOMATIC, .expired_ok = true });
	assert_refused(f, detached(f, "lenny-Release", "lenny-Release.gpg"), "made over SHA1",
		       "expired sha1");
	trust(f, (struct signature_waiver){
			 .fingerprint = LENNY_STABLE, .expired_ok = true, .sha1_ok = true });
	assert_refused(f, detached(f, "lenny-Release", "lenny-Release.gpg"),
		       "a DSA key of 1024 bits", "expired sha1 weak");
}

/* ---- the five kinds of refusal ---- */

static void test_missing(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	assert_refused(f, clear_file(f, "text"), "http://m/InRelease is not signed", "mirror");
	assert_refused(f, clear_text(f, "", 0), "is not signed", "mirror");
	assert_int_equal(signature_verify_detached(f->keyring, "http://m/x", "x", 1, NULL, 0,
						   &f->result, &f->err),
			 -1);
	assert_refused(f, -1, "http://m/x is not signed", "mirror");
	/* What is no signature at all, or cut short, or a web page. */
	assert_refused(f, detached(f, "text", "text"), "is not signed", "mirror");
	const char *cut = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nSuite: evil\n";
	assert_refused(f, clear_text(f, cut, strlen(cut)), "igned", "mirror");
}

static void test_bad(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	assert_refused(f, detached(f, "lenny-Release", "text.modern.sig"),
		       "bad signature of http://m/Release by key " MODERN, "mirror");
	AUTO(strbuf_release) struct strbuf data = STRBUF_INIT;
	read_data("text.modern.clear", &data);
	*strstr(data.text, "test") = 'T';
	assert_refused(f, clear_text(f, data.text, data.length), "not the text that was signed",
		       "mirror");
}

/* A signed message of its own in the place of a signature vouches for itself only. */
static void test_inline_in_place_of_detached(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	assert_refused(f, detached(f, "lenny-Release", "text.modern.inline"), "igned", "");
	assert_refused(f, detached(f, "lenny-Release", "text.modern.clear"), "igned", "");
	assert_refused(f, clear_file(f, "text.modern.inline"), "is not signed", "mirror");
}

static void test_unknown(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	assert_refused(f, detached(f, "text", "text.other.sig"), "but by " OTHER,
		       "its fingerprint into config/trust");
	/* In a key file, but not named as trusted. */
	assert_refused(f, detached(f, "text", "text.short.sig"), "but by " SHORT " (short)",
		       "config/trust");
	assert_int_equal(open_all(f, NULL, 0), 0);
	assert_refused(f, detached(f, "text", "text.modern.sig"), "but by " MODERN, "trust");
}

static void test_expired(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){ .fingerprint = EXPIRED });
	assert_refused(f, detached(f, "text", "text.expired.sig"),
		       "the signing key " EXPIRED " (expired) has expired on 2011-01-0",
		       EXPIRED " expired");
	trust(f, (struct signature_waiver){ .fingerprint = EXPIRED, .expired_ok = true });
	assert_good(f, detached(f, "text", "text.expired.sig"), EXPIRED);
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	assert_refused(f, detached(f, "text", "text.sigexpired.sig"),
		       "the signature by key " MODERN " (modern) has expired on 2010-01-02",
		       MODERN " expired");
	trust(f, (struct signature_waiver){ .fingerprint = MODERN, .expired_ok = true });
	assert_good(f, detached(f, "text", "text.sigexpired.sig"), MODERN);
}

static void test_weak(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	assert_refused(f, detached(f, "text", "text.sha1.sig"),
		       "weak signature of http://m/Release by key " MODERN
		       " (modern): made over SHA1",
		       MODERN " sha1");
	assert_refused(f, clear_file(f, "text.sha1.clear"), "made over SHA1", MODERN " sha1");
	assert_refused(f, detached(f, "text", "text.md5.sig"), "made over MD5", MODERN " weak");
	trust(f, (struct signature_waiver){ .fingerprint = SHORT });
	assert_refused(f, detached(f, "text", "text.short.sig"), "a RSA key of 1024 bits",
		       SHORT " weak");
	assert_refused(f, detached(f, "text", "text.short-sha1.sig"), "made over SHA1",
		       SHORT " sha1 weak");
}

static void test_weak_with_waiver(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){ .fingerprint = MODERN, .sha1_ok = true });
	assert_good(f, detached(f, "text", "text.sha1.sig"), MODERN);
	assert_good(f, clear_file(f, "text.sha1.clear"), MODERN);
	strbuf_truncate(&f->text, 0);
	assert_refused(f, detached(f, "text", "text.md5.sig"), "made over MD5", "sha1 weak");
	trust(f, (struct signature_waiver){ .fingerprint = MODERN, .weak_ok = true });
	assert_good(f, detached(f, "text", "text.md5.sig"), MODERN);
	assert_refused(f, detached(f, "text", "text.sha1.sig"), "made over SHA1", "sha1 weak");
	assert_refused(f, detached(f, "lenny-Release", "text.md5.sig"), "bad signature", "mirror");
	trust(f, (struct signature_waiver){ .fingerprint = SHORT, .weak_ok = true });
	assert_good(f, detached(f, "text", "text.short.sig"), SHORT);
}

static void test_revoked(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){ .fingerprint = REVOKED,
					    .expired_ok = true,
					    .sha1_ok = true,
					    .weak_ok = true });
	assert_refused(f, detached(f, "text", "text.revoked.sig"), "revoked",
		       "line 7 of config/trust");
}

/* ---- the home ---- */

static char *only_entry(struct fixture *f)
{
	autoclosedir DIR *dir = opendir(f->dir);
	char *found = NULL;
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		if (found)
			fail_msg("%s and %s", found, entry->d_name);
		found = xstrdup(entry->d_name);
	}
	assert_non_null(found);
	return found;
}

static void test_home_is_kept(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	autofree char *home = only_entry(f);
	assert_int_equal(fstatat(f->homes, home, &before, 0), 0);
	assert_int_equal(before.st_mode & 07777, 0700);
	trust(f, (struct signature_waiver){ .fingerprint = EXPIRED, .expired_ok = true });
	free(only_entry(f));
	assert_int_equal(fstatat(f->homes, home, &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void test_emptied_home_is_made_anew(void **state)
{
	struct fixture *f = *state;
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	autofree char *home = only_entry(f);
	autofree char *ring = xasprintf("%s/pubring.kbx", home);
	int fd = openat(f->homes, ring, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	assert_good(f, detached(f, "text", "text.modern.sig"), MODERN);
	free(only_entry(f));
}

static void test_many_at_once(void **state)
{
	enum { CHILDREN = 4 };
	struct fixture *f = *state;
	pid_t pids[CHILDREN];
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		trust(f, (struct signature_waiver){ .fingerprint = MODERN });
		_exit(detached(f, "text", "text.modern.sig") < 0);
	}
	for (int i = 0; i < CHILDREN; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	free(only_entry(f));
}

static void test_key_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct signature_waiver waiver = { .fingerprint = OTHER, .file = "trust", .line = 3 };
	assert_int_equal(open_all(f, &waiver, 1), -1);
	assert_int_equal(f->err.kind, ERROR_BAD_TEMPLATE);
	assert_has(f->err.message, "trust:3: there is no key " OTHER);
	assert_has(f->err.hint, "gpgkeys/");
}

static void test_key_file_is_no_key(void **state)
{
	struct fixture *f = *state;
	AUTO(strvec_release) struct strvec files = STRVEC_INIT;
	strvec_take(&files, data_path("text"));
	assert_int_equal(keyring_open(f->homes, &files, NULL, 0, &f->keyring, &f->err), -1);
	assert_int_equal(f->err.kind, ERROR_BAD_TEMPLATE);
	assert_has(f->err.message, "signature/text holds no usable OpenPGP key");
	error_clear(&f->err);
	strvec_push(&files, "/nonexistent");
	assert_int_equal(keyring_open(f->homes, &files, NULL, 0, &f->keyring, &f->err), -1);
	assert_non_null(f->err.message);
}

/* Neither the caller's signal handling nor its GNUPGHOME is touched. */
static void test_leaves_the_process_alone(void **state)
{
	struct fixture *f = *state;
	struct sigaction now;
	autofree char *elsewhere = xasprintf("%s/.user", f->dir);
	setenv("GNUPGHOME", elsewhere, 1);
	signal(SIGPIPE, SIG_DFL);
	trust(f, (struct signature_waiver){ .fingerprint = MODERN });
	assert_good(f, detached(f, "text", "text.modern.sig"), MODERN);
	unsetenv("GNUPGHOME");
	assert_int_equal(sigaction(SIGPIPE, NULL, &now), 0);
	assert_ptr_equal(now.sa_handler, SIG_DFL);
	assert_int_equal(access(elsewhere, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_good),
		TEST(test_text_around_is_not_handed_out),
		TEST(test_second_message_is_refused),
		TEST(test_debian_12),
		TEST(test_debian_5),
		TEST(test_debian_5_without_waivers),
		TEST(test_missing),
		TEST(test_bad),
		TEST(test_inline_in_place_of_detached),
		TEST(test_unknown),
		TEST(test_expired),
		TEST(test_weak),
		TEST(test_weak_with_waiver),
		TEST(test_revoked),
		TEST(test_home_is_kept),
		TEST(test_emptied_home_is_made_anew),
		TEST(test_many_at_once),
		TEST(test_key_is_not_there),
		TEST(test_key_file_is_no_key),
		TEST(test_leaves_the_process_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
