/* Snapshots: gone back to, removed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/snapshot.h"
#include "runtime/config/ctid.h"
#include "runtime/life/life.h"

enum { CONF_LIMIT = 1 << 20 };

/* What has no kind of its own is a failure of this. */
static int failed(const struct life *life, enum error_kind kind, const char *what,
		  struct error *err)
{
	if (err->kind == ERROR_SYSTEM)
		err->kind = kind;
	return error_wrap(err, "%s of the VE %u", what, life->ctid);
}

/* ---- going back ------------------------------------------------------------------------------------------- */

static int no_such(const char *id, enum error_kind kind, struct error *err)
{
	error_set(err, kind, "there is no snapshot %s", id);
	return error_hint(err, "\"vzctl snapshot-list\" shows which there are");
}

/* The VE's configuration as it was, or, without one, as it is. */
static int read_text(int folder, const struct ve_config *config, bool skip, struct strbuf *text,
		     struct error *err)
{
	if (!skip && faccessat(folder, SNAPSHOT_CONF, F_OK, 0) == 0)
		return file_read(folder, SNAPSHOT_CONF, CONF_LIMIT, text, err);
	return file_read(AT_FDCWD, config->conf.path, CONF_LIMIT, text, err);
}

/* The name that it had then may be another VE's now. */
static const char *name_for(const struct life *life, const struct held *held,
			    const struct strbuf *text)
{
	AUTO(conf_release) struct conf conf = CONF_INIT;
	unsigned other;
	if (conf_parse(&conf, "", text->text, text->length, NULL) < 0)
		return held->config.name;
	const char *name = conf_get(&conf, "NAME");
	if (!name || !*name || !ctid_of_name(life->host, name, &other) || other == life->ctid)
		return NULL;
	report_warning(life->report, name, "the name %s is taken by the VE %u now", name, other);
	return held->config.name ?: "";
}

static int publish(const struct life *life, const struct held *held, const struct snapshot *which,
		   const struct ve_disk *disk, const struct strbuf *text, struct error *err)
{
	enum { OTHERS = 24 };
	struct conf_change changes[OTHERS];
	char project[16];
	size_t count = disk_changes(disk, project, changes);
	for (size_t i = 0; snapshot_keys[i]; i++)
		if (strcmp(snapshot_keys[i], "VE_DISK_KIND") != 0)
			changes[count++] =
				(struct conf_change){ snapshot_keys[i],
						      conf_get(&which->info, snapshot_keys[i]) };
	changes[count++] = (struct conf_change){ SNAPSHOT_CURRENT, which->id };
	changes[count++] = (struct conf_change){ "VE_PRIVATE", held->config.private_area };
	changes[count++] = (struct conf_change){ "VE_ROOT", held->config.root };
	const char *name = name_for(life, held, text);
	if (name)
		changes[count++] = (struct conf_change){ "NAME", *name ? name : NULL };
	return publish_config(life, text, changes, count, err);
}

/* The VE's private area, and in it the snapshot's folder. */
struct places {
	int private_area, folder;
};

/* The files of the snapshot as another disk of the VE's, of the kind that it had. */
static int copy_back(const struct life *life, const struct held *held, const struct places *places,
		     const struct snapshot *which, struct ve_disk *ret, struct error *err)
{
	AUTO(ve_disk_release) struct ve_disk before = VE_DISK_INIT;
	AUTO(disk_release) struct disk from = DISK_INIT;
	const struct ve_config then = { .ctid = life->ctid, .conf = which->info };
	char folder[] = SNAPSHOT_DISK;
	struct disk_limits limits = { 0 };
	struct disk_choice choice = {
		.private_area = places->private_area,
		.ctid = life->ctid,
		.before = &before,
		.limits = &limits,
		.from = &from,
	};
	if (ve_disk_load(&held->config, &before, err) < 0 ||
	    ve_layout_parse(conf_get_default(&then.conf, "VE_LAYOUT", ""), &choice.layout, err) <
		    0 ||
	    disk_kind_parse(conf_get_default(&then.conf, "VE_DISK_KIND", "none"), &choice.wanted,
			    err) < 0)
		return -1;
	if (choice.wanted != DISK_NONE &&
	    ve_disk_limits(life->host, &then, &(struct disk_given){ 0 }, &limits, err) < 0)
		return -1;
	const struct ve_disk stored = {
		.kind = snapshot_disk_kind(choice.wanted),
		.folder = folder,
	};
	if (disk_open(places->folder, &stored, stored.kind != DISK_IMAGE, &from, err) < 0 ||
	    disk_choose_copy(&choice, ret, err) < 0)
		return -1;
	if (syncfs(places->private_area) == 0)
		return 0;
	error_errno(err, errno, "writing the VE's files to disk");
	return -1;
}

