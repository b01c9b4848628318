#include "vzpkg/cache/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "vzpkg/cache/store_roots.h"

enum { LOCK_WAIT_S = 60 };

struct store {
	int packages; /* pm/packages */
	int partial; /* pm/packages/partial: arriving */
	struct store_use use;
};

int store_open(int pm, struct store **ret, struct error *err)
{
	struct store *store = xcalloc(1, sizeof(*store));
	store->partial = -1;
	store->use = STORE_USE_INIT;
	store->packages = dir_open(pm, "packages", true, 0755, err);
	if (store->packages >= 0)
		store->partial = dir_open(store->packages, "partial", true, 0755, err);
	if (store->partial < 0) {
		store_free(store);
		return error_wrap(err, "opening the package store");
	}
	*ret = store;
	return 0;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	store_use_end(&store->use);
	if (store->partial >= 0)
		close(store->partial);
	if (store->packages >= 0)
		close(store->packages);
	free(store);
}

void store_freep(struct store **store)
{
	store_free(*store);
	*store = NULL;
}

/* ".deb", ".rpm": for people who look into the folder. */
static const char *suffix_of(const struct plan_package *package)
{
	const char *slash = strrchr(package->location, '/');
	const char *dot = strrchr(slash ? slash : package->location, '.');
	return dot && strlen(dot) < 8 ? dot : "";
}

/* "sha256/ab/abcdef….deb" */
static char *path_of(const struct plan_package *package)
{
	char hex[DIGEST_MAX * 2 + 1];
	digest_hex(&package->digest, hex);
	return xasprintf("%s/%.2s/%s%s", digest_kind_name(package->digest.kind), hex, hex,
			 suffix_of(package));
}

/* Size alone: the content is hashed when it is used. */
static bool is_there(const struct store *store, const struct plan_package *package)
{
	autofree char *path = path_of(package);
	struct stat st;
	return fstatat(store->packages, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (!package->size || (uint64_t)st.st_size == package->size);
}

/* Damaged, and kept for whoever wants to know how. */
static int set_aside(const struct store *store, const char *path)
{
	autofree char *aside = xasprintf("%s.damaged", path);
	return renameat(store->packages, path, store->packages, aside);
}

/* ---- filling ------------------------------------------------------------------------------------ */

struct filling {
	struct store *store;
	const struct plan *plan;
	const struct plan_package **packages; /* of each request */
	struct fetch_request *requests;
	char **names; /* of each request: the file in partial/ */
	size_t count;
};

static void filling_release(struct filling *filling)
{
	for (size_t i = 0; i < filling->count; i++) {
		fetch_request_release(&filling->requests[i]);
		free(filling->names[i]);
	}
	free(filling->requests);
	free(filling->packages);
	free(filling->names);
}

/* It has arrived and its digest is right: gives it its place. */
static int take_in(struct fetch_request *request, void *data, struct error *err)
{
	struct filling *filling = data;
	size_t index = (size_t)(request - filling->requests);
	autofree char *path = path_of(filling->packages[index]);
	autofree char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));

	autoclose int dir = dir_open(filling->store->packages, folder, true, 0755, err);
	if (dir < 0)
		return -1;
	if (renameat(filling->store->partial, request->name, filling->store->packages, path) == 0)
		return 0;
	int number = errno;
	/* Another vzpkg has fetched the same file and moved it first. */
	if (number == ENOENT && is_there(filling->store, filling->packages[index]))
		return 0;
	/* A folder is the one thing that a rename does not put something else in the place of. */
	if (number == EISDIR && set_aside(filling->store, path) == 0 &&
	    renameat(filling->store->partial, request->name, filling->store->packages, path) == 0)
		return 0;
	return error_errno(err, number, "storing %s", path);
}

/* Two repositories may hold the same file, and two transfers to one name would be in each other's way. */
static bool is_asked_for(const struct filling *filling, const struct plan_package *package)
{
	for (size_t i = 0; i < filling->count; i++)
		if (digest_equal(&filling->packages[i]->digest, &package->digest))
			return true;
	return false;
}

static void add_request(struct filling *filling, const struct plan_package *package)
{
	const struct plan_repository *repository =
		&filling->plan->repositories[package->repository];
	struct fetch_request *request = &filling->requests[filling->count];
	char hex[DIGEST_MAX * 2 + 1];

	filling->packages[filling->count] = package;
	filling->names[filling->count] = xstrdup(digest_hex(&package->digest, hex));
	*request = (struct fetch_request){
		.dirfd = filling->store->partial,
		.name = filling->names[filling->count],
		.title = package->name,
		.size = package->size,
		.size_limit = package->size ?: (uint64_t)4 << 30,
		.digest = package->digest,
		.optional = filling->plan->pinned,
		.done = take_in,
		.data = filling,
	};
	for (size_t i = 0; i < repository->base_urls.count; i++)
		strvec_pushf(&request->urls, "%s/%s", repository->base_urls.items[i],
			     package->location);
	filling->count++;
}

