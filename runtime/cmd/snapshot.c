#include "base/cleanup.h"
#include "runtime/cmd/command.h"
#include "runtime/life/life.h"

static const char *id, *name, *description, *target;
static bool skip_config, skip_resume, must_resume, skip_suspend;

/* ---- snapshot --------------------------------------------------------------------------------------------- */

static const struct option_row snapshot_options[] = {
	{ "id", 0, OPTION_STRING, &id, "UUID", "its id (default: a new one)" },
	{ "name", 0, OPTION_STRING, &name, "NAME", "what it is called in lists" },
	{ "description", 0, OPTION_STRING, &description, "TEXT", "what it is for" },
	{ "skip-config", 0, OPTION_FLAG, &skip_config, NULL, "leave the VE's configuration out" },
	{ "skip-suspend", 0, OPTION_FLAG, &skip_suspend, NULL,
	  NULL }, /* processes are no part of it */
	{ NULL },
};

static int run_snapshot(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
			struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	const struct life_snapshot request = { id, name, description, skip_config };
	char made[SNAPSHOT_ID_SIZE];
	(void)operands;
	if (life_snapshot(&life, &request, made, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u: snapshot %s is made", ctid, made);
	ret->json = json_pack("{s:i, s:s}", "ctid", (int)ctid, "uuid", made);
	return 0;
}

const struct command command_snapshot = {
	.name = "snapshot",
	.operands = "",
	.summary = "Keeps a VE's files and configuration as they are now",
	.options = snapshot_options,
	.run = run_snapshot,
};

/* ---- snapshot-switch -------------------------------------------------------------------------------------- */

static const struct option_row switch_options[] = {
	{ "id", 0, OPTION_STRING, &id, "UUID", "the snapshot" },
	{ "skip-config", 0, OPTION_FLAG, &skip_config, NULL, "keep today's configuration" },
	{ "skip-resume", 0, OPTION_FLAG, &skip_resume, NULL,
	  "do not start the VE again, if it was running" },
	{ "must-resume", 0, OPTION_FLAG, &must_resume, NULL, NULL },
	{ NULL },
};

static int need_id(const char *command, struct error *err)
{
	if (id)
		return 0;
	error_set(err, ERROR_USAGE, "%s needs --id UUID", command);
	return error_hint(err, "\"vzctl snapshot-list\" shows which there are");
}

static int run_switch(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		      struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	const struct life_snapshot_switch request = { id, skip_config, skip_resume };
	(void)operands;
	if (need_id("snapshot-switch", err) < 0)
		return -1;
	if (must_resume)
		return error_set(err, ERROR_SNAPSHOT_SWITCH,
				 "--must-resume: a snapshot has files and no processes");
	if (life_snapshot_switch(&life, &request, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u is what it was at the snapshot %s", ctid, id);
	ret->json = json_pack("{s:i, s:s}", "ctid", (int)ctid, "uuid", id);
	return 0;
}

const struct command command_snapshot_switch = {
	.name = "snapshot-switch",
	.operands = "",
	.summary = "Takes a VE back to a snapshot; what it has since is lost",
	.options = switch_options,
	.run = run_switch,
};

/* ---- snapshot-delete -------------------------------------------------------------------------------------- */

static const struct option_row delete_options[] = {
	{ "id", 0, OPTION_STRING, &id, "UUID", "the snapshot" },
	{ NULL },
};

static int run_delete(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		      struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	if (need_id("snapshot-delete", err) < 0 || life_snapshot_delete(&life, id, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u: snapshot %s is removed", ctid, id);
	ret->json = json_pack("{s:i, s:s}", "ctid", (int)ctid, "uuid", id);
	return 0;
}

const struct command command_snapshot_delete = {
	.name = "snapshot-delete",
	.operands = "",
	.summary = "Removes a snapshot",
	.options = delete_options,
	.run = run_delete,
};

/* ---- snapshot-mount, snapshot-umount ------------------------------------------------------------------------- */

static const struct option_row mount_options[] = {
	{ "id", 0, OPTION_STRING, &id, "UUID", "the snapshot" },
	{ "target", 0, OPTION_STRING, &target, "DIR", "a folder of the host" },
	{ NULL },
};

static int run_mount(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		     struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	autofree char *where = NULL;
	(void)operands;
	if (need_id("snapshot-mount", err) < 0)
		return -1;
	if (!target)
		return error_set(err, ERROR_USAGE, "snapshot-mount needs --target DIR");
	if (life_snapshot_mount(&life, id, target, &where, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u: snapshot %s is mounted at %s", ctid, id, where);
	ret->json = json_pack("{s:i, s:s, s:s}", "ctid", (int)ctid, "uuid", id, "target", where);
	return 0;
}

const struct command command_snapshot_mount = {
	.name = "snapshot-mount",
	.operands = "",
	.summary = "Shows the files of a snapshot to the host, read-only",
	.options = mount_options,
	.run = run_mount,
};

static int run_umount(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		      struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	if (need_id("snapshot-umount", err) < 0 || life_snapshot_umount(&life, id, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u: snapshot %s is unmounted", ctid, id);
	ret->json = json_pack("{s:i, s:s}", "ctid", (int)ctid, "uuid", id);
	return 0;
}

const struct command command_snapshot_umount = {
	.name = "snapshot-umount",
	.operands = "",
	.summary = "Takes that away again",
	.options = delete_options,
	.run = run_umount,
};
