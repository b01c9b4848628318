#include "image/unpack_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

void unpack_input_init(struct unpack_input *input, int fd, const char *name)
{
	*input = (struct unpack_input){
		.fd = fd,
		.name = name,
		.hasher = hasher_new(DIGEST_SHA256),
		.buffer = xmalloc(UNPACK_INPUT_MAX),
	};
}

void unpack_input_release(struct unpack_input *input)
{
	hasher_freep(&input->hasher);
	free(input->buffer);
	input->buffer = NULL;
}

/* What is asked for piece by piece is moved to the front seldom: once in several MiB. */
static void make_room(struct unpack_input *input, size_t size)
{
	if (UNPACK_INPUT_MAX - input->begin >= size && input->end < UNPACK_INPUT_MAX)
		return;
	memmove(input->buffer, unpack_input_at(input), unpack_input_size(input));
	input->end -= input->begin;
	input->begin = 0;
}

int unpack_input_want(struct unpack_input *input, size_t size, struct error *err)
{
	while (unpack_input_size(input) < size && !input->eof) {
		make_room(input, size);
		ssize_t got =
			read(input->fd, input->buffer + input->end, UNPACK_INPUT_MAX - input->end);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, errno, "reading %s", input->name);
		hasher_update(input->hasher, input->buffer + input->end, (size_t)got);
		input->end += (size_t)got;
		input->eof = got == 0;
	}
	return 0;
}
