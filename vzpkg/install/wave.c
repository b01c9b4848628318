#include "vzpkg/install/wave.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/worker.h"
#include "vzpkg/install/paragraph.h"

/* What unpacking a package takes beside what its bytes do, in bytes. */
enum { PACKAGE_WEIGHT = 50000 };

struct path_owner {
	char *path;
	size_t package; /* index into the plan */
	UT_hash_handle hh;
};

struct wave {
	struct waves *waves;
	const size_t *packages; /* in the order of the plan */
	size_t *by_size; /* the same, large ones first */
	size_t count;
};

/* ---- in the workers ---------------------------------------------------------------------------------- */

static int task(size_t index, void *data, struct strbuf *result, struct error *err)
{
	struct wave *wave = data;
	struct waves *waves = wave->waves;
	const struct plan_package *package = &waves->job->plan->packages[wave->by_size[index]];
	AUTO(unpacked_release) struct unpacked unpacked = UNPACKED_INIT;

	autoclose int deb = store_package_open(waves->job->store, package, err);
	if (deb < 0)
		return -1;
	struct deb_unpack job = {
		.package = package,
		.index = wave->by_size[index],
		.deb = deb,
		.tree = waves->job->tree,
		.info = waves->database->info,
		.overrides = waves->overrides,
		.multi_arch = waves->database->multi_arch,
	};
	if (deb_unpack(&job, &unpacked, err) < 0)
		return -1;
	unpacked_write(&unpacked, result);
	return 0;
}

static int done(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct wave *wave = data;
	struct waves *waves = wave->waves;
	size_t package = wave->by_size[index];
	struct unpacked *unpacked = &waves->unpacked[package];

	waves->done_bytes += waves->job->plan->packages[package].size;
	report_progress(waves->job->report, waves->done_bytes,
			waves->job->plan->packages[package].name);
	if (unpacked_read(unpacked, result, size, err) < 0)
		return -1;
	if (unpacked->newest > waves->newest)
		waves->newest = unpacked->newest;
	return 0;
}

static uint64_t weight(size_t index, void *data)
{
	const struct wave *wave = data;
	return wave->waves->job->plan->packages[wave->by_size[index]].size + PACKAGE_WEIGHT;
}

static int by_size(const void *a, const void *b, void *data)
{
	const struct plan *plan = data;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	if (plan->packages[x].size != plan->packages[y].size)
		return plan->packages[x].size < plan->packages[y].size ? 1 : -1;
	return (x > y) - (x < y);
}

/* A large package that comes last would leave the other workers without work. */
static int run_workers(struct wave *wave, struct error *err)
{
	struct worker_job job = {
		.name = "unpacking",
		.jobs = wave->waves->job->jobs ?: 1,
		.count = wave->count,
		.batches = true,
		.weight = weight,
		.task = task,
		.done = done,
		.data = wave,
	};
	wave->by_size = xmemdup(wave->packages, wave->count * sizeof(*wave->packages));
	qsort_r(wave->by_size, wave->count, sizeof(*wave->by_size), by_size,
		(void *)wave->waves->job->plan);
	int ret = workers_run(&job, err);
	free(wave->by_size);
	return ret;
}

/* ---- folders -------------------------------------------------------------------------------------------- */

static int set_folder(int tree, const struct unpacked_entry *entry, struct error *err)
{
	if (entry->mode == 0755 && entry->uid == 0 && entry->gid == 0)
		return 0;
	autoclose int fd = open_in_root(tree, entry->path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || fchown(fd, entry->uid, entry->gid) < 0 || fchmod(fd, entry->mode) < 0)
		return error_errno(err, errno, "setting the mode of %s", entry->path);
	return 0;
}

/* Whichever worker was first has made a folder; the first package in the plan says what it is like. */
static int set_folders(struct wave *wave, struct error *err)
{
	struct path_owner *made = NULL, *folder, *next;
	const struct unpacked *unpacked = wave->waves->unpacked;
	int ret = 0;

	for (size_t i = 0; i < wave->count; i++) {
		const struct unpacked *package = &unpacked[wave->packages[i]];
		for (size_t e = 0; e < package->count; e++) {
			if (!package->entries[e].created)
				continue;
			folder = xcalloc(1, sizeof(*folder));
			folder->path = package->entries[e].path;
			HASH_ADD_KEYPTR(hh, made, folder->path, strlen(folder->path), folder);
		}
	}
	for (size_t i = 0; i < wave->count; i++) {
		const struct unpacked *package = &unpacked[wave->packages[i]];
		for (size_t e = 0; ret == 0 && e < package->count; e++) {
			if (package->entries[e].kind != UNPACKED_FOLDER)
				continue;
			HASH_FIND_STR(made, package->entries[e].path, folder);
			if (!folder)
				continue;
			ret = set_folder(wave->waves->job->tree, &package->entries[e], err);
			HASH_DEL(made, folder);
			free(folder);
		}
	}
	HASH_ITER (hh, made, folder, next) {
		HASH_DEL(made, folder);
		free(folder);
	}
	return ret;
}

