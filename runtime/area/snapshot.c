#include "runtime/area/snapshot.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/conf_edit.h"
#include "base/file.h"
#include "runtime/area/disk.h"

#define FOLDER "snapshot"
#define MAKING ".making."
#define DROPPED ".dropped."
#define INFO "info"

enum { UUID_LENGTH = 36 };

const char *const snapshot_keys[] = {
	"VE_LAYOUT", "VE_LAYER",  "VE_DISK_KIND", "VE_IDS_SHIFTED", "LOCAL_UID",
	"LOCAL_GID", "DISKSPACE", "DISKINODES",   "QUOTAUGIDLIMIT", NULL
};

/* ---- ids -------------------------------------------------------------------------------------------------- */

/* "{" eight, four, four, four, twelve hexadecimal digits "}" */
int snapshot_id_parse(const char *text, char ret[SNAPSHOT_ID_SIZE], struct error *err)
{
	bool braces = *text == '{';
	size_t length = strlen(text);
	const char *from = text + braces;
	bool good =
		length == (size_t)UUID_LENGTH + 2 * braces && (!braces || text[length - 1] == '}');
	for (int i = 0; good && i < UUID_LENGTH; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		good = dash ? from[i] == '-' : isxdigit((unsigned char)from[i]);
		ret[i + 1] = (char)tolower((unsigned char)from[i]);
	}
	if (!good) {
		error_set(err, ERROR_VALUE, "\"%s\" is not the id of a snapshot", text);
		return error_hint(err, "it is a UUID, as \"vzctl snapshot-list\" shows it");
	}
	ret[0] = '{';
	ret[UUID_LENGTH + 1] = '}';
	ret[UUID_LENGTH + 2] = 0;
	return 0;
}

/* random(4) */
int snapshot_id_new(char ret[SNAPSHOT_ID_SIZE], struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/uuid", 64, &text, err) < 0)
		return -1;
	text.text[strcspn(text.text, "\n")] = 0;
	return snapshot_id_parse(text.text, ret, err);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static int open_folder(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int read_one(int folder, const char *id, struct snapshots *ret, struct error *err)
{
	autofree char *path = fd_path(folder), *info = xasprintf("%s/%s/" INFO, path, id);
	ret->items = xgrow(ret->items, ret->count, &ret->capacity, sizeof(*ret->items));
	struct snapshot *one = &ret->items[ret->count++];
	*one = (struct snapshot){ .info = CONF_INIT };
	memcpy(one->id, id, SNAPSHOT_ID_SIZE);
	return conf_read(&one->info, AT_FDCWD, info, false, err);
}

/* MADE has nanoseconds, which DATE, as it is shown, has not. */
static int compare(const void *a, const void *b)
{
	const struct snapshot *x = a, *y = b;
	int order = strcmp(conf_get_default(&x->info, "MADE", ""),
			   conf_get_default(&y->info, "MADE", ""));
	return order ? order : strcmp(x->id, y->id);
}

int snapshots_read(const char *private_area, struct snapshots *ret, struct error *err)
{
	autofree char *path = xasprintf("%s/" FOLDER, private_area);
	int folder = open_folder(AT_FDCWD, path);
	autoclosedir DIR *dir = folder < 0 ? NULL : fdopendir(folder);
	*ret = SNAPSHOTS_INIT;
	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, errno, "reading %s", path);
	for (const struct dirent *entry; (entry = readdir(dir));) {
		char id[SNAPSHOT_ID_SIZE];
		if (entry->d_name[0] == '{' && snapshot_id_parse(entry->d_name, id, NULL) == 0 &&
		    read_one(folder, id, ret, err) < 0)
			return -1;
	}
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), compare);
	return 0;
}

void snapshots_release(struct snapshots *snapshots)
{
	for (size_t i = 0; i < snapshots->count; i++)
		conf_release(&snapshots->items[i].info);
	free(snapshots->items);
	*snapshots = SNAPSHOTS_INIT;
}

const struct snapshot *snapshots_find(const struct snapshots *snapshots, const char *id)
{
	for (size_t i = 0; i < snapshots->count; i++)
		if (!strcmp(snapshots->items[i].id, id))
			return &snapshots->items[i];
	return NULL;
}

int snapshots_move(const char *private_area, struct error *err)
{
	AUTO(snapshots_release) struct snapshots all = SNAPSHOTS_INIT;
	const struct conf_change change = { "VE_DISK_KIND", disk_kind_name(DISK_AUTO) };
	if (snapshots_read(private_area, &all, err) < 0)
		return -1;
	for (size_t i = 0; i < all.count; i++) {
		const char *kind = conf_get_default(&all.items[i].info, "VE_DISK_KIND", "");
		bool quota = !strcmp(kind, disk_kind_name(DISK_PROJECT)) ||
			     !strcmp(kind, disk_kind_name(DISK_QGROUP));
		if (quota && conf_edit(AT_FDCWD, all.items[i].info.path, &change, 1, err) < 0)
			return -1;
	}
	return 0;
}

