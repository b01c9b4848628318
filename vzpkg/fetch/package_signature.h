/*
 * Signatures of rpm packages, by librpm, with the keys that a template trusts and the waivers that it gives them.
 */
#pragma once

#include <rpm/rpmkeyring.h>
#include <rpm/rpmts.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/strvec.h"
#include "vzpkg/fetch/signature.h"

struct package_keys;

/* `keyring` knows how old and how strong the keys in the files are; it is borrowed. */
int package_keys_open(struct keyring *keyring, const struct strvec *key_files,
		      struct package_keys **ret, struct error *err);
void package_keys_free(struct package_keys *keys);
void package_keys_freep(struct package_keys **keys);

/* librpm's form of them, borrowed, and each key as an OpenPGP packet: for whoever installs. */
rpmKeyring package_keys_ring(const struct package_keys *keys);
int package_keys_each(const struct package_keys *keys,
		      int (*each)(const uint8_t *packet, size_t size, void *data), void *data);

/* What the package itself says that it is. */
struct package_identity {
	char *name, *version,
		*arch; /* version: [EPOCH:]VERSION-RELEASE; to be freed by package_identity_release() */
	char signer[41]; /* fingerprint of the key; "": not signed */
	int64_t newest; /* newest file time, Unix seconds */
};

void package_identity_release(struct package_identity *identity);

/*
 * Verifies header, payload and signatures of the package file (descriptor at offset 0). With `must_be_signed` a signature that
 * one of the keys made is needed; without it, an unsigned package will do, but no signature that is bad. ERROR_TRUST
 * tells apart no signature, unknown key, expired key, weak digest or key, and damage; `name` is what it is called in messages.
 */
int package_verify(const struct package_keys *keys, int fd, const char *name, bool must_be_signed,
		   struct package_identity *ret, struct error *err);

/*
 * The same of one that need not be signed by anybody: signatures by keys that are known have to be good, and are judged; those of others are passed over.
 * One that cannot be understood is ERROR_TRUST.
 */
int package_verify_optional(const struct package_keys *keys, int fd, const char *name,
			    struct package_identity *ret, struct error *err);

/* RPMVSF_…: digests of this package that need not be computed, since stronger ones cover the same bytes. */
rpmVSFlags package_redundant_digests(Header header);
