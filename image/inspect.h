/*
 * What a tarball is, without unpacking it: the digests and sizes of the file and of the tar in it. Every compressed member is decompressed, and
 * its own check sum compared on the way.
 */
#pragma once

#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/report.h"

struct image_inspected {
	struct digest file, tar; /* SHA-256 */
	uint64_t file_bytes, tar_bytes;
	uint64_t zeros; /* so many bytes at the end of the tar are 0; a whole one has 1024 */
};

/*
 * Reads `fd` from its current offset to the end. ERROR_BAD_TEMPLATE if it cannot be decompressed. A thread lives only inside the call: call it
 * from a process that does not start VEs meanwhile. Progress in bytes of the tar.
 */
int image_inspect(int fd, const char *name, struct report *report, struct image_inspected *ret,
		  struct error *err);
