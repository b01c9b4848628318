/* The inside of struct keyring, for the two files that work on it. */
#pragma once

#include <gpgme.h>
#include <signal.h>

#include "vzpkg/fetch/signature.h"

/* A key of the private home: each primary key, and each of its subkeys. */
struct known_key {
	char *fingerprint;
	char *primary; /* fingerprint of the primary key; the same for that */
	char *user; /* first user id */
	unsigned bits;
	int64_t expires; /* seconds since 1970; 0: never */
};

struct keyring {
	gpgme_ctx_t context;
	struct known_key *keys;
	size_t key_count, key_capacity;
	struct signature_waiver *waivers; /* owned, with their strings */
	size_t waiver_count;
};

/* By fingerprint, or by the last 16 digits of one (a key id); NULL if it is not there. */
const struct known_key *keyring_find(const struct keyring *keyring, const char *id);
const struct signature_waiver *keyring_waiver(const struct keyring *keyring, const char *primary);

/* While gpgme writes to a gpg that may die: SIGPIPE is ignored, and given back afterwards, because
 * an ignored signal would be inherited by whatever is started later. */
void sigpipe_ignore(struct sigaction *old);
void sigpipe_restore(struct sigaction *old);
