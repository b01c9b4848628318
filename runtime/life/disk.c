/* The limits of a VE's disk space, when they are set and when it is started. */
#include <string.h>

#include "base/cleanup.h"
#include "runtime/life/life.h"
#include "runtime/life/quota.h"

/* What is to be, and what there is. */
struct setting {
	const struct life *life;
	const struct life_set *set;
	const char *space, *inodes, *users; /* as CTID.conf will have them; NULL: they stay */
	struct held *held; /* its config: changed so */
	struct disk_limits limits;
	struct ve_disk which;
};

static int look(struct setting *setting, struct error *err)
{
	const struct disk_given given = { setting->set->diskspace, setting->set->diskinodes,
					  setting->set->quotaugidlimit };
	struct ve_config *config = &setting->held->config;
	if (ve_disk_limits(setting->life->host, config, &given, &setting->limits, err) < 0)
		return -1;
	return ve_disk_load(config, &setting->which, err);
}

static int rewrite(const struct setting *setting, struct error *err)
{
	struct conf_change changes[3];
	size_t count = 0;
	if (setting->held->state.phase == VE_RUNNING) {
		error_set(err, ERROR_RESIZE,
			  "this limit of the VE %u cannot be changed while it "
			  "runs: its files have to be copied",
			  setting->life->ctid);
		return error_hint(err, "stop it first");
	}
	if (check_at_rest(setting->life, setting->held, err) < 0)
		return -1;
	if (setting->space)
		changes[count++] = (struct conf_change){ "DISKSPACE", setting->space };
	if (setting->inodes)
		changes[count++] = (struct conf_change){ "DISKINODES", setting->inodes };
	if (setting->users)
		changes[count++] = (struct conf_change){ "QUOTAUGIDLIMIT", setting->users };
	const struct rewrite rewrite = {
		.layout = setting->held->config.layout,
		.limits = &setting->limits,
		.changes = changes,
		.change_count = count,
	};
	if (rewrite_held(setting->life, setting->held, &rewrite, err) == 0)
		return 0;
	if (err->kind == ERROR_SYSTEM)
		err->kind = ERROR_RESIZE;
	return error_wrap(err, "changing the limits of the VE %u", setting->life->ctid);
}

/* 1 if another image has to be made. */
static int resize(const struct setting *setting, const struct disk *disk, struct error *err)
{
	const struct disk_limits *limits = &setting->limits;
	if (limits->users != image_has_quotas(&disk->image))
		return 1;
	if (setting->inodes && limits->inodes.hard &&
	    !image_has_inodes(&disk->image, limits->inodes.hard))
		return 1;
	int order = image_compare_space(&disk->image, limits->space.hard);
	if (order >= 0)
		return order > 0;
	int result = image_grow(&disk->image, limits->space.hard, err);
	if (result > 0 && setting->held->state.phase == VE_RUNNING) {
		error_set(err, ERROR_RESIZE,
			  "this host cannot make an image larger that is in use");
		return error_hint(err, "it takes the capability CAP_SYS_RESOURCE; or stop the VE "
				       "first");
	}
	return result;
}

static int change(const struct setting *setting, struct error *err)
{
	AUTO(private_release) struct private_area area = PRIVATE_AREA_INIT;
	if (private_open(setting->life->host, &setting->held->config, &area, err) < 0)
		return -1;
	if (area.disk.kind != DISK_IMAGE)
		return disk_limit(&area.disk, &setting->limits, err);
	return resize(setting, &area.disk, err);
}

static bool changes_at_once(enum disk_kind kind)
{
	return kind == DISK_PROJECT || kind == DISK_QGROUP;
}

static int set_disk(struct setting *setting, bool asked, struct error *err)
{
	if (look(setting, err) < 0)
		return -1;
	enum disk_kind kind = setting->which.kind;
	bool holds = disk_can_hold(kind, &setting->limits);
	if (!setting->set->save && !(holds && changes_at_once(kind))) {
		if (!asked)
			return 0;
		error_set(err, ERROR_USAGE, "a limit of this VE's disk space is changed for good");
		return error_hint(err, "give --save, too");
	}
	int result = holds ? change(setting, err) : 1;
	return result > 0 ? rewrite(setting, err) : result;
}

static void say_not_held(const struct life *life, const char *why)
{
	report_warning(life->report, "DISKSPACE",
		       "DISKSPACE and DISKINODES of the VE %u are not held: %s", life->ctid, why);
}

/* Of a sample, what cannot be done now is no reason to leave the rest. */
int disk_set_held(const struct life *life, const struct life_set *set, const struct conf *changes,
		  struct held *held, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	bool asked = set->diskspace || set->diskinodes || set->quotaugidlimit;
	struct setting setting = {
		.life = life,
		.set = set,
		.space = conf_get(changes, "DISKSPACE"),
		.inodes = conf_get(changes, "DISKINODES"),
		.users = conf_get(changes, "QUOTAUGIDLIMIT"),
		.held = held,
	};
	if (!setting.space && !setting.inodes && !setting.users)
		return 0;
	int result = set_disk(&setting, asked, &why);
	ve_disk_release(&setting.which);
	if (result == 0)
		return 0;
	if (!asked && why.kind != ERROR_INTERRUPTED) {
		say_not_held(life, why.message);
		return 0;
	}
	error_move(err, &why);
	return -1;
}

/* ---- at the start ----------------------------------------------------------------------------------------- */

/* Not counted here is no reason not to start it: a sample may have wanted it. */
static int start_users(const struct life *life, const struct held *held, const struct disk *disk,
		       struct error *err)
{
	if (disk->kind == DISK_IMAGE && image_has_quotas(&disk->image))
		return quota_apply(&held->config, disk, err);
	report_warning(life->report, "QUOTAUGIDLIMIT",
		       "users and groups of the VE %u are not counted: \"vzctl set "
		       "--quotaugidlimit … --save\" of the stopped VE has that done",
		       life->ctid);
	return 0;
}

int disk_start_held(const struct life *life, const struct held *held,
		    const struct private_area *area, struct error *err)
{
	const struct disk *disk = &area->disk;
	struct disk_limits limits;
	enum disk_kind wanted;
	if (ve_disk_limits(life->host, &held->config, &(struct disk_given){ 0 }, &limits, err) <
		    0 ||
	    ve_disk_wanted(life->host, &wanted, err) < 0 ||
	    (limits.users && start_users(life, held, disk, err) < 0))
		return -1;
	limits.users = false;
	if (disk->kind == DISK_NONE) {
		if (disk_limited(&limits) && wanted != DISK_NONE)
			say_not_held(life, "\"vzctl set --diskspace … --save\" of the stopped VE "
					   "puts its files where they can be");
		return 0;
	}
	if (disk->kind == DISK_IMAGE) {
		if (image_compare_space(&disk->image, limits.space.hard) != 0)
			say_not_held(life, "the VE's image has another size; \"vzctl set "
					   "--diskspace … --save\" changes it");
		return 0;
	}
	if (!disk_can_hold(disk->kind, &limits))
		say_not_held(life, "btrfs does not limit inodes");
	return disk_limit(disk, &limits, err);
}
