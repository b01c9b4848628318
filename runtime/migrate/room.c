#include "runtime/migrate/room.h"

#include <fts.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/config/ve_dump.h"
#include "runtime/resource/usage.h"

/* What files take. */
struct size {
	int64_t bytes, inodes;
};

/* ---- of trees ------------------------------------------------------------------------------------------------ */

/* A file with several names, which is counted once. */
struct seen {
	ino_t inode;
	UT_hash_handle hh;
};

static bool is_new(struct seen **all, ino_t inode)
{
	struct seen *seen;
	HASH_FIND(hh, *all, &inode, sizeof(inode), seen);
	if (seen)
		return false;
	seen = xcalloc(1, sizeof(*seen));
	seen->inode = inode;
	HASH_ADD(hh, *all, inode, sizeof(seen->inode), seen);
	return true;
}

static void seen_free(struct seen *all)
{
	struct seen *seen, *next;
	HASH_ITER (hh, all, seen, next) {
		HASH_DEL(all, seen);
		free(seen);
	}
}

/* fts(3) goes by descriptors and enters no link: a tenant may move folders meanwhile. What has gone takes nothing. */
static void add_tree(const char *path, struct size *size)
{
	enum { STAT_UNIT = 512 };
	autofree char *own = xstrdup(path);
	char *const paths[] = { own, NULL };
	struct seen *seen = NULL;
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_XDEV, NULL);
	for (const FTSENT *entry; tree && (entry = fts_read(tree));) {
		bool there = entry->fts_info != FTS_DP && entry->fts_info != FTS_NS &&
			     entry->fts_info != FTS_ERR;
		if (!there || (entry->fts_info != FTS_D && entry->fts_statp->st_nlink > 1 &&
			       !is_new(&seen, entry->fts_statp->st_ino)))
			continue;
		size->bytes += (int64_t)entry->fts_statp->st_blocks * STAT_UNIT;
		size->inodes++;
	}
	if (tree)
		fts_close(tree);
	seen_free(seen);
}

/* ---- there ---------------------------------------------------------------------------------------------------- */

static json_t *place_of(const char *path, const struct size *there)
{
	struct statvfs fs;
	struct stat st;
	if (statvfs(path, &fs) < 0 || stat(path, &st) < 0)
		return json_null();
	autofree char *device = xasprintf("%llx", (unsigned long long)st.st_dev);
	int64_t bytes = (int64_t)((uint64_t)fs.f_bavail * fs.f_frsize);
	int64_t inodes = fs.f_files ? (int64_t)fs.f_favail : -1;
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "path", path, "device", device,
			 "free_bytes", (json_int_t)bytes, "free_inodes", (json_int_t)inodes,
			 "bytes", (json_int_t)there->bytes, "inodes", (json_int_t)there->inodes);
}

json_t *room_places(const struct host_config *host, const char *private_area, json_t *missing)
{
	struct size private = { 0 }, layers = { 0 };
	const struct size none = { 0 };
	autofree char *layer_dir = xasprintf("%s/layer", host->template_dir);
	const char *digest;
	json_t *folder;
	add_tree(private_area, &private);
	json_object_foreach(missing, digest, folder)
	{
		add_tree(json_string_value(folder), &layers);
	}
	return json_pack("{s:o, s:o, s:o}", "private", place_of(private_area, &private), "layers",
			 place_of(layer_dir, &layers), "processes",
			 place_of(host->dump_dir, &none));
}

/* ---- here ----------------------------------------------------------------------------------------------------- */

static int64_t number(const json_t *place, const char *key)
{
	return json_integer_value(json_object_get(place, key));
}

/* What is there already is not needed once more. */
static void subtract(struct size *size, const json_t *place)
{
	size->bytes -= number(place, "bytes");
	size->inodes -= number(place, "inodes");
	size->bytes = size->bytes > 0 ? size->bytes : 0;
	size->inodes = size->inodes > 0 ? size->inodes : 0;
}

