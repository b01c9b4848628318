#include "vzpkg/fleet/share.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/worker.h"
#include "vzpkg/cache/verify.h"
#include "vzpkg/fleet/share_deb.h"
#include "vzpkg/fleet/share_rpm.h"

enum { MEMINFO_MAX = 64 << 10 };
#define MEMORY_LEAST (UINT64_C(1) << 20)

/* Of a package that says how large it is when it is installed, and of one that does not. Nothing is lost beyond: such a file is shown as it is. */
enum { PLAIN_MORE = 64 << 20, PLAIN_TIMES = 2, PLAIN_TIMES_SIZE = 64 };

/* Of a file's name: bytes of a word, and digits of the digest. */
enum { WORD_MAX = 60, DIGITS = 32 };

struct share {
	struct share_spec spec;
	char *memory, *disk; /* the two folders; "disk" is NULL while memory does */
	int dir; /* the one that is shown */
	char **files; /* their names in it, sorted */
	size_t count, capacity;
	struct share_counters counters;
};

/* People see it when a package manager says what it is at. */
static void add_readable(struct strbuf *text, const char *word)
{
	for (size_t i = 0; word[i] && i < WORD_MAX; i++)
		strbuf_addc(text, isalnum((unsigned char)word[i]) || strchr("+-.~", word[i])
					  ? word[i]
					  : '_');
}

char *share_file(const struct share *share, const struct plan_package *package)
{
	struct strbuf text = STRBUF_INIT;
	char hex[DIGEST_MAX * 2 + 1];
	const char *dot = strrchr(package->location, '.');

	(void)share;
	add_readable(&text, package->name);
	strbuf_addc(&text, '_');
	add_readable(&text, package->version);
	strbuf_addf(&text, "_%.*s.%s", DIGITS, digest_hex(&package->digest, hex),
		    dot && strcmp(dot, ".rpm") == 0 ? "rpm" : "deb");
	return strbuf_detach(&text);
}

/* ---- where ----------------------------------------------------------------------------------------------------------- */

static uint64_t quarter_of_memory(void)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	unsigned long long kib = 0;

	if (file_read(AT_FDCWD, "/proc/meminfo", MEMINFO_MAX, &text, NULL) == 0) {
		const char *line = strstr(text.text, "\nMemAvailable:");
		if (line)
			sscanf(line, "\nMemAvailable: %llu kB", &kib);
	}
	return (uint64_t)kib * 1024 / 4;
}

/* The folder DIR/NAME; umask counts for nothing. */
static char *make_folder(const char *dir, const char *name, struct error *err)
{
	autofree char *path = xasprintf("%s/%s", dir, name);

	if (mkdir(path, 0755) < 0 || chmod(path, 0755) < 0) {
		error_errno(err, errno, "making %s", path);
		return NULL;
	}
	return steal_ptr(path);
}

