#include "vzpkg/cache/collect.h"

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
#include "base/interrupt.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cache/generation_files.h"
#include "vzpkg/cache/store.h"
#include "vzpkg/cache/store_roots.h"
#include "vzpkg/resolve/lockfile.h"

/* Of downloads that may be taken up again, and of damaged files that somebody may want to look at. */
enum { REST_AGE_S = 7 * 24 * 3600 };

void collect_release(struct collect *collect)
{
	strvec_release(&collect->dropped);
	strvec_release(&collect->layers);
	strvec_release(&collect->damaged);
}

static void tell(const struct collect *collect, const char *kind, const char *name, uint64_t size)
{
	if (collect->collected)
		collect->collected(kind, name, size, collect->data);
}

/* ---- generations ------------------------------------------------------------------------------ */

static uint64_t tarball_size(int parent, const char *name, unsigned number)
{
	struct stat st;
	autofree char *path =
		xasprintf("%u/%s%s", number, name, generation_suffixes[SUFFIX_TARBALL]);
	return fstatat(parent, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : (uint64_t)st.st_size;
}

static void drop_surplus(struct collect *collect, int cache, int parent, const char *name)
{
	size_t count;
	unsigned current = generation_current_number(cache, parent, name);
	autofree unsigned *surplus = generation_surplus(parent, collect->keep, current, 0, &count);

	/* Without a current one, which of them was switched to is not known. */
	for (size_t i = 0; current && i < count; i++) {
		autofree char *text = xasprintf("%s@%u", name, surplus[i]);
		tell(collect, "generation", text, tarball_size(parent, name, surplus[i]));
		strvec_push(&collect->dropped, text);
		if (!collect->dry_run)
			generation_drop(parent, surplus[i]);
	}
}

int collect_generations(struct collect *collect, struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	if (generation_names(collect->template_dir, &names, err) < 0)
		return -1;
	if (!names.count)
		return 0;
	autoclose int cache = generation_cache_open(collect->template_dir, false, err);
	if (cache < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		AUTO(lock_release) struct lock lock = LOCK_INIT;
		autoclose int parent = generation_parent_open(cache, names.items[i], false, NULL);
		if (parent >= 0 && lock_try(&lock, parent, GENERATION_LOCK, LOCK_EXCLUSIVE))
			drop_surplus(collect, cache, parent, names.items[i]);
		if (interrupt_check(err) < 0)
			return -1;
	}
	return 0;
}

/* ---- what manifests need ---------------------------------------------------------------------- */

static bool add_package(const json_t *package, struct store_needs *needs)
{
	bool found = false;
	for (int kind = DIGEST_NONE + 1; kind < DIGEST_KINDS; kind++) {
		struct digest digest;
		const char *hex = json_string_value(
			json_object_get(package, digest_kind_name((enum digest_kind)kind)));
		if (!hex)
			continue;
		if (!digest_parse(&digest, (enum digest_kind)kind, hex, strlen(hex)))
			return false;
		store_needs_add(needs, &digest);
		found = true;
	}
	return found;
}

static bool add_packages(const json_t *manifest, struct store_needs *needs)
{
	const json_t *packages = json_object_get(manifest, "packages");
	for (size_t i = 0; i < json_array_size(packages); i++)
		if (!add_package(json_array_get(packages, i), needs))
			return false;
	return true;
}

static void add_manifest(struct collect *collect, const char *name, unsigned number,
			 struct store_needs *needs)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	json_t *manifest = NULL;
	autofree char *text = number ? xasprintf("%s@%u", name, number) : xstrdup(name);

	if (strvec_contains(&collect->dropped, text))
		return;
	if (generation_manifest(collect->template_dir, name, number, &manifest, &why) < 0) {
		/* Gone meanwhile, or somebody's tarball without a manifest. */
		if (why.kind != ERROR_NOT_CACHED && (number || why.kind != ERROR_NO_FILE))
			strvec_pushf(&collect->damaged, "%s: %s", text, why.message);
		return;
	}
	const char *layer = json_string_value(
		json_object_get(json_object_get(manifest, "image"), "gzip_sha256"));
	if (!layer || !add_packages(manifest, needs))
		strvec_pushf(&collect->damaged, "%s: the manifest lacks a digest", text);
	if (layer)
		strvec_push(&collect->layers, layer);
	json_decref(manifest);
}

