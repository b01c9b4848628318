#include "runtime/area/private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/saved.h"
#include "runtime/area/snapshot.h"

static int open_folder(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static const char *own_part(const struct private_area *area)
{
	return disk_own_part(area->layout);
}

static int open_disk(const struct ve_config *config, struct private_area *area, struct error *err)
{
	AUTO(ve_disk_release) struct ve_disk which = VE_DISK_INIT;
	if (ve_disk_load(config, &which, err) < 0)
		return -1;
	if (disk_open(area->dir, &which, true, &area->disk, err) < 0)
		return -1;
	return saved_reconcile(area->disk.dir, own_part(area), err);
}

int private_open(const struct host_config *host, const struct ve_config *config,
		 struct private_area *ret, struct error *err)
{
	*ret = PRIVATE_AREA_INIT;
	ret->layout = config->layout;
	ret->ids_shifted = config->ids_shifted;
	const char *missing = NULL;
	ret->dir = open_folder(AT_FDCWD, config->private_area);
	if (ret->dir >= 0 && open_disk(config, ret, err) < 0)
		return error_wrap(err, "VE %u", config->ctid);
	if (ret->dir < 0)
		missing = "";
	else if (config->layout == VE_LAYOUT_SIMFS &&
		 (ret->tree = open_folder(ret->disk.dir, "fs")) < 0)
		missing = "/fs";
	else if (config->layout == VE_LAYOUT_OVERLAY &&
		 faccessat(ret->disk.dir, "upper", F_OK, 0) < 0)
		missing = "/upper";
	if (missing) {
		error_set(err, ERROR_NO_PRIVATE,
			  "the private area of the VE %u, %s%s, cannot be opened: %s", config->ctid,
			  config->private_area, missing, strerror(errno));
		return error_hint(err, "restore it from a backup, or see VE_PRIVATE and VE_LAYOUT "
				       "in the VE's configuration");
	}
	if (config->layout == VE_LAYOUT_SIMFS)
		return 0;
	if (!config->layer)
		return error_set(err, ERROR_PARSE, "%s has no VE_LAYER, which an overlay VE needs",
				 config->conf.path);
	return layer_open(host, config->layer, &ret->layer, err);
}

static int open_stored(int folder, const struct conf *info, struct private_area *ret,
		       struct error *err)
{
	char name[] = SNAPSHOT_DISK;
	struct ve_disk which = { .folder = name };
	if (ve_layout_parse(conf_get_default(info, "VE_LAYOUT", ""), &ret->layout, err) < 0 ||
	    disk_kind_parse(conf_get_default(info, "VE_DISK_KIND", "none"), &which.kind, err) < 0)
		return -1;
	which.kind = snapshot_disk_kind(which.kind);
	return disk_open(folder, &which, true, &ret->disk, err);
}

int private_open_snapshot(const struct host_config *host, int folder, const struct conf *info,
			  struct private_area *ret, struct error *err)
{
	*ret = PRIVATE_AREA_INIT;
	ret->ids_shifted = !strcmp(conf_get_default(info, "VE_IDS_SHIFTED", "no"), "yes");
	if (open_stored(folder, info, ret, err) < 0)
		return -1;
	if (ret->layout == VE_LAYOUT_OVERLAY)
		return layer_open(host, conf_get_default(info, "VE_LAYER", ""), &ret->layer, err);
	ret->tree = open_folder(ret->disk.dir, "fs");
	return ret->tree < 0
		       ? error_set(err, ERROR_NO_PRIVATE,
				   "the snapshot's files cannot be opened: %s", strerror(errno))
		       : 0;
}

void private_release(struct private_area *area)
{
	if (area->dir >= 0)
		close(area->dir);
	if (area->tree >= 0)
		close(area->tree);
	if (area->saved >= 0)
		close(area->saved);
	disk_release(&area->disk);
	layer_release(&area->layer);
	*area = PRIVATE_AREA_INIT;
}

/* ---- saving ----------------------------------------------------------------------------------------- */

int private_save(struct private_area *area, struct error *err)
{
	area->saved = saved_make(area->disk.dir, own_part(area), err);
	return area->saved < 0 ? -1 : 0;
}

static void end_saving(struct private_area *area)
{
	close(area->saved);
	area->saved = -1;
}

int private_put_back(struct private_area *area, struct error *err)
{
	if (saved_put_back(area->disk.dir, own_part(area), err) < 0)
		return -1;
	end_saving(area);
	if (area->layout != VE_LAYOUT_SIMFS)
		return 0;
	close(area->tree);
	area->tree = open_folder(area->disk.dir, "fs");
	return area->tree < 0 ? error_errno(err, errno, "opening a private area") : 0;
}

int private_forget(struct private_area *area, struct error *err)
{
	if (saved_drop(area->disk.dir, own_part(area), err) < 0)
		return -1;
	end_saving(area);
	return 0;
}

/* ---- making ----------------------------------------------------------------------------------------- */

/* The top folder of what is merged looks as that of `upper`. */
int private_make_overlay(int dir, const struct layer *layer, struct error *err)
{
	struct stat st;
	if (fstat(layer->dir, &st) < 0)
		return error_errno(err, errno, "looking at the layer");
	if (mkdirat(dir, "upper", 0700) < 0 || mkdirat(dir, "work", 0700) < 0)
		return error_errno(err, errno, "creating upper and work in the private area");
	if (fchownat(dir, "upper", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dir, "upper", st.st_mode & 07777, 0) < 0)
		return error_errno(err, errno, "setting the mode of upper in the private area");
	return 0;
}

/* ---- tidying ------------------------------------------------------------------------------------------ */

/* What overlay writes for its own use, and what says nothing about an empty folder. */
static bool has_own_attributes(int folder)
{
	static const char *const plain[] = { "trusted.overlay.origin", "trusted.overlay.impure",
					     "trusted.overlay.uuid" };
	char names[1024];
	ssize_t size = flistxattr(folder, names, sizeof(names));
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
		bool known = false;
		for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
			known |= !strcmp(names + at, plain[i]);
		if (!known)
			return true;
	}
	return size < 0 && errno != EOPNOTSUPP;
}

static bool looks_same(int upper, int lower)
{
	struct stat a, b;
	return fstat(upper, &a) == 0 && fstat(lower, &b) == 0 && a.st_mode == b.st_mode &&
	       a.st_uid == b.st_uid && a.st_gid == b.st_gid &&
	       a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
	       !has_own_attributes(upper);
}

/* Only an empty folder can be removed so; the one that it was in is to look as before. */
static void remove_folder(int parent, const char *name)
{
	struct stat before;
	if (fstat(parent, &before) == 0 && unlinkat(parent, name, AT_REMOVEDIR) == 0)
		utimensat(parent, ".", (struct timespec[]){ before.st_atim, before.st_mtim }, 0);
}

static void tidy(int upper, int lower, const char *path)
{
	path += strspn(path, "/");
	size_t length = strcspn(path, "/");
	if (!length)
		return;
	autofree char *name = xstrndup(path, length);
	autoclose int above = open_folder(upper, name), below = open_folder(lower, name);
	if (above < 0 || below < 0)
		return;
	tidy(above, below, path + length);
	if (looks_same(above, below))
		remove_folder(upper, name);
}

void private_tidy(const struct private_area *area, const char *folder)
{
	if (area->layout != VE_LAYOUT_OVERLAY)
		return;
	autoclose int upper = open_folder(area->disk.dir, "upper");
	if (upper >= 0)
		tidy(upper, area->layer.dir, folder);
}
