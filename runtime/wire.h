/*
 * Messages between the runtime and processes of a VE: packets with descriptors, and errors as bytes.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"

/* Both return -1 with errno set. A descriptor array of NULL is none. */
int wire_send(int socket, const void *data, size_t size, const int *fds, size_t count);

/* Descriptors that come are close-on-exec; the caller owns them. Returns the size of the packet (cut
 * to `size`), 0 at the end of file. *count: room in, number out. */
ssize_t wire_receive(int socket, void *data, size_t size, int *fds, size_t *count);

/* An error as bytes, to be put back together on the other side of a pipe. */
void wire_pack_error(struct strbuf *text, const struct error *from);

/* Sets *err from such bytes and returns -1; bytes of another form are ERROR_INTERNAL. */
int wire_unpack_error(const char *bytes, size_t size, struct error *err);
