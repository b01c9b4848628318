#include "vzpkg/metadata/solv_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <solv/repo_solv.h>
#include <solv/repo_write.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/* Raised when what is stored, or libsolv's meaning of it, changes. */
enum { CACHE_FORMAT = 4 };

/* After libsolv's data, at the end of the file. */
struct trailer {
	char magic[8];
	uint32_t format;
	uint32_t crc; /* CRC-32 of all before the trailer */
	uint8_t digest[DIGEST_MAX]; /* of the index */
};

static const char magic[8] = "vzsolv\n";

static char *path_of(const struct metadata_index *index)
{
	char hex[DIGEST_MAX * 2 + 1];
	return xasprintf("solv/%s.solv", digest_hex(&index->digest, hex));
}

static struct trailer make_trailer(const struct metadata_index *index, uint32_t crc)
{
	struct trailer trailer = { .format = CACHE_FORMAT, .crc = crc };
	memcpy(trailer.magic, magic, sizeof(magic));
	memcpy(trailer.digest, index->digest.bytes, sizeof(trailer.digest));
	return trailer;
}

static bool is_whole(int fd, const struct metadata_index *index)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_size <= (off_t)sizeof(struct trailer))
		return false;
	size_t size = (size_t)st.st_size;
	const char *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (data == MAP_FAILED)
		return false;
	size_t content = size - sizeof(struct trailer);
	struct trailer expected =
		make_trailer(index, (uint32_t)crc32_z(0, (const unsigned char *)data, content));
	bool same = memcmp(data + content, &expected, sizeof(expected)) == 0;
	munmap((void *)data, size);
	return same;
}

bool solv_cache_read(int pm, const struct metadata_index *index, Repo *repo, int flags)
{
	autofree char *path = path_of(index);
	int fd = openat(pm, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	autofclose FILE *file = fd < 0 ? NULL : fdopen(fd, "re");

	if (!file || !is_whole(fd, index))
		return false;
	if (repo_add_solv(repo, file, flags) != 0) {
		if (!flags)
			repo_empty(repo, 1);
		return false;
	}
	futimens(fd, NULL); /* in use: it is not dropped as old */
	return true;
}

/* libsolv writes to a stdio stream: into memory, since the CRC is wanted too. */
static int compose(const struct metadata_index *index, Repo *repo, Repodata *part,
		   struct strbuf *text, struct error *err)
{
	char *data = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&data, &size);

	if (!file)
		return error_errno(err, errno, "writing the cache");
	int status = part ? repodata_write(part, file) : repo_write(repo, file);
	if (fclose(file) == EOF || status != 0) {
		free(data);
		return error_set(err, ERROR_SYSTEM, "writing the cache of the index failed");
	}
	struct trailer trailer =
		make_trailer(index, (uint32_t)crc32_z(0, (unsigned char *)data, size));
	strbuf_add(text, data, size);
	strbuf_add(text, &trailer, sizeof(trailer));
	free(data);
	return 0;
}

int solv_cache_write(int pm, const struct metadata_index *index, Repo *repo, Repodata *part,
		     struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *path = path_of(index);
	autoclose int folder = dir_open(pm, "solv", true, 0755, err);

	if (folder < 0 || compose(index, repo, part, &text, err) < 0)
		return -1;
	return file_write_atomic(pm, path, 0644, text.text, text.length, err);
}
