#include "vzpkg/cache/store_roots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

#define ROOTS "roots"

enum { ROOT_LIMIT = 64 << 20, TEMPORARY_S = 3600 };

/* ---- writing --------------------------------------------------------------------------------- */

static void list_plan(const struct plan *plan, struct strbuf *text)
{
	char hex[DIGEST_MAX * 2 + 1];
	for (size_t i = 0; i < plan->count; i++)
		strbuf_addf(text, "%s/%s\n", digest_kind_name(plan->packages[i].digest.kind),
			    digest_hex(&plan->packages[i].digest, hex));
}

static int make_roots(int packages, struct error *err)
{
	if (mkdirat(packages, ROOTS, 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "creating " ROOTS " in the package store");
	return 0;
}

static int make_list(struct store_use *use, int packages, struct error *err)
{
	static unsigned count;

	if (make_roots(packages, err) < 0)
		return -1;
	use->packages = packages;
	use->path = xasprintf(ROOTS "/.%d.%u", getpid(), ++count);
	/* Locked before it says anything, so that nobody sweeps it half written. */
	if (lock_take(&use->lock, packages, use->path, LOCK_EXCLUSIVE, 0, NULL, NULL, err) < 0)
		return -1;
	return ftruncate(use->lock.fd, 0) < 0 ? error_errno(err, errno, "writing %s", use->path)
					      : 0;
}

int store_use_begin(struct store_use *use, int packages, const struct plan *plan, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (!use->path && make_list(use, packages, err) < 0) {
		store_use_end(use);
		return -1;
	}
	list_plan(plan, &text);
	if (lseek(use->lock.fd, 0, SEEK_END) < 0)
		return error_errno(err, errno, "writing %s", use->path);
	return write_all(use->lock.fd, text.text, text.length, use->path, err);
}

void store_use_end(struct store_use *use)
{
	if (use->path)
		lock_remove(&use->lock, use->packages, use->path);
	free(use->path);
	*use = STORE_USE_INIT;
}

static char *root_path(const char *name)
{
	return xasprintf(ROOTS "/%s", name);
}

/* What a run left that was killed, or whose disk took nothing any more: one that goes on needs seconds to rename its file. */
static void sweep_temporary(int roots, const char *name)
{
	struct stat st;
	if (fstatat(roots, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    time(NULL) - st.st_mtime > TEMPORARY_S)
		unlinkat(roots, name, 0);
}

static bool is_temporary(const char *name)
{
	return strstr(name, ".tmp-");
}

static void sweep(int packages)
{
	int fd = openat(packages, ROOTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (is_temporary(entry->d_name))
			sweep_temporary(fd, entry->d_name);
}

int store_root_write(int packages, const char *name, const struct plan *plan, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *path = root_path(name);

	if (make_roots(packages, err) < 0)
		return -1;
	list_plan(plan, &text);
	if (file_write_atomic(packages, path, 0644, text.text, text.length, err) < 0)
		return -1;
	sweep(packages);
	return 0;
}

int store_root_remove(int packages, const char *name, struct error *err)
{
	autofree char *path = root_path(name);
	if (unlinkat(packages, path, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "removing %s from the package store", path);
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

void store_needs_add(struct store_needs *needs, const struct digest *digest)
{
	needs->items = xgrow(needs->items, needs->count, &needs->capacity, sizeof(*needs->items));
	needs->items[needs->count++] = *digest;
}

void store_needs_release(struct store_needs *needs)
{
	free(needs->items);
	*needs = STORE_NEEDS_INIT;
}

/* A line that cannot be understood is an error: what it stands for must not go. */
static int read_lines(const char *path, char *text, struct store_needs *needs, struct error *err)
{
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		struct digest digest;
		char *slash = strchr(line, '/');
		if (!*line)
			continue;
		if (slash)
			*slash = '\0';
		enum digest_kind kind = slash ? digest_kind_parse(line) : DIGEST_NONE;
		if (kind == DIGEST_NONE ||
		    !digest_parse(&digest, kind, slash + 1, strlen(slash + 1))) {
			error_set(err, ERROR_PARSE,
				  "%s in the package store is damaged: \"%s\" is no digest", path,
				  line);
			return error_hint(err, "remove it; building or fetching its template "
					       "writes it anew");
		}
		store_needs_add(needs, &digest);
	}
	return 0;
}

static int read_root(int packages, const char *path, struct store_needs *needs, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (file_read(packages, path, ROOT_LIMIT, &text, &why) < 0) {
		if (why.kind == ERROR_NO_FILE) /* its run has ended */
			return 0;
		error_move(err, &why);
		return -1;
	}
	return read_lines(path, text.text, needs, err);
}

/* A run that goes on holds the lock of its list. Returns false if there is no such run, and its list is gone. */
static bool is_in_use(int packages, const char *path)
{
	struct lock lock = LOCK_INIT;
	if (!lock_try(&lock, packages, path, LOCK_EXCLUSIVE))
		return true;
	lock_remove(&lock, packages, path);
	return false;
}

int store_roots_read(int packages, bool plans, struct store_needs *needs, struct error *err)
{
	int fd = openat(packages, ROOTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_errno(err, errno, "reading " ROOTS " in the package store");
	for (const struct dirent *entry; (entry = readdir(dir));) {
		const char *name = entry->d_name;
		autofree char *path = root_path(name);
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (is_temporary(name)) {
			sweep_temporary(fd, name);
			continue;
		}
		if (*name == '.' ? !is_in_use(packages, path) : !plans)
			continue;
		if (read_root(packages, path, needs, err) < 0)
			return -1;
	}
	return 0;
}
