/*
 * Message digests (libgcrypt, which uses the CPU's SHA instructions). In base because both the
 * fetcher and the image writer need them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum digest_kind {
	DIGEST_NONE,
	DIGEST_MD5,
	DIGEST_SHA1,
	DIGEST_SHA256,
	DIGEST_SHA512,
	DIGEST_KINDS
};

enum { DIGEST_MAX = 64 };

struct digest {
	enum digest_kind kind;
	uint8_t bytes[DIGEST_MAX]; /* digest_size(kind) of them */
};

#define DIGEST_INIT ((struct digest){ .kind = DIGEST_NONE })

size_t digest_size(enum digest_kind kind);
const char *digest_kind_name(enum digest_kind kind); /* "sha256" */

/* "sha", "sha1", "SHA256", "sha-256" … as repository metadata writes them; DIGEST_NONE if unknown. */
enum digest_kind digest_kind_parse(const char *name);

/* Parses exactly digest_size(kind) * 2 hexadecimal digits (length given, no NUL needed). */
bool digest_parse(struct digest *digest, enum digest_kind kind, const char *hex, size_t length);

/* Writes the lower-case hexadecimal form; the text has DIGEST_MAX * 2 + 1 bytes. */
const char *digest_hex(const struct digest *digest, char text[DIGEST_MAX * 2 + 1]);

/* DIGEST_NONE equals nothing, not even itself: no digest is no proof. */
bool digest_equal(const struct digest *a, const struct digest *b);

/* A running computation. */
struct hasher;
struct hasher *hasher_new(enum digest_kind kind);
void hasher_update(struct hasher *hasher, const void *data, size_t size);
void hasher_finish(struct hasher *hasher, struct digest *ret); /* once; then only hasher_free */
void hasher_free(struct hasher *hasher);
void hasher_freep(struct hasher **hasher);

void digest_data(enum digest_kind kind, const void *data, size_t size, struct digest *ret);

/*
 * A keyed digest (GMAC with AES-128, NIST SP 800-38D), five times as fast as SHA-256: to know bytes again within
 * one run. Who does not know the key cannot make two texts with the same one.
 */
enum { MAC_SIZE = 16 };

struct mac_key {
	uint8_t bytes[MAC_SIZE];
};

struct mac {
	uint8_t bytes[MAC_SIZE];
};

int mac_key_make(struct mac_key *ret, struct error *err); /* a random one */
void mac_data(const struct mac_key *key, const void *data, size_t size, struct mac *ret);

/* From the descriptor's current offset to the end. */
int digest_fd(enum digest_kind kind, int fd, const char *name, struct digest *ret,
	      struct error *err);
