#include "runtime/area/tarball_sum.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/host.h"

enum { SUM_LIMIT = 4096 };

static bool is_same(const char *path, const struct stat *wanted)
{
	struct stat st;
	return lstat(path, &st) == 0 && st.st_dev == wanted->st_dev && st.st_ino == wanted->st_ino;
}

/* The checksum of the generation that the tarball belongs to, or NULL. */
static char *of_generation(const char *tarball)
{
	const char *slash = strrchr(tarball, '/');
	const char *base = slash ? slash + 1 : tarball;
	const char *end = strstr(base, ".tar");
	struct stat st;

	if (!end || stat(tarball, &st) < 0 || st.st_nlink < 2)
		return NULL;
	autofree char *folder = xasprintf("%.*s" GENERATIONS_DIR "/%.*s", (int)(base - tarball),
					  tarball, (int)(end - base), base);
	autoclosedir DIR *dir = opendir(folder);
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		autofree char *own = xasprintf("%s/%s/%s", folder, entry->d_name, base);
		if (is_same(own, &st))
			return xasprintf("%s.sha256", own);
	}
	return NULL;
}

/* The file that says it, which need not be there. */
static char *sum_file(const char *tarball)
{
	autofree char *own = of_generation(tarball);
	return own && access(own, F_OK) == 0 ? steal_ptr(own) : xasprintf("%s.sha256", tarball);
}

static int read_sum(const char *path, struct strbuf *ret, struct error *err)
{
	if (access(path, F_OK) < 0)
		return 1;
	if (file_read(AT_FDCWD, path, SUM_LIMIT, ret, err) < 0)
		return -1;
	if (strspn(ret->text, "0123456789abcdefABCDEF") != 64)
		return error_set(err, ERROR_TRUST, "%s does not begin with a SHA-256 digest", path);
	strbuf_truncate(ret, 64);
	return 0;
}

int tarball_sum_read(const char *tarball, struct strbuf *ret, struct error *err)
{
	autofree char *path = sum_file(tarball);
	return read_sum(path, ret, err);
}

int tarball_sum_check(const char *tarball, const char *digest, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *path = sum_file(tarball);
	int read = read_sum(path, &text, err);

	if (read != 0)
		return read < 0 ? -1 : 0;
	if (!strcasecmp(text.text, digest))
		return 0;
	error_set(err, ERROR_TRUST, "%s has the SHA-256 digest %s, and %s says another", tarball,
		  digest, path);
	return error_hint(err, "it was changed or cut short: build or fetch it again");
}