static int enter_namespace(struct error *err)
{
	/* Slave: what the host unmounts is not held by us. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_errno(err, errno, "making a mount namespace");
	return 0;
}

static int mount_memory(struct share *share, struct error *err)
{
	uint64_t size = share->spec.memory_max ?: quarter_of_memory();
	autofree char *options =
		xasprintf("mode=0755,size=%llu",
			  (unsigned long long)(size > MEMORY_LEAST ? size : MEMORY_LEAST));

	share->memory = make_folder(share->spec.work_dir, "share", err);
	if (!share->memory)
		return -1;
	if (mount("vzpkg", share->memory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		return error_errno(err, errno, "mounting a file system in memory at %s",
				   share->memory);
	share->dir = dir_open(AT_FDCWD, share->memory, false, 0, err);
	share->counters.in_memory = true;
	return share->dir < 0 ? -1 : 0;
}

int share_open(const struct share_spec *spec, struct share **ret, struct error *err)
{
	AUTO(share_freep) struct share *share = xcalloc(1, sizeof(*share));

	share->spec = *spec;
	share->spec.work_dir = xstrdup(spec->work_dir);
	share->dir = -1;
	if (enter_namespace(err) < 0 || mount_memory(share, err) < 0)
		return error_wrap(err, "making room for packages");
	*ret = steal_ptr(share);
	return 0;
}

const char *share_path(const struct share *share)
{
	return share->disk ?: share->memory;
}

void share_count(const struct share *share, struct share_counters *ret)
{
	*ret = share->counters;
}

/* A tenant who keeps a file open keeps it, and the memory or the disk that it takes, until there is nothing in it. Nobody else can do that to it. */
static void empty_files(const struct share *share, const char *path)
{
	autoclose int dir = path ? dir_open(AT_FDCWD, path, false, 0, NULL) : -1;

	for (size_t i = 0; dir >= 0 && i < share->count; i++) {
		autoclose int fd =
			openat(dir, share->files[i], O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			unlinkat(dir, share->files[i], 0);
	}
}

void share_free(struct share *share)
{
	if (!share)
		return;
	if (share->dir >= 0)
		close(share->dir);
	empty_files(share, share->memory);
	empty_files(share, share->disk);
	if (share->memory) {
		/* A visit that is not over keeps the file system, and not the folder. */
		umount2(share->memory, MNT_DETACH);
		rmdir(share->memory);
	}
	if (share->disk)
		tree_remove(AT_FDCWD, share->disk, NULL);
	for (size_t i = 0; i < share->count; i++)
		free(share->files[i]);
	free(share->files);
	free(share->memory);
	free(share->disk);
	free((char *)share->spec.work_dir);
	free(share);
}

void share_freep(struct share **share)
{
	share_free(*share);
	*share = NULL;
}

/* ---- which ----------------------------------------------------------------------------------------------------------- */

/* Where the name is, or belongs. */
static size_t place_of(const struct share *share, const char *file, bool *there)
{
	size_t low = 0, high = share->count;

	*there = false;
	while (low < high && !*there) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(file, share->files[middle]);
		*there = order == 0;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return high;
}

static void take(struct share *share, char *file)
{
	bool there;
	size_t place = place_of(share, file, &there);

	share->files = xgrow(share->files, share->count, &share->capacity, sizeof(*share->files));
	memmove(share->files + place + 1, share->files + place,
		(share->count - place) * sizeof(*share->files));
	share->files[place] = file;
	share->count++;
}

/* ---- one file, in a child ---------------------------------------------------------------------------------------------- */

struct adding {
	struct share *share;
	const struct plan *plan;
	enum package_format format;
	const struct package_keys *keys;
	size_t *packages; /* of each task: index into the plan */
	size_t count;
	uint64_t done; /* bytes of package files */
};

/* What a child tells. */
struct made {
	uint64_t size;
	bool plain;
};

static int open_verified(const struct adding *adding, size_t package, struct error *err)
{
	AUTO(package_identity_release) struct package_identity identity = { 0 };

	if (adding->format == PACKAGE_RPM)
		return cache_verify_package(adding->share->spec.store, adding->plan, package,
					    adding->keys, &identity, err);
	return store_package_open(adding->share->spec.store, &adding->plan->packages[package], err);
}

static int copy_as_it_is(int from, int to, const char *name, struct error *err)
{
	if (ftruncate(to, 0) < 0 || lseek(to, 0, SEEK_SET) < 0 || lseek(from, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "copying %s", name);
	return file_copy_fd(from, to, name, err);
}

static int fill(const struct adding *adding, const struct plan_package *package, int from, int to,
		bool *plain, struct error *err)
{
	uint64_t limit = package->installed_size
				 ? package->installed_size * PLAIN_TIMES + PLAIN_MORE
				 : package->size * PLAIN_TIMES_SIZE;
	int status = adding->format == PACKAGE_DEB
			     ? share_deb(from, to, limit, package->name, plain, err)
			     : share_rpm(from, to, limit, package->name, plain, err);

	if (status < 0)
		return -1;
	return *plain ? 0 : copy_as_it_is(from, to, package->name, err);
}

static int make_file(const struct adding *adding, const struct plan_package *package, int from,
		     const char *file, struct made *made, struct error *err)
{
	struct stat st;
	autoclose int to =
		openat(adding->share->dir, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (to < 0)
		return error_errno(err, errno, "creating %s", file);
	if (fill(adding, package, from, to, &made->plain, err) < 0)
		return -1;
	if (fchmod(to, 0644) < 0 || fstat(to, &st) < 0)
		return error_errno(err, errno, "creating %s", file);
	made->size = (uint64_t)st.st_size;
	return 0;
}

static int add_one(size_t index, void *data, struct strbuf *result, struct error *err)
{
	const struct adding *adding = data;
	const struct plan_package *package = &adding->plan->packages[adding->packages[index]];
	autofree char *file = share_file(adding->share, package);
	struct made made = { 0 };
	autoclose int from = open_verified(adding, adding->packages[index], err);

	if (from < 0)
		return -1;
	if (make_file(adding, package, from, file, &made, err) < 0) {
		unlinkat(adding->share->dir, file, 0);
		return error_wrap(err, "making %s %s ready for VEs", package->name,
				  package->version);
	}
	strbuf_add(result, &made, sizeof(made));
	return 0;
}

/* ---- all --------------------------------------------------------------------------------------------------------------- */

static int added(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct adding *adding = data;
	struct share *share = adding->share;
	const struct plan_package *package = &adding->plan->packages[adding->packages[index]];
	struct made made;

	if (size != sizeof(made))
		return error_set(err, ERROR_INTERNAL, "making %s ready for VEs: no result",
				 package->name);
	memcpy(&made, result, sizeof(made));
	take(share, share_file(share, package));
	share->counters.packages++;
	share->counters.package_bytes += package->size;
	share->counters.bytes += made.size;
	share->counters.decompressions += made.plain;
	adding->done += package->size;
	report_progress(share->spec.report, adding->done, package->name);
	return 0;
}

/* Two packages of a plan may be one file. */
static bool is_listed(const struct adding *adding, const struct plan_package *package)
{
	for (size_t i = 0; i < adding->count; i++)
		if (digest_equal(&adding->plan->packages[adding->packages[i]].digest,
				 &package->digest))
			return true;
	return false;
}

static void list_missing(struct adding *adding)
{
	adding->count = 0;
	for (size_t i = 0; i < adding->plan->count; i++) {
		const struct plan_package *package = &adding->plan->packages[i];
		autofree char *file = share_file(adding->share, package);
		bool there;
		place_of(adding->share, file, &there);
		if (!there && !is_listed(adding, package))
			adding->packages[adding->count++] = i;
	}
}

static int run(struct adding *adding, struct error *err)
{
	struct worker_job job = {
		.name = "making packages ready for VEs",
		.jobs = adding->share->spec.jobs,
		.task = add_one,
		.done = added,
		.data = adding,
	};
	list_missing(adding);
	job.count = adding->count;
	return workers_run(&job, err);
}

/* What a child that was stopped has left. */
static void drop_unfinished(const struct adding *adding)
{
	for (size_t i = 0; i < adding->count; i++) {
		const struct plan_package *package = &adding->plan->packages[adding->packages[i]];
		autofree char *file = share_file(adding->share, package);
		bool there;
		place_of(adding->share, file, &there);
		if (!there)
			unlinkat(adding->share->dir, file, 0);
	}
}

static int copy_to(const struct share *share, int dir, const char *file, struct error *err)
{
	autoclose int from = openat(share->dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	autoclose int to = openat(dir, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (from < 0 || to < 0 || fchmod(to, 0644) < 0)
		return error_errno(err, errno, "copying %s", file);
	return file_copy_fd(from, to, file, err);
}

/* Memory does not do. Visits that are shown the other folder keep it. */
static int move_to_disk(struct share *share, struct error *err)
{
	autofree char *path = make_folder(share->spec.work_dir, "share-on-disk", err);
	autoclose int dir = path ? dir_open(AT_FDCWD, path, false, 0, err) : -1;

	if (dir < 0)
		return -1;
	for (size_t i = 0; i < share->count; i++)
		if (copy_to(share, dir, share->files[i], err) < 0)
			return -1;
	close(share->dir);
	share->dir = steal_fd(&dir);
	share->disk = steal_ptr(path);
	share->counters.in_memory = false;
	return 0;
}

static int add_all(struct adding *adding, struct error *err)
{
	AUTO(error_clear) struct error full = ERROR_INIT;

	if (run(adding, &full) == 0)
		return 0;
	drop_unfinished(adding);
	if (full.kind != ERROR_NO_SPACE || !adding->share->counters.in_memory) {
		error_move(err, &full);
		return -1;
	}
	if (move_to_disk(adding->share, err) < 0)
		return error_wrap(err, "making room for packages");
	if (run(adding, err) == 0)
		return 0;
	drop_unfinished(adding);
	return -1;
}

int share_add(struct share *share, const struct plan *plan, enum package_format format,
	      const struct package_keys *keys, struct error *err)
{
	autofree size_t *packages = xcalloc(plan->count + 1, sizeof(*packages));
	struct adding adding = {
		.share = share,
		.plan = plan,
		.format = format,
		.keys = keys,
		.packages = packages,
	};
	return add_all(&adding, err);
}
