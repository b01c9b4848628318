/*
 * Which VEs stand on which layer, as their configurations say.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/host.h"

struct layer_user {
	unsigned ctid;
	char *name; /* NULL: none */
	char *ostemplate; /* NULL: not set */
	char layer[65]; /* SHA-256 of the tarball, hexadecimal */
};

struct layer_users {
	struct layer_user *items;
	size_t count, capacity;
};

#define LAYER_USERS_INIT ((struct layer_users){ 0 })

/* In order of their numbers. A configuration with a mistake is passed over: *ret_unread says how many there are. */
int layer_users_load(const struct host_config *host, struct layer_users *ret, size_t *ret_unread,
		     struct error *err);
void layer_users_release(struct layer_users *users);

/* Those of that layer, as an array of numbers. The caller owns it. */
json_t *layer_users_of(const struct layer_users *users, const char *layer);