static int too_small(const json_t *place, struct error *err)
{
	return error_hint(err,
			  "make room at %s there, or \"vzpkg gc -n\" there shows what "
			  "nobody needs",
			  json_string_value(json_object_get(place, "path")));
}

static int check_place(const json_t *place, const struct size *needed, struct error *err)
{
	const char *path = json_string_value(json_object_get(place, "path"));
	int64_t bytes = number(place, "free_bytes"), inodes = number(place, "free_inodes");
	if (!path)
		return 0;
	if (needed->bytes > bytes) {
		error_set(err, ERROR_COPY,
			  "%s needs %.1f MB more than it has: %.1f MB are to be copied, %.1f MB "
			  "are free",
			  path, (double)(needed->bytes - bytes) / 1e6, (double)needed->bytes / 1e6,
			  (double)bytes / 1e6);
		return too_small(place, err);
	}
	if (inodes >= 0 && needed->inodes > inodes) {
		error_set(err, ERROR_COPY,
			  "%s needs %" PRId64 " inodes more than it has: %" PRId64
			  " files are to be copied, %" PRId64 " inodes are free",
			  path, needed->inodes - inodes, needed->inodes, inodes);
		return too_small(place, err);
	}
	return 0;
}

static bool same_device(const json_t *one, const json_t *other)
{
	return json_equal(json_object_get(one, "device"), json_object_get(other, "device"));
}

enum { PRIVATE, LAYERS, PROCESSES, PLACES };

static const char *const place_names[PLACES] = { "private", "layers", "processes" };

/* What CRIU writes of a process is its own pages, also those that are swapped out, and what is in its tmpfs. */
static int64_t memory_of(const struct ve_state *state)
{
	static const enum resource_id parts[] = { RESOURCE_PRIVVMPAGES, RESOURCE_SHMPAGES,
						  RESOURCE_SWAPPAGES };
	struct usage usage[BEANCOUNTERS];
	int64_t pages = 0;
	usage_read(&state->groups, state->init.pid, usage);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		pages += usage[parts[i]].held > 0 ? usage[parts[i]].held : 0;
	return pages * (int64_t)page_size();
}

/* Of each place, what is to be copied there. */
static void measure(const struct host_config *host, const struct ve_config *config,
		    const struct ve_state *processes, const json_t *place,
		    struct size sizes[PLACES])
{
	const char *digest;
	json_t *folder;
	autofree char *dump = ve_dump_path(host, config->ctid);
	add_tree(config->private_area, &sizes[PRIVATE]);
	add_tree(dump, &sizes[PROCESSES]);
	if (processes)
		sizes[PROCESSES].bytes += memory_of(processes);
	json_object_foreach(json_object_get(place, "layers"), digest, folder)
	{
		autofree char *layer = xasprintf("%s/layer/%s", host->template_dir, digest);
		add_tree(layer, &sizes[LAYERS]);
	}
}

/* What goes to one file system is asked for at the first of its places. */
int room_check(const struct host_config *host, const struct ve_config *config,
	       const struct ve_state *processes, const json_t *place, struct error *err)
{
	const json_t *room = json_object_get(place, "room"), *places[PLACES];
	struct size sizes[PLACES] = { 0 };
	if (!room)
		return 0;
	measure(host, config, processes, place, sizes);
	for (int i = 0; i < PLACES; i++) {
		int first = 0;
		places[i] = json_object_get(room, place_names[i]);
		subtract(&sizes[i], places[i]);
		while (first < i && !same_device(places[first], places[i]))
			first++;
		if (first == i)
			continue;
		sizes[first].bytes += sizes[i].bytes;
		sizes[first].inodes += sizes[i].inodes;
		sizes[i] = (struct size){ 0 };
	}
	for (int i = 0; i < PLACES; i++)
		if (check_place(places[i], &sizes[i], err) < 0)
			return -1;
	return 0;
}
