/* The files of a stopped VE, copied into another disk: of another kind, with other limits, in another layout. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/apart.h"
#include "runtime/area/duplicate.h"
#include "runtime/ids.h"
#include "runtime/life/life.h"
#include "runtime/namespace.h"

enum { CONF_LIMIT = 1 << 20 };

int check_at_rest(const struct life *life, const struct held *held, struct error *err)
{
	if (held->state.phase == VE_RUNNING || held->state.phase == VE_DUMPED) {
		error_set(err, ERROR_RUNNING, "the VE %u is %s", life->ctid, held_doing(held));
		return error_hint(err, "\"vzctl stop %u\" stops it", life->ctid);
	}
	if (is_mounted(held->config.root)) {
		error_set(err, ERROR_MOUNTED, "the VE %u is mounted at %s", life->ctid,
			  held->config.root);
		return error_hint(err, "\"vzctl umount %u\" takes it away", life->ctid);
	}
	return 0;
}

size_t disk_changes(const struct ve_disk *which, char project[16], struct conf_change *changes)
{
	snprintf(project, 16, "%u", which->project);
	changes[0] = (struct conf_change){ "VE_DISK", which->folder };
	changes[1] = (struct conf_change){ "VE_DISK_KIND", disk_kind_name(which->kind) };
	changes[2] = (struct conf_change){ "VE_DISK_PROJECT", which->project ? project : NULL };
	return DISK_CHANGES;
}

/* ---- filling it ------------------------------------------------------------------------------------------- */

struct showing {
	const struct private_area *area;
	const char *scratch;
	bool read_only;
};

static int show(const void *data, struct strbuf *said, struct error *err)
{
	const struct showing *showing = data;
	(void)said;
	return private_show(showing->area, showing->read_only, showing->scratch, err);
}

/* The VE's root as one folder. */
static int open_shown(const struct life *life, const struct private_area *area, bool read_only,
		      struct error *err)
{
	const struct showing showing = { area, life->host->lock_dir, read_only };
	autoclose int mount = apart_open(show, &showing, NULL, err);
	if (mount < 0)
		return -1;
	int fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "opening the VE's root") : fd;
}

typedef int fill_function(int from, int to, int links, struct error *err);

/* For the sake of links there is a folder in `to` meanwhile, of a name that no tenant can know. Afterwards its time is set back. */
static int fill(fill_function *function, int from, int to, struct error *err)
{
	char name[SNAPSHOT_ID_SIZE];
	struct stat st;
	if (snapshot_id_new(name, err) < 0)
		return -1;
	if (fstat(from, &st) < 0 || mkdirat(to, name, 0700) < 0)
		return error_errno(err, errno, "preparing to copy the VE's files");
	autoclose int links = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (links < 0)
		return error_errno(err, errno, "preparing to copy the VE's files");
	if (function(from, to, links, err) < 0 || tree_remove(to, name, err) < 0)
		return -1;
	return futimens(to, (struct timespec[]){ st.st_atim, st.st_mtim }) < 0
		       ? error_errno(err, errno, "setting the times of the VE's root")
		       : 0;
}

static int make_open(int dir, const char *name, struct error *err)
{
	int fd = mkdirat(dir, name, 0700) < 0
			 ? -1
			 : openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "creating %s", name) : fd;
}

/* What is merged into one tree; or the tree as it is. */
static int fill_simfs(const struct life *life, const struct private_area *old,
		      struct private_area *new, struct error *err)
{
	autoclose int from = open_shown(life, old, true, err);
	if (from < 0 || (new->tree = make_open(new->disk.dir, "fs", err)) < 0)
		return -1;
	return fill(tree_duplicate, from, new->tree, err);
}

/* The upper folder as it is; or, over the layer, what makes it the same as the tree. */
static int fill_overlay(const struct life *life, const struct private_area *old,
			const struct private_area *new, struct error *err)
{
	if (private_make_overlay(new->disk.dir, &new->layer, err) < 0)
		return -1;
	if (old->layout == VE_LAYOUT_OVERLAY) {
		autoclose int from = openat(old->disk.dir, "upper", O_RDONLY | O_DIRECTORY),
			      to = openat(new->disk.dir, "upper", O_RDONLY | O_DIRECTORY);
		if (from < 0 || to < 0)
			return error_errno(err, errno, "opening the VE's files");
		return fill(tree_duplicate, from, to, err);
	}
	autoclose int to = open_shown(life, new, false, err);
	return to < 0 ? -1 : fill(tree_equalize, old->tree, to, err);
}