/* Until the new configuration has its name, the VE is what it was. */
static int go_back(const struct life *life, struct held *held, const struct snapshot *which,
		   const struct life_snapshot_switch *request, bool *ran, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(ve_disk_release) struct ve_disk disk = VE_DISK_INIT;
	autoclose int private_area =
		open(held->config.private_area, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (private_area < 0)
		return error_errno(err, errno, "opening %s", held->config.private_area);
	autoclose int folder = snapshot_open(private_area, which->id, err);
	const struct places places = { private_area, folder };
	if (folder < 0 || read_text(folder, &held->config, request->skip_config, &text, err) < 0 ||
	    copy_back(life, held, &places, which, &disk, err) < 0)
		return -1;
	*ran = held->state.phase == VE_RUNNING;
	if ((*ran && stop_held(life, held, true, err) < 0) ||
	    publish(life, held, which, &disk, &text, err) < 0) {
		disk_remove(private_area, disk.folder, NULL);
		return -1;
	}
	return 0;
}

static int reload(const struct life *life, struct held *held, struct error *err)
{
	ve_config_release(&held->config);
	if (ve_config_load(life->host, life->ctid, &held->config, err) < 0)
		return -1;
	private_sweep(&held->config);
	return 0;
}

static int switch_held(const struct life *life, struct held *held, const char *id,
		       const struct life_snapshot_switch *request, bool *ran, struct error *err)
{
	AUTO(snapshots_release) struct snapshots all = SNAPSHOTS_INIT;
	if (held->state.phase != VE_RUNNING && check_at_rest(life, held, err) < 0)
		return -1;
	if (snapshots_read(held->config.private_area, &all, err) < 0)
		return -1;
	const struct snapshot *which = snapshots_find(&all, id);
	if (!which)
		return no_such(id, ERROR_SNAPSHOT_SWITCH, err);
	if (check_unshown(life, &held->config, id, err) < 0)
		return -1;
	report_phase(life->report, "copying the snapshot's files", REPORT_ITEMS, 0, 100);
	int result = go_back(life, held, which, request, ran, err);
	report_phase_end(life->report);
	return result < 0 ? -1 : reload(life, held, err);
}

int life_snapshot_switch(const struct life *life, const struct life_snapshot_switch *request,
			 struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	char id[SNAPSHOT_ID_SIZE];
	bool ran = false;
	if (snapshot_id_parse(request->id, id, err) < 0 || held_take(life, true, &held, err) < 0)
		return -1;
	if (switch_held(life, &held, id, request, &ran, err) < 0)
		return failed(life, ERROR_SNAPSHOT_SWITCH, "going back to a snapshot", err);
	if (ran && !request->skip_resume && start_held(life, &held, err) < 0)
		return error_wrap(err, "starting the VE %u", life->ctid);
	return 0;
}

/* ---- removing --------------------------------------------------------------------------------------------- */

static int delete_held(const struct life *life, const struct held *held, const char *id,
		       struct error *err)
{
	AUTO(snapshots_release) struct snapshots all = SNAPSHOTS_INIT;
	autoclose int private_area =
		open(held->config.private_area, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (private_area < 0)
		return error_errno(err, errno, "opening %s", held->config.private_area);
	if (snapshots_read(held->config.private_area, &all, err) < 0)
		return -1;
	const struct snapshot *which = snapshots_find(&all, id);
	if (!which)
		return no_such(id, ERROR_SNAPSHOT_DELETE, err);
	if (check_unshown(life, &held->config, id, err) < 0)
		return -1;
	/* What the VE came from comes from somewhere in turn. */
	if (!strcmp(conf_get_default(&held->config.conf, SNAPSHOT_CURRENT, ""), id)) {
		const struct conf_change change = { SNAPSHOT_CURRENT,
						    conf_get(&which->info, "PARENT") };
		if (conf_edit(AT_FDCWD, held->config.conf.path, &change, 1, err) < 0)
			return -1;
	}
	return snapshot_remove(private_area, &all, which, err);
}

int life_snapshot_delete(const struct life *life, const char *text, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	char id[SNAPSHOT_ID_SIZE];
	if (snapshot_id_parse(text, id, err) < 0 || held_take(life, true, &held, err) < 0)
		return -1;
	report_phase(life->report, "removing the snapshot", REPORT_ITEMS, 0, 100);
	int result = delete_held(life, &held, id, err);
	report_phase_end(life->report);
	return result < 0 ? failed(life, ERROR_SNAPSHOT_DELETE, "removing a snapshot", err) : 0;
}
