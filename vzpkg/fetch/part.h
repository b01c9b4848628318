/*
 * NAME.part: what has arrived so far of a download, hashed while it is written. Several processes
 * may want the same file at once: each holds a part of its own (NAME.part, NAME.part1, …) under an
 * OFD lock, and the one that ends first gives it its name. A part whose process died is taken up again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

struct part {
	int dirfd; /* borrowed */
	const char *name; /* the real name; borrowed */
	char *part_name;
	int fd; /* -1: not open; holds the lock */
	uint64_t length;
	enum digest_kind kind;
	struct hasher *hasher; /* of the bytes [0, length) */
};

#define PART_INIT ((struct part){ .fd = -1 })

/* Takes a part that nobody else holds. Its content is kept (and hashed) if `resume` and if it is
 * not longer than `limit` bytes; otherwise it is empty. */
int part_open(struct part *part, int dirfd, const char *name, enum digest_kind kind, bool resume,
	      uint64_t limit, struct error *err);

int part_append(struct part *part, const void *data, size_t size, struct error *err);

/* Forgets what is there. */
int part_restart(struct part *part, struct error *err);

/* The digest of the bytes that are there. No append is possible afterwards, but a restart is. */
void part_digest(struct part *part, struct digest *ret);

/* Gives the content its real name and closes. Parts that other processes left are removed. */
int part_publish(struct part *part, struct error *err);

/* Closes; the bytes stay for a later try if `keep`. */
void part_close(struct part *part, bool keep);
