#include "vzpkg/metadata/index_fetch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

char *index_stored_path(const struct digest *digest, const char *extension)
{
	char hex[DIGEST_MAX * 2 + 1];

	digest_hex(digest, hex);
	return xasprintf("indexes/%s/%.2s/%s%s", digest_kind_name(digest->kind), hex, hex,
			 extension);
}

bool index_is_stored(int pm, const char *path, uint64_t size)
{
	struct stat st;
	return fstatat(pm, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (!size || (uint64_t)st.st_size == size) && utimensat(pm, path, NULL, 0) == 0;
}

int index_make_folder(int pm, const char *path, struct error *err)
{
	autofree char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	autoclose int dir = dir_open(pm, folder, true, 0755, err);
	return dir < 0 ? -1 : 0;
}
