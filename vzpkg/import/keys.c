/*
 * Keys. What a tree had in gpgkeys/ was imported into each VE's rpm, so it was trusted; here a line of `trust` says so, with the
 * waivers that the key's age asks for.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "vzpkg/fetch/key_file.h"
#include "vzpkg/import/reader.h"

enum { BITS_MIN = 2048, DSA_SHA1_BITS = 1024 };

static const char armor[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/* FIPS 186-2: a DSA key of 1024 bits signs 160 bits, which is SHA-1. RSA keys do not say what they sign over. */
static char *waivers(const struct key_info *key)
{
	bool expired = key->expires && key->expires < time(NULL);
	bool sha1 = key->dsa && key->bits <= DSA_SHA1_BITS;
	bool weak = (key->rsa || key->dsa) && key->bits < BITS_MIN;

	return xasprintf("%s%s%s", expired ? " expired" : "", sha1 ? " sha1" : "",
			 weak ? " weak" : "");
}

static char *day_of(int64_t when)
{
	char day[32] = "";
	time_t seconds = (time_t)when;
	struct tm tm;
	if (gmtime_r(&seconds, &tm))
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	return xstrdup(day);
}

static char *about_key(const struct key_info *key)
{
	autofree char *user = text_clean(key->user);
	autofree char *created = day_of(key->created);
	autofree char *expires = key->expires ? day_of(key->expires) : xstrdup("without an end");

	for (char *c = user; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	return xasprintf("%s; %s with %u bits of %s, %s%s", user,
			 key->rsa   ? "RSA"
			 : key->dsa ? "DSA"
				    : "a key",
			 key->bits, created, key->expires ? "until " : "", expires);
}

/* Returns whether the key is one that is trusted and was not before. */
static bool trust_key(struct reader *reader, const char *file, const struct key_info *key)
{
	if (key->revoked) {
		note_left(reader, file, 0, "it is revoked", "the key %s", key->fingerprint);
		return false;
	}
	if (strlen(key->fingerprint) != 40) {
		note_left(reader, file, 0, "only keys of version 4 are known here", "the key %s",
			  key->fingerprint);
		return false;
	}
	if (!key->bits || !*key->user) {
		note_left(reader, file, 0, "GnuPG does not know what kind of key it is, or whose",
			  "the key %s", key->fingerprint);
		return false;
	}
	if (strvec_contains(&reader->fingerprints, key->fingerprint)) {
		note_left(reader, file, 0, "another file has it too", "the key %s",
			  key->fingerprint);
		return false;
	}
	autofree char *about = about_key(key);
	autofree char *old_age = waivers(key);
	strvec_push(&reader->fingerprints, key->fingerprint);
	strbuf_addf(&reader->trust, "# %s\n%s%s\n", about, key->fingerprint, old_age);
	note_taken(reader, file, 0, about, "trust: %s%s", key->fingerprint, old_age);
	return true;
}

/* A name that the loader takes for that of a key. */
static char *key_path(const char *name, bool armored)
{
	const char *end = armored ? ".asc" : ".gpg";
	size_t length = strlen(name);
	bool has = length > 4 && strcmp(name + length - 4, end) == 0;
	return xasprintf("gpgkeys/%s%s", name, has ? "" : end);
}

static void add_keys(struct reader *reader, const char *file, const struct strbuf *text)
{
	AUTO(key_list_release) struct key_list list = KEY_LIST_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;
	const char *slash = strrchr(file, '/');
	const char *name = slash ? slash + 1 : file;
	bool trusted = false;

	if (key_text_list(name, text->text, text->length, &list, &why) < 0) {
		note_left(reader, file, 0, why.message, "the file");
		return;
	}
	for (size_t i = 0; i < list.count; i++)
		if (list.keys[i].secret) {
			note_left(reader, file, 0, "it holds a secret key", "the file");
			return;
		}
	for (size_t i = 0; i < list.count; i++)
		trusted = trust_key(reader, file, &list.keys[i]) || trusted;
	if (!trusted)
		return;
	autofree char *path = key_path(name, strstr(text->text, armor) != NULL);
	for (unsigned i = 2; has_file(reader, path); i++) {
		autofree char *other = xasprintf("%u-%s", i, name);
		free(path);
		path = key_path(other, strstr(text->text, armor) != NULL);
	}
	add_file(reader, path, 0644, text->text, text->length);
}

static void take_key(struct reader *reader, const char *folder, const char *name)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *file = xasprintf("%s/%s", folder, name);

	if (!is_plain_name(name))
		note_left(reader, file, 0, "its name is not one for a key file", "the file");
	else if (read_source(reader, file, SOURCE_FILE_LIMIT, &text))
		add_keys(reader, file, &text);
}

/* Those are the user's own files. */
static int take_given(struct reader *reader, const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	size_t before = reader->fingerprints.count;
	struct stat st;
	const char *slash = strrchr(path, '/');

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		error_set(reader->err, ERROR_USAGE, "--key %s: this is not a file", path);
		return error_subject(reader->err, "%s", path);
	}
	if (file_read(AT_FDCWD, path, SOURCE_FILE_LIMIT, &text, reader->err) < 0)
		return -1;
	add_keys(reader, is_plain_name(slash ? slash + 1 : path) ? path : "key.asc", &text);
	if (reader->fingerprints.count > before)
		return 0;
	error_set(reader->err, ERROR_USAGE, "--key %s: %s", path,
		  reader->import->note_count
			  ? reader->import->notes[reader->import->note_count - 1].why
			  : "no key is in it");
	error_subject(reader->err, "%s", path);
	return error_hint(reader->err, "give a file of OpenPGP public keys");
}

int take_keys(struct reader *reader, const char *folder)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	const struct strvec *given = reader->request->key_files;

	if (source_list(&reader->source, folder, &names, reader->err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		take_key(reader, folder, names.items[i]);
	for (size_t i = 0; given && i < given->count; i++)
		if (take_given(reader, given->items[i]) < 0)
			return -1;
	return 0;
}