/* ---- files that are in two packages --------------------------------------------------------------------- */

/* One name for one file: where /bin is a link to usr/bin, "/bin/x" is "/usr/bin/x". */
static char *canonical(int tree, const char *path)
{
	static const char *const merged[] = { "/bin/",   "/sbin/",  "/lib/",
					      "/lib32/", "/lib64/", "/libx32/" };
	for (size_t i = 0; i < sizeof(merged) / sizeof(merged[0]); i++) {
		size_t length = strlen(merged[i]);
		struct stat st;
		if (strncmp(path, merged[i], length) != 0)
			continue;
		autofree char *link = xstrndup(merged[i] + 1, length - 2);
		if (fstatat(tree, link, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
			return xasprintf("/usr%s", path);
	}
	return xstrdup(path);
}

static int in_folder(int tree, const char *path, const char **ret_name, struct error *err)
{
	const char *slash = strrchr(path, '/');
	autofree char *folder = xstrndup(path, (size_t)(slash - path) + 1);
	int fd = open_in_root(tree, folder, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		error_errno(err, errno, "opening %s of the tree", folder);
	*ret_name = slash + 1;
	return fd;
}

/* The parked file takes its place, or (`keep` NULL) goes away. */
static int settle(int tree, const char *path, size_t package, const char *suffix, bool keep,
		  struct error *err)
{
	const char *name;
	autoclose int folder = in_folder(tree, path, &name, err);
	autofree char *parked = parked_name(folder < 0 ? "" : name, package);
	autofree char *target = xasprintf("%s%s", folder < 0 ? "" : name, suffix);

	if (folder < 0)
		return -1;
	if (keep ? renameat(folder, parked, folder, target) : unlinkat(folder, parked, 0))
		return error_errno(err, errno, "unpacking %s", path);
	return 0;
}

static bool replaces(const struct waves *waves, size_t package, size_t other)
{
	autofree char *relations = paragraph_get(waves->unpacked[package].control, "Replaces");
	return relations && relation_names(relations, waves->job->plan->packages[other].name);
}

static int conflict(const struct waves *waves, size_t package, size_t other, const char *path,
		    struct error *err)
{
	const struct plan_package *packages = waves->job->plan->packages;
	error_set(err, ERROR_INSTALL, "%s is in %s %s and in %s %s, and neither replaces the other",
		  path, packages[other].name, packages[other].version, packages[package].name,
		  packages[package].version);
	error_subject(err, "%s", packages[package].name);
	return error_hint(err, "leave one of the two out of the list of packages");
}

/* Two packages have the path; the later one's file is parked. */
static int decide(struct waves *waves, struct path_owner *owner, size_t package,
		  const struct unpacked_entry *entry, struct error *err)
{
	int tree = waves->job->tree;
	size_t other = owner->package, loser = package;

	/* Nothing is there any more: a script has removed the other package's file. */
	if (!entry->parked) {
		owner->package = package;
		return 0;
	}
	if (replaces(waves, package, other))
		loser = other;
	else if (!replaces(waves, other, package))
		return conflict(waves, package, other, entry->path, err);
	if (settle(tree, entry->path, package, "", loser == other, err) < 0)
		return -1;
	if (loser == other)
		owner->package = package;
	return dpkg_database_unlist(waves->database, waves->unpacked[loser].info_name, entry->path,
				    err);
}

static bool is_conffile(const struct unpacked *unpacked, const char *path)
{
	size_t length = strlen(path);
	for (const char *at = unpacked->conffiles; (at = strstr(at, path)); at += length)
		if (at > unpacked->conffiles && at[-1] == ' ' && at[length] == ' ')
			return true;
	return false;
}

static bool is_folder(int tree, const char *path)
{
	struct stat st;
	autoclose int fd = open_in_root(tree, path, O_PATH | O_NOFOLLOW, 0);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static int folder_in_the_way(const struct waves *waves, size_t package, const char *path,
			     struct error *err)
{
	const struct plan_package *plan_package = &waves->job->plan->packages[package];
	error_set(err, ERROR_INSTALL, "unpacking %s %s: its file %s is a folder already",
		  plan_package->name, plan_package->version, path);
	error_subject(err, "%s", plan_package->name);
	return error_hint(err, "leave the package out of the list, or tell its owner");
}

/* Something that no package owns was there: a script has made it. dpkg asks about a conffile when it is
 * configured, and replaces any other file. */
static int take_place(struct waves *waves, size_t package, const struct unpacked_entry *entry,
		      struct error *err)
{
	struct unpacked *unpacked = &waves->unpacked[package];
	int tree = waves->job->tree;

	if (is_folder(tree, entry->path))
		return folder_in_the_way(waves, package, entry->path, err);
	if (!is_conffile(unpacked, entry->path))
		return settle(tree, entry->path, package, "", true, err);
	AUTO(strbuf_release) struct strbuf lines = STRBUF_INIT;
	autofree char *old = unpacked->conffiles;
	autofree char *start = xasprintf(" %s ", entry->path);
	for (const char *line = old; *line;) {
		size_t length = strcspn(line, "\n");
		if (strncmp(line, start, strlen(start)) == 0)
			strbuf_addf(&lines, "%snewconffile\n", start);
		else
			strbuf_addf(&lines, "%.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
	unpacked->conffiles = strbuf_detach(&lines);
	return settle(tree, entry->path, package, ".dpkg-new", true, err);
}

static int own_entry(struct waves *waves, size_t package, const struct unpacked_entry *entry,
		     struct error *err)
{
	autofree char *path = canonical(waves->job->tree, entry->path);
	struct path_owner *owner;

	HASH_FIND_STR(waves->owners, path, owner);
	if (owner && owner->package != package)
		return decide(waves, owner, package, entry, err);
	if (owner)
		return 0;
	owner = xcalloc(1, sizeof(*owner));
	owner->path = steal_ptr(path);
	owner->package = package;
	HASH_ADD_KEYPTR(hh, waves->owners, owner->path, strlen(owner->path), owner);
	return 0;
}

/* First those that are in place, then the parked ones: so the parked one of a pair finds the other. */
static int own_files(struct wave *wave, bool parked, struct error *err)
{
	struct waves *waves = wave->waves;

	for (size_t i = 0; i < wave->count; i++) {
		size_t package = wave->packages[i];
		const struct unpacked *unpacked = &waves->unpacked[package];
		for (size_t e = 0; e < unpacked->count; e++) {
			const struct unpacked_entry *entry = &unpacked->entries[e];
			if (entry->kind == UNPACKED_FOLDER || entry->parked != parked)
				continue;
			autofree char *path = canonical(waves->job->tree, entry->path);
			struct path_owner *owner;
			HASH_FIND_STR(waves->owners, path, owner);
			if (parked && !owner && take_place(waves, package, entry, err) < 0)
				return -1;
			if (own_entry(waves, package, entry, err) < 0)
				return -1;
		}
	}
	return 0;
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

int wave_unpack(struct waves *waves, const size_t *packages, size_t count, struct error *err)
{
	struct wave wave = { .waves = waves, .packages = packages, .count = count };
	const struct unpacked **unpacked = xcalloc(count + 1, sizeof(const struct unpacked *));

	for (size_t i = 0; i < count; i++)
		unpacked[i] = &waves->unpacked[packages[i]];
	int ret = run_workers(&wave, err);
	if (ret == 0)
		ret = set_folders(&wave, err);
	if (ret == 0)
		ret = own_files(&wave, false, err);
	if (ret == 0)
		ret = own_files(&wave, true, err);
	if (ret == 0)
		ret = dpkg_database_add(waves->database, unpacked, count, err);
	free(unpacked);
	return ret;
}

void waves_release(struct waves *waves)
{
	struct path_owner *owner, *next;
	HASH_ITER (hh, waves->owners, owner, next) {
		HASH_DEL(waves->owners, owner);
		free(owner->path);
		free(owner);
	}
	for (size_t i = 0; waves->unpacked && i < waves->job->plan->count; i++)
		unpacked_release(&waves->unpacked[i]);
	free(waves->unpacked);
}