/* ---- whether the VE can run with it ----------------------------------------------------------------------- */

static int try(const struct life *life, const struct private_area *area, struct error *err)
{
	AUTO(id_block_release) struct id_block ids = ID_BLOCK_INIT;
	if (id_block_take(life->host->lock_dir, &ids, err) < 0)
		return -1;
	autoclose int userns = namespace_user_new(ids.base, err);
	return userns < 0 ? -1 : private_try(area, userns, ids.base, life->host->lock_dir, err);
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static int publish(const struct life *life, const struct held *held, const struct rewrite *rewrite,
		   const struct private_area *new, const struct ve_disk *which, struct error *err)
{
	enum { LAYOUT_CHANGES = 2 };
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree struct conf_change *changes =
		xcalloc(rewrite->change_count + DISK_CHANGES + LAYOUT_CHANGES, sizeof(*changes));
	char project[16];
	size_t count = disk_changes(which, project, changes);
	bool overlay = rewrite->layout == VE_LAYOUT_OVERLAY;
	changes[count++] = (struct conf_change){ "VE_LAYOUT", ve_layout_name(rewrite->layout) };
	changes[count++] = (struct conf_change){ "VE_LAYER", overlay ? new->layer.digest : NULL };
	for (size_t i = 0; i < rewrite->change_count; i++)
		changes[count++] = rewrite->changes[i];
	if (syncfs(new->disk.dir) < 0 || syncfs(new->disk.folder) < 0)
		return error_errno(err, errno, "writing the VE's files to disk");
	if (file_read(AT_FDCWD, held->config.conf.path, CONF_LIMIT, &text, err) < 0)
		return -1;
	return publish_config(life, &text, changes, count, err);
}

static int make(const struct life *life, const struct held *held, const struct rewrite *rewrite,
		const struct private_area *old, struct private_area *new, struct error *err)
{
	AUTO(ve_disk_release) struct ve_disk before = VE_DISK_INIT, which = VE_DISK_INIT;
	struct disk_choice choice = { old->dir, life->ctid, &before, DISK_AUTO, rewrite->limits };
	if (ve_disk_load(&held->config, &before, err) < 0 ||
	    ve_disk_wanted(life->host, &choice.wanted, err) < 0 ||
	    disk_choose(&choice, &which, &new->disk, err) < 0)
		return -1;
	int result = rewrite->layout == VE_LAYOUT_SIMFS ? fill_simfs(life, old, new, err)
							: fill_overlay(life, old, new, err);
	bool moves = rewrite->layout != old->layout || which.kind != before.kind;
	if (result == 0 && moves && !old->ids_shifted)
		result = try(life, new, err);
	if (result == 0)
		result = publish(life, held, rewrite, new, &which, err);
	if (result < 0) {
		disk_release(&new->disk);
		disk_remove(old->dir, which.folder, NULL);
	}
	return result;
}

static int reload(const struct life *life, struct held *held, struct error *err)
{
	ve_config_release(&held->config);
	if (ve_config_load(life->host, life->ctid, &held->config, err) < 0)
		return -1;
	private_sweep(&held->config);
	return 0;
}

/* The layer of an overlay that stays one is the same. */
int rewrite_held(const struct life *life, struct held *held, const struct rewrite *rewrite,
		 struct error *err)
{
	AUTO(private_release) struct private_area old = PRIVATE_AREA_INIT;
	if (private_open(life->host, &held->config, &old, err) < 0)
		return -1;
	struct private_area new = PRIVATE_AREA_INIT;
	new.layout = rewrite->layout;
	new.ids_shifted = old.ids_shifted;
	new.layer = rewrite->layer ? *rewrite->layer : old.layer;
	report_phase(life->report, "copying the VE's files", REPORT_ITEMS, 0, 100);
	int result = make(life, held, rewrite, &old, &new, err);
	report_phase_end(life->report);
	new.layer = LAYER_INIT; /* of somebody else */
	private_release(&new);
	private_release(&old);
	return result < 0 ? -1 : reload(life, held, err);
}
