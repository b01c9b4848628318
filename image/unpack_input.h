/*
 * The file that a tarball is: read once from front to end, with a SHA-256 of all that was read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"

enum { UNPACK_INPUT_MAX = 8 << 20 };

struct unpack_input {
	int fd;
	const char *name; /* for messages */
	struct hasher *hasher;
	char *buffer; /* UNPACK_INPUT_MAX bytes; those from `begin` to `end` are not used yet */
	size_t begin, end;
	bool eof; /* the file has no more than that */
};

void unpack_input_init(struct unpack_input *input, int fd, const char *name);
void unpack_input_release(struct unpack_input *input);

/* Reads until `size` bytes (at most UNPACK_INPUT_MAX) are there, or the file ends. */
int unpack_input_want(struct unpack_input *input, size_t size, struct error *err);

static inline const char *unpack_input_at(const struct unpack_input *input)
{
	return input->buffer + input->begin;
}

static inline size_t unpack_input_size(const struct unpack_input *input)
{
	return input->end - input->begin;
}
