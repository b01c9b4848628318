/* Snapshots: made. */
#include "runtime/area/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/life/frozen.h"
#include "runtime/life/life.h"

enum { CONF_LIMIT = 1 << 20 };

/* base/conf.h: a value is one line. */
static int check_text(const char *option, const char *text, struct error *err)
{
	enum { TEXT_MAX = 1000 };
	if (!text || (strlen(text) <= TEXT_MAX && !strpbrk(text, "\n\r")))
		return 0;
	error_set(err, ERROR_VALUE, "%s cannot be \"%.40s…\"", option, text);
	return error_hint(err, "it is one line of at most %d bytes", TEXT_MAX);
}

static void add(struct strbuf *text, const char *key, const char *value)
{
	if (!value)
		return;
	strbuf_addf(text, "%s=\"", key);
	for (const char *c = value; *c; c++)
		strbuf_addf(text, strchr("\"\\", *c) ? "\\%c" : "%c", *c);
	strbuf_adds(text, "\"\n");
}

/* What is only seen in vz.conf and not in CTID.conf is the VE's as well. */
static void add_keys(struct strbuf *text, const struct ve_config *config)
{
	for (size_t i = 0; snapshot_keys[i]; i++)
		if (strcmp(snapshot_keys[i], "VE_LAYOUT") != 0)
			add(text, snapshot_keys[i], conf_get(&config->conf, snapshot_keys[i]));
	add(text, "VE_LAYOUT", ve_layout_name(config->layout));
}

static int describe(int folder, const struct ve_config *config, const char *id,
		    const struct life_snapshot *request, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct timespec now;
	struct tm tm;
	char date[32], made[64];
	clock_gettime(CLOCK_REALTIME, &now);
	if (!localtime_r(&now.tv_sec, &tm) || !strftime(date, sizeof(date), "%F %T", &tm))
		return error_set(err, ERROR_SYSTEM, "the time cannot be told");
	snprintf(made, sizeof(made), "%020lld.%09ld", (long long)now.tv_sec, now.tv_nsec);
	add(&text, "UUID", id);
	add(&text, "PARENT", conf_get(&config->conf, SNAPSHOT_CURRENT));
	add(&text, "DATE", date);
	add(&text, "MADE", made);
	add(&text, "NAME", request->name);
	add(&text, "DESCRIPTION", request->description);
	add_keys(&text, config);
	return snapshot_describe(folder, &text, err);
}

static int save_config(int folder, const struct ve_config *config, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (file_read(AT_FDCWD, config->conf.path, CONF_LIMIT, &text, err) < 0)
		return -1;
	return file_write_atomic(folder, SNAPSHOT_CONF, 0600, text.text, text.length, err);
}

static struct disk_make make_in(int folder, const struct disk *from)
{
	return (struct disk_make){
		.parent = folder,
		.name = SNAPSHOT_DISK,
		.kind = snapshot_disk_kind(from->kind),
	};
}

static int copy_running(const struct life *life, struct held *held, const struct disk *disk,
			int folder, struct error *err)
{
	const struct disk_make make = make_in(folder, disk);
	struct frozen frozen;
	if (frozen_begin(life->host, life->ctid, &held->state, disk, &frozen, err) < 0)
		return -1;
	int result = disk_copy(disk, held->config.layout, true, &make, err);
	if (frozen_release(life->host, life->ctid, &held->state, disk, &frozen,
			   result < 0 ? NULL : err) < 0)
		return -1;
	return result;
}

/* An image is not mounted then, so that nothing writes to it. */
static int copy_stopped(const struct held *held, int private_area, int folder, struct error *err)
{
	AUTO(ve_disk_release) struct ve_disk which = VE_DISK_INIT;
	AUTO(disk_release) struct disk disk = DISK_INIT;
	if (ve_disk_load(&held->config, &which, err) < 0 ||
	    disk_open(private_area, &which, which.kind != DISK_IMAGE, &disk, err) < 0)
		return -1;
	const struct disk_make make = make_in(folder, &disk);
	return disk_copy(&disk, held->config.layout, false, &make, err);
}

static int copy(const struct life *life, struct held *held, int private_area, int folder,
		struct error *err)
{
	AUTO(private_release) struct private_area area = PRIVATE_AREA_INIT;
	if (private_open(life->host, &held->config, &area, err) < 0)
		return -1;
	if (held->state.phase == VE_RUNNING)
		return copy_running(life, held, &area.disk, folder, err);
	private_release(&area);
	return copy_stopped(held, private_area, folder, err);
}

static int fill(const struct life *life, struct held *held, int private_area,
		const struct life_snapshot *request, const char *id, struct error *err)
{
	autoclose int folder = snapshot_begin(private_area, id, err);
	if (folder < 0)
		return -1;
	if (!request->skip_config && save_config(folder, &held->config, err) < 0)
		return -1;
	if (describe(folder, &held->config, id, request, err) < 0 ||
	    copy(life, held, private_area, folder, err) < 0)
		return -1;
	return snapshot_publish(private_area, id, err);
}

static int set_current(const struct held *held, const char *id, struct error *err)
{
	const struct conf_change change = { SNAPSHOT_CURRENT, id };
	return conf_edit(AT_FDCWD, held->config.conf.path, &change, 1, err);
}

static int check_new(const struct held *held, const char *id, struct error *err)
{
	AUTO(snapshots_release) struct snapshots all = SNAPSHOTS_INIT;
	if (snapshots_read(held->config.private_area, &all, err) < 0)
		return -1;
	if (!snapshots_find(&all, id))
		return 0;
	error_set(err, ERROR_SNAPSHOT, "there is a snapshot %s already", id);
	return error_hint(err, "leave --id out, and it gets one of its own");
}

static int snapshot(const struct life *life, struct held *held, const struct life_snapshot *request,
		    char id[SNAPSHOT_ID_SIZE], struct error *err)
{
	if (held->state.phase != VE_RUNNING && check_at_rest(life, held, err) < 0)
		return -1;
	if (check_new(held, id, err) < 0)
		return -1;
	autoclose int private_area =
		open(held->config.private_area, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (private_area < 0)
		return error_set(err, ERROR_NO_PRIVATE, "opening %s: %s", held->config.private_area,
				 strerror(errno));
	report_phase(life->report, "making the snapshot", REPORT_ITEMS, 0, 100);
	int result = fill(life, held, private_area, request, id, err);
	report_phase_end(life->report);
	if (result < 0) {
		snapshot_abandon(private_area, id);
		return -1;
	}
	return set_current(held, id, err);
}

int life_snapshot(const struct life *life, const struct life_snapshot *request,
		  char id[SNAPSHOT_ID_SIZE], struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	if (check_text("--name", request->name, err) < 0 ||
	    check_text("--description", request->description, err) < 0 ||
	    (request->id ? snapshot_id_parse(request->id, id, err) : snapshot_id_new(id, err)) < 0)
		return -1;
	if (held_take(life, true, &held, err) < 0)
		return -1;
	if (snapshot(life, &held, request, id, err) == 0)
		return 0;
	if (err->kind == ERROR_SYSTEM)
		err->kind = ERROR_SNAPSHOT;
	return error_wrap(err, "making a snapshot of the VE %u", life->ctid);
}
