/*
 * What is in a file of OpenPGP public keys, without importing it anywhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strvec.h"

/* A primary key. */
struct key_info {
	char *fingerprint; /* 40 upper-case hexadecimal digits */
	char *user; /* first user id, as it is written there; may be empty */
	unsigned bits;
	bool rsa, dsa; /* neither: another algorithm */
	bool revoked, secret;
	int64_t created, expires; /* seconds since 1970; 0: not known, never */
};

struct key_list {
	struct key_info *keys;
	size_t count, capacity;
};

#define KEY_LIST_INIT ((struct key_list){ 0 })

/* Appends the primary keys in the text, armored or binary. Text without any is ERROR_PARSE. `name` is what it is called
 * in messages. */
int key_text_list(const char *name, const void *text, size_t size, struct key_list *list,
		  struct error *err);
void key_list_release(struct key_list *list);

/* Appends the fingerprints (40 upper-case hexadecimal digits) of the primary keys in the file, armored
 * or binary. A file without any is an error. */
int key_file_fingerprints(const char *path, struct strvec *fingerprints, struct error *err);