int snapshot_layers(const struct ve_config *config, struct strvec *digests, struct error *err)
{
	AUTO(snapshots_release) struct snapshots all = SNAPSHOTS_INIT;
	if (snapshots_read(config->private_area, &all, err) < 0)
		return -1;
	for (size_t i = 0; i < all.count; i++) {
		const char *layer = conf_get(&all.items[i].info, "VE_LAYER");
		if (layer)
			strvec_push(digests, layer);
	}
	return 0;
}

enum disk_kind snapshot_disk_kind(enum disk_kind own)
{
	return own == DISK_IMAGE || own == DISK_QGROUP ? own : DISK_NONE;
}

int snapshot_open(int private_area, const char *id, struct error *err)
{
	autofree char *path = xasprintf(FOLDER "/%s", id);
	int fd = open_folder(private_area, path);
	return fd < 0 ? error_errno(err, errno, "opening the snapshot %s", id) : fd;
}

/* ---- making ----------------------------------------------------------------------------------------------- */

static char *making_path(const char *id)
{
	return xasprintf(FOLDER "/" MAKING "%s", id);
}

int snapshot_begin(int private_area, const char *id, struct error *err)
{
	autofree char *path = making_path(id);
	if ((mkdirat(private_area, FOLDER, 0700) < 0 && errno != EEXIST) ||
	    mkdirat(private_area, path, 0700) < 0)
		return error_errno(err, errno, "creating a folder for the snapshot");
	int fd = open_folder(private_area, path);
	return fd < 0 ? error_errno(err, errno, "opening the snapshot's folder") : fd;
}

int snapshot_describe(int folder, const struct strbuf *text, struct error *err)
{
	return file_write_atomic(folder, INFO, 0600, text->text, text->length, err);
}

/* All of it is on disk before it has its name. */
int snapshot_publish(int private_area, const char *id, struct error *err)
{
	autofree char *making = making_path(id), *path = xasprintf(FOLDER "/%s", id);
	autoclose int folder = open_folder(private_area, FOLDER);
	if (folder < 0 || syncfs(folder) < 0 ||
	    renameat2(private_area, making, private_area, path, RENAME_NOREPLACE) < 0 ||
	    fsync(folder) < 0)
		return error_errno(err, errno, "finishing the snapshot %s", id);
	return 0;
}

static int remove_folder(int snapshots, const char *name, struct error *err)
{
	autoclose int folder = open_folder(snapshots, name);
	if (folder >= 0 && disk_remove(folder, SNAPSHOT_DISK, err) < 0)
		return -1;
	return tree_remove(snapshots, name, err);
}

void snapshot_abandon(int private_area, const char *id)
{
	autofree char *name = xasprintf(MAKING "%s", id);
	autoclose int folder = open_folder(private_area, FOLDER);
	if (folder >= 0)
		remove_folder(folder, name, NULL);
	unlinkat(private_area, FOLDER, AT_REMOVEDIR); /* if it was the first */
}

/* ---- removing --------------------------------------------------------------------------------------------- */

static int give_parent(int private_area, const struct snapshot *child, const char *parent,
		       struct error *err)
{
	const struct conf_change change = { "PARENT", parent };
	autoclose int folder = snapshot_open(private_area, child->id, err);
	return folder < 0 ? -1 : conf_edit(folder, INFO, &change, 1, err);
}

int snapshot_remove(int private_area, const struct snapshots *all, const struct snapshot *which,
		    struct error *err)
{
	autofree char *path = xasprintf(FOLDER "/%s", which->id);
	autofree char *name = xasprintf(DROPPED "%s", which->id);
	autofree char *dropped = xasprintf(FOLDER "/%s", name);
	autoclose int folder = open_folder(private_area, FOLDER);
	if (folder < 0)
		return error_errno(err, errno, "opening the snapshots");
	for (size_t i = 0; i < all->count; i++)
		if (!strcmp(conf_get_default(&all->items[i].info, "PARENT", ""), which->id) &&
		    give_parent(private_area, &all->items[i], conf_get(&which->info, "PARENT"),
				err) < 0)
			return -1;
	if (renameat(private_area, path, private_area, dropped) < 0)
		return error_errno(err, errno, "removing the snapshot %s", which->id);
	if (remove_folder(folder, name, err) < 0)
		return -1;
	unlinkat(private_area, FOLDER, AT_REMOVEDIR);
	return 0;
}

static bool is_left(const char *name)
{
	return !strncmp(name, MAKING, strlen(MAKING)) || !strncmp(name, DROPPED, strlen(DROPPED));
}

static void sweep(int private_area, bool all)
{
	int folder = open_folder(private_area, FOLDER);
	autoclosedir DIR *dir = folder < 0 ? NULL : fdopendir(folder);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (is_left(entry->d_name) || (all && entry->d_name[0] == '{'))
			remove_folder(folder, entry->d_name, NULL);
	if (dir)
		unlinkat(private_area, FOLDER, AT_REMOVEDIR);
}

void snapshot_sweep(int private_area)
{
	sweep(private_area, false);
}

void snapshot_remove_all(int private_area)
{
	sweep(private_area, true);
}
