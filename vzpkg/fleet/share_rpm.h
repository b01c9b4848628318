/*
 * An .rpm whose payload is gzip as before and yet not compressed: of stored blocks (RFC 1951, 3.2.4). Lead, signature and header stay as they are, so it
 * is the same package to the guest's rpm, but for digests that cover the payload: it has to be told to leave them (--nodigest).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Writes it to `to`, an empty file; `from` is the package's file, which was verified. *done is false, and what was written is of no use, if it cannot be made: its payload is of another
 * compressor, it is more than `limit` bytes or not what the header says, or something about the package is unusual. -1: it could not be read or written.
 */
int share_rpm(int from, int to, uint64_t limit, const char *name, bool *done, struct error *err);

/* What tells the package from all others to yum: the SHA-1 of its header, in hexadecimal digits, as the package says it. false: it says none. */
enum { SHARE_RPM_ID_SIZE = 41 };
bool share_rpm_id(int fd, char ret[SHARE_RPM_ID_SIZE]);