/* TEMPLATE/locked/NAME.json */
static int add_locked(struct collect *collect, struct store_needs *needs, struct error *err)
{
	autofree char *folder = xasprintf("%s/locked", collect->template_dir);
	autoclosedir DIR *dir = opendir(folder);

	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, errno, "reading %s", folder);
	for (const struct dirent *entry; (entry = readdir(dir));) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		AUTO(lockfile_freep) struct lockfile *lockfile = NULL;
		const char *dot = strrchr(entry->d_name, '.');
		if (entry->d_name[0] == '.' || !dot || strcmp(dot, ".json") != 0)
			continue;
		autofree char *path = xasprintf("%s/%s", folder, entry->d_name);
		if (lockfile_read(path, &lockfile, &why) == 0) {
			for (size_t i = 0; i < lockfile->plan->count; i++)
				store_needs_add(needs, &lockfile->plan->packages[i].digest);
		} else if (why.kind != ERROR_NO_FILE) { /* removed meanwhile */
			strvec_push(&collect->damaged, why.message);
		}
	}
	return 0;
}

static bool ends_in(const char *text, const char *end)
{
	size_t length = strlen(text), size = strlen(end);
	return length > size && strcmp(text + length - size, end) == 0;
}

/* Lines with packages are plans; one that was cut off by power loss is none. */
static void add_journal(struct collect *collect, const char *path, struct store_needs *needs)
{
	autofclose FILE *file = fopen(path, "re"); /* its run may have ended meanwhile */
	autofree char *line = NULL;
	size_t size = 0;
	ssize_t length;

	while (file && (length = getline(&line, &size, file)) > 0) {
		json_t *json = json_loadb(line, (size_t)length, 0, NULL);
		if (json && !add_packages(json, needs))
			strvec_pushf(&collect->damaged, "%s: a plan lacks a digest", path);
		json_decref(json);
	}
}

/* Of runs over many VEs that go on, or can: TEMPLATE/fleet/RUN.jsonl */
static int add_journals(struct collect *collect, struct store_needs *needs, struct error *err)
{
	autofree char *folder = xasprintf("%s/fleet", collect->template_dir);
	autoclosedir DIR *dir = opendir(folder);

	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, errno, "reading %s", folder);
	for (const struct dirent *entry; (entry = readdir(dir));) {
		autofree char *path = xasprintf("%s/%s", folder, entry->d_name);
		if (ends_in(entry->d_name, ".jsonl"))
			add_journal(collect, path, needs);
		if (interrupt_check(err) < 0)
			return -1;
	}
	return 0;
}

static int add_manifests(struct collect *collect, struct store_needs *needs, struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	if (generation_names(collect->template_dir, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		autofree struct generation *list = NULL;
		size_t count = 0;
		bool current = false;
		/* It may be gone meanwhile. */
		generation_list(collect->template_dir, names.items[i], &list, &count, NULL);
		for (size_t g = 0; g < count; g++) {
			add_manifest(collect, names.items[i], list[g].number, needs);
			current |= list[g].current;
		}
		if (!current)
			add_manifest(collect, names.items[i], 0, needs);
		if (interrupt_check(err) < 0)
			return -1;
	}
	return 0;
}

/* ---- the files -------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct digest *x = a, *y = b;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return memcmp(x->bytes, y->bytes, digest_size(x->kind));
}

struct walk {
	const struct collect *collect;
	const struct store_needs *needs; /* sorted */
	bool rest_only;
	time_t now;
};