static int not_signed_for(const struct plan_package *package, struct error *err)
{
	error_set(err, ERROR_TRUST, "%s %s has no digest in the metadata", package->name,
		  package->version);
	return error_subject(err, "%s", package->name);
}

static int not_downloaded(const struct plan_package *package, struct error *err)
{
	error_set(err, ERROR_FETCH, "%s %s has not been downloaded", package->name,
		  package->version);
	error_subject(err, "%s", package->name);
	return error_hint(err, "%s", fetch_offline_hint);
}

/* A line for each. */
static int none_downloaded(const struct filling *filling, struct error *err)
{
	AUTO(strbuf_release) struct strbuf list = STRBUF_INIT;

	if (filling->count == 1)
		return not_downloaded(filling->packages[0], err);
	for (size_t i = 0; i < filling->count; i++)
		strbuf_addf(&list, "\n  %s %s", filling->packages[i]->name,
			    filling->packages[i]->version);
	error_set(err, ERROR_FETCH, "%zu packages have not been downloaded:%s", filling->count,
		  list.text);
	error_subject(err, "%s", filling->packages[0]->name);
	return error_hint(err, "%s", fetch_offline_hint);
}

/* What is missing becomes requests. Sets the bytes that they take. */
static int add_missing(struct filling *filling, uint64_t *bytes, struct error *err)
{
	for (size_t i = 0; i < filling->plan->count; i++) {
		const struct plan_package *package = &filling->plan->packages[i];
		if (package->digest.kind == DIGEST_NONE)
			return not_signed_for(package, err);
		if (is_there(filling->store, package) || is_asked_for(filling, package))
			continue;
		add_request(filling, package);
		*bytes += package->size;
	}
	return 0;
}

size_t store_missing(const struct store *store, const struct plan *plan, uint64_t *ret_bytes)
{
	size_t count = 0;

	*ret_bytes = 0;
	for (size_t i = 0; i < plan->count; i++) {
		if (is_there(store, &plan->packages[i]))
			continue;
		*ret_bytes += plan->packages[i].size;
		count++;
	}
	return count;
}

/* While files are being collected nobody looks which there are, and before somebody looks he has said what he needs. */
static int begin_use(struct store *store, const struct plan *plan, struct lock *lock,
		     struct error *err)
{
	if (lock_take(lock, store->packages, STORE_LOCK, LOCK_SHARED, LOCK_WAIT_S, NULL, NULL,
		      err) < 0 ||
	    store_use_begin(&store->use, store->packages, plan, err) < 0)
		return error_wrap(err, "the package store");
	return 0;
}

static int look(struct filling *filling, uint64_t *bytes, struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;

	if (begin_use(filling->store, filling->plan, &lock, err) < 0)
		return -1;
	return add_missing(filling, bytes, err);
}

int store_keep(struct store *store, const char *template, const struct plan *plan,
	       struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;

	if (lock_take(&lock, store->packages, STORE_LOCK, LOCK_SHARED, LOCK_WAIT_S, NULL, NULL,
		      err) < 0)
		return error_wrap(err, "the package store");
	return store_root_write(store->packages, template, plan, err);
}

int store_keep_no_more(struct store *store, const char *template, struct error *err)
{
	return store_root_remove(store->packages, template, err);
}

/* What a lock file names may have left the repositories long ago. Of that all is said. */
static int check_gone(const struct filling *filling, struct error *err)
{
	AUTO(strbuf_release) struct strbuf list = STRBUF_INIT;
	const struct plan_package *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < filling->count; i++) {
		const struct plan_package *package = filling->packages[i];
		if (filling->requests[i].state != FETCH_MISSING)
			continue;
		strbuf_addf(&list, "\n  %s %s (%s)", package->name, package->version,
			    package->location);
		first = first ?: package;
		count++;
	}
	if (!first)
		return 0;
	error_set(err, ERROR_FETCH,
		  "%zu of the %zu packages that are locked %s neither in the package store nor in "
		  "a repository any more:%s",
		  count, filling->plan->count, count == 1 ? "is" : "are", list.text);
	error_subject(err, "%s", first->name);
	return error_hint(err, "name an archive that still has them with --repository, import a "
			       "bundle that was made when they were there, or lock what there is "
			       "now: \"vzpkg lock\"");
}

int cache_fill(struct store *store, const struct plan *plan, struct fetcher *fetcher,
	       struct report *report, struct error *err)
{
	AUTO(filling_release)
	struct filling filling = {
		.store = store,
		.plan = plan,
		.packages = xcalloc(plan->count, sizeof(*filling.packages)),
		.requests = xcalloc(plan->count, sizeof(*filling.requests)),
		.names = xcalloc(plan->count, sizeof(*filling.names)),
	};
	uint64_t bytes = 0;

