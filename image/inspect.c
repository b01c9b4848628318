#include "image/inspect.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/interrupt.h"
#include "image/unpack_stream.h"

int image_inspect(int fd, const char *name, struct report *report, struct image_inspected *ret,
		  struct error *err)
{
	AUTO(unpack_stream_freep) struct unpack_stream *stream = NULL;
	AUTO(hasher_freep) struct hasher *hasher = hasher_new(DIGEST_SHA256);
	struct stat st;
	const void *piece;
	ssize_t size;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "looking at %s", name);
	if (unpack_stream_open(fd, name, NULL, &stream, err) < 0)
		return -1;
	while ((size = unpack_stream_read(stream, &piece, err)) > 0) {
		hasher_update(hasher, piece, (size_t)size);
		report_progress(report, unpack_stream_size(stream), NULL);
		if (interrupt_check(err) < 0)
			return -1;
	}
	if (size < 0)
		return -1;
	hasher_finish(hasher, &ret->tar);
	unpack_stream_digest(stream, &ret->file);
	ret->file_bytes = (uint64_t)st.st_size;
	ret->tar_bytes = unpack_stream_size(stream);
	ret->zeros = unpack_stream_zeros(stream);
	return 0;
}