static void take_away(const struct walk *walk, int dir, const char *folder, const char *name,
		      const char *kind, const struct stat *st)
{
	autofree char *path = xasprintf("%s/%s", folder, name);
	tell(walk->collect, kind, path, (uint64_t)st->st_size);
	if (!walk->collect->dry_run)
		unlinkat(dir, name, 0);
}

/* "abcdef….deb", in the folder of that kind of digest; anything else is none of ours. */
static bool parse_name(enum digest_kind kind, const char *name, struct digest *digest)
{
	return digest_parse(digest, kind, name, strcspn(name, "."));
}

static void visit(const struct walk *walk, int dir, const char *folder, enum digest_kind kind,
		  const char *name)
{
	struct digest digest;
	struct stat st;
	size_t length = strlen(name);
	bool damaged = length > 8 && strcmp(name + length - 8, ".damaged") == 0;

	if (kind != DIGEST_NONE && !parse_name(kind, name, &digest))
		return;
	if (kind != DIGEST_NONE && !damaged) {
		if (walk->rest_only ||
		    (walk->needs->count && bsearch(&digest, walk->needs->items, walk->needs->count,
						   sizeof(digest), compare)))
			return;
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			take_away(walk, dir, folder, name, "package", &st);
		return;
	}
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    walk->now - st.st_mtime > REST_AGE_S)
		take_away(walk, dir, folder, name, damaged ? "damaged" : "partial", &st);
}

static int open_folder(int parent, const char *name)
{
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void walk_files(const struct walk *walk, int fd, const char *folder, enum digest_kind kind)
{
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			visit(walk, fd, folder, kind, entry->d_name);
}

/* sha256/ab/… */
static int walk_kind(const struct walk *walk, int packages, enum digest_kind kind,
		     struct error *err)
{
	const char *name = digest_kind_name(kind);
	int fd = open_folder(packages, name);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		autofree char *folder = xasprintf("%s/%s", name, entry->d_name);
		walk_files(walk, open_folder(fd, entry->d_name), folder, kind);
		if (interrupt_check(err) < 0)
			return -1;
	}
	return 0;
}

static int walk_store(const struct walk *walk, int packages, struct error *err)
{
	for (int kind = DIGEST_NONE + 1; kind < DIGEST_KINDS; kind++)
		if (walk_kind(walk, packages, (enum digest_kind)kind, err) < 0)
			return -1;
	walk_files(walk, open_folder(packages, "partial"), "partial", DIGEST_NONE);
	return 0;
}

/* The lists first, then manifests and journals: a run that ends in between has published its manifest, or written its journal, before it takes its list away. */
static int collect_from(struct collect *collect, bool kept, struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	AUTO(store_needs_release) struct store_needs needs = STORE_NEEDS_INIT;
	struct walk walk = { .collect = collect, .needs = &needs, .now = time(NULL) };
	autoclose int packages = dir_open(collect->pm, "packages", true, 0755, err);

	if (packages < 0)
		return -1;
	if (lock_take(&lock, packages, STORE_LOCK, LOCK_EXCLUSIVE, collect->timeout_s, NULL, NULL,
		      err) < 0)
		return error_wrap(err, "the package store");
	if (store_roots_read(packages, kept, &needs, err) < 0 ||
	    add_locked(collect, &needs, err) < 0 || add_journals(collect, &needs, err) < 0 ||
	    (kept && add_manifests(collect, &needs, err) < 0))
		return -1;
	if (needs.count)
		qsort(needs.items, needs.count, sizeof(*needs.items), compare);
	walk.rest_only = collect->damaged.count > 0;
	return walk_store(&walk, packages, err);
}

int collect_packages(struct collect *collect, struct error *err)
{
	return collect_from(collect, true, err);
}

int collect_all_packages(struct collect *collect, struct error *err)
{
	return collect_from(collect, false, err);
}