	if (look(&filling, &bytes, err) < 0)
		return -1;
	report_total(report, bytes);
	if (!filling.count)
		return 0;
	if (!fetcher)
		return none_downloaded(&filling, err);
	if (fetch_run(fetcher, filling.requests, filling.count, report, err) < 0)
		return -1;
	return check_gone(&filling, err);
}

/* ---- files of the host --------------------------------------------------------------------------- */

/* `to` is what was copied. */
static int put(struct store *store, const struct plan_package *package, int fd, int to,
	       const char *partial, struct error *err)
{
	autofree char *path = path_of(package);
	autofree char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	struct digest digest;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "reading %s", package->name);
	if (file_copy_fd(fd, to, partial, err) < 0)
		return -1;
	if (lseek(to, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "reading %s", partial);
	if (digest_fd(package->digest.kind, to, partial, &digest, err) < 0)
		return -1;
	if (!digest_equal(&digest, &package->digest))
		return error_set(err, ERROR_CHANGED, "the file of %s has changed meanwhile",
				 package->name);
	autoclose int dir = dir_open(store->packages, folder, true, 0755, err);
	if (dir < 0)
		return -1;
	if (renameat(store->partial, partial, store->packages, path) < 0)
		return error_errno(err, errno, "storing %s", path);
	return 0;
}

int store_put(struct store *store, const struct plan *plan, size_t index, int fd, struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	const struct plan_package *package = &plan->packages[index];
	char hex[DIGEST_MAX * 2 + 1];

	if (begin_use(store, plan, &lock, err) < 0)
		return -1;
	if (is_there(store, package))
		return 0;
	autofree char *partial =
		xasprintf("%s.%ld", digest_hex(&package->digest, hex), (long)getpid());
	autoclose int to = openat(store->partial, partial,
				  O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (to < 0)
		return error_errno(err, errno, "making a file in the package store");
	int ret = put(store, package, fd, to, partial, err);
	if (ret < 0)
		unlinkat(store->partial, partial, 0);
	return ret;
}

/* ---- other stores ------------------------------------------------------------------------------- */

int store_export(const struct store *store, const struct plan *plan, int dir, struct error *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		autofree char *path = path_of(&plan->packages[i]);
		/* Two packages of a plan may be one file. */
		if (faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		    file_link_or_copy(store->packages, path, dir, path, err) < 0)
			return -1;
	}
	return 0;
}

int store_adopt(struct store *store, const struct store *from, const struct plan *plan,
		struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;

	if (begin_use(store, plan, &lock, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->count; i++) {
		autofree char *path = path_of(&plan->packages[i]);
		autofree char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
		if (is_there(store, &plan->packages[i]))
			continue;
		autoclose int dir = dir_open(store->packages, folder, true, 0755, err);
		if (dir < 0)
			return -1;
		if (renameat(from->packages, path, store->packages, path) < 0)
			return error_errno(err, errno, "storing %s", path);
	}
	return 0;
}

/* ---- using -------------------------------------------------------------------------------------- */

/* `fd` is the file: another vzpkg may have put a good one in its place meanwhile. */
static int damaged(struct store *store, const struct plan_package *package, int fd,
		   const char *path, struct error *err)
{
	struct stat ours, there;

	if (fstat(fd, &ours) == 0 &&
	    fstatat(store->packages, path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
		set_aside(store, path);
	error_set(err, ERROR_TRUST,
		  "%s %s: the file in the package store is damaged; it was moved to %s.damaged",
		  package->name, package->version, path);
	error_subject(err, "%s", package->name);
	return error_hint(err, "check the disk, then run it again: it will be downloaded anew");
}

int store_package_reopen(struct store *store, const struct plan_package *package, struct error *err)
{
	if (package->digest.kind == DIGEST_NONE)
		return not_signed_for(package, err);
	autofree char *path = path_of(package);
	int fd = openat(store->packages, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return not_downloaded(package, err);
	if (fd < 0)
		return error_errno(err, errno, "opening %s %s in the package store", package->name,
				   package->version);
	return fd;
}

int store_package_open(struct store *store, const struct plan_package *package, struct error *err)
{
	struct digest digest;
	autofree char *path = path_of(package);
	autoclose int fd = store_package_reopen(store, package, err);

	if (fd < 0)
		return -1;
	if (digest_fd(package->digest.kind, fd, path, &digest, err) < 0)
		return -1;
	if (!digest_equal(&digest, &package->digest))
		return damaged(store, package, fd, path, err);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "reading %s", path);
	return steal_fd(&fd);
}

void store_package_refuse(struct store *store, const struct plan_package *package)
{
	autofree char *path = path_of(package);
	set_aside(store, path);
}
