#include "vzpkg/metadata/index_read.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vzpkg/metadata/decompress.h"

/* Text that grows no more than this when it is decompressed, where the repository does not say. */
enum { GROWTH_LIMIT = 40 };

/* A text that was cut off makes no sense to its parser either; why it was is the better message. */
static void explain(struct decompressor *decompressor, const char *title, struct error *err)
{
	AUTO(error_clear) struct error reason = ERROR_INIT;
	char more;

	if (read(decompressor->fd, &more, 1) == 0 &&
	    decompressor_finish(decompressor, title, &reason) < 0 && err)
		error_move(err, &reason);
}

static int decompress_and_read(int fd, const struct metadata_index *index, index_parser *parse,
			       void *target, struct error *err)
{
	AUTO(decompressor_stop) struct decompressor decompressor = DECOMPRESSOR_INIT;
	uint64_t limit = index->plain_size ?: index->size * GROWTH_LIMIT;
	uint64_t total;

	if (decompressor_start(&decompressor, fd, limit, err) < 0)
		return -1;
	int ret = parse(decompressor.fd, index->title, target, &total, err);
	if (ret < 0)
		explain(&decompressor, index->title, err);
	else
		ret = decompressor_finish(&decompressor, index->title, err);
	if (ret == 0 && index->plain_size && total != index->plain_size)
		ret = error_set(err, ERROR_FETCH, "%s: it is shorter than its repository says",
				index->title);
	return ret;
}

int index_read(int pm, const struct metadata_index *index, index_parser *parse, void *target,
	       struct error *err)
{
	struct digest digest;
	autoclose int fd = openat(pm, index->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return error_errno(err, errno, "opening %s", index->title);
	if (digest_fd(index->digest.kind, fd, index->title, &digest, err) < 0)
		return -1;
	if (!digest_equal(&digest, &index->digest)) {
		unlinkat(pm, index->path, 0);
		error_set(err, ERROR_TRUST, "%s: the stored file is damaged; it was removed",
			  index->title);
		return error_hint(err, "run it again: it will be downloaded anew");
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "reading %s", index->title);
	return decompress_and_read(fd, index, parse, target, err);
}
