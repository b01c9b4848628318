/*
 * OpenPGP signatures by gpgme, in a private home that holds only one template's keys. What is to be
 * parsed is the text that gpgme verified and handed out, never the file it came from.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/strvec.h"

/* Which old-age waivers a key's signatures get. */
struct signature_waiver {
	const char *fingerprint; /* of the primary key, 40 upper-case hexadecimal digits */
	bool expired_ok; /* key or signature expired */
	bool sha1_ok; /* signed over SHA-1 */
	bool weak_ok; /* DSA or RSA below 2048 bits */
	const char *file; /* the trust line, for messages */
	unsigned line;
};

struct keyring;

/*
 * Makes the private home below `homes` (a folder of ours, kept between runs, one per set of keys)
 * and imports the key files (armored or binary, each may hold several keys). Only keys that
 * `waivers` names are trusted; others in the files are ignored.
 */
int keyring_open(int homes, const struct strvec *key_files, const struct signature_waiver *waivers,
		 size_t waiver_count, struct keyring **ret, struct error *err);
void keyring_free(struct keyring *keyring);
void keyring_freep(struct keyring **keyring);

struct signature_result {
	char fingerprint[41]; /* of the primary key that made the accepted signature */
	int64_t created;
};

/*
 * At least one signature must be good and made by a trusted key. If none is, the error is
 * ERROR_TRUST with one of five different messages: no signature, bad signature, unknown key, expired
 * key, weak digest or key; each names the key id, the file and the line to change.
 * `name` is what the text is called in messages (a URL).
 */
int signature_verify_clear(struct keyring *keyring, const char *name, const void *data, size_t size,
			   struct strbuf *ret_text, struct signature_result *ret,
			   struct error *err);
int signature_verify_detached(struct keyring *keyring, const char *name, const void *data,
			      size_t size, const void *signature, size_t signature_size,
			      struct signature_result *ret, struct error *err);
