#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/access/export.h"
#include "runtime/access/tree.h"
#include "runtime/cmd/command.h"
#include "runtime/life/life.h"
#include "runtime/life/running.h"
#include "runtime/namespace.h"

static const char *output;

static const struct option_row options[] = {
	{ "output", 'o', OPTION_STRING, &output, "FILE", "the tarball to write, a .tar.gz" },
	{ NULL },
};

static int export_running(struct vzctl *vzctl, unsigned ctid, struct ve_exported *ret,
			  struct error *err)
{
	AUTO(running_release) struct running running;
	if (running_find(&vzctl->host, ctid, &running, err) < 0)
		return -1;
	autoclose int tree = tree_of_running(&running, err);
	const struct ve_export export = {
		.tree = tree,
		.ids = running.pidfd,
		.live = !running.state.suspended,
		.target = output,
		.report = vzctl->report,
	};
	return tree < 0 ? -1 : ve_export(&export, ret, err);
}

/* Under the VE's lock, so that it stays as it is. */
static int export_stopped(struct vzctl *vzctl, unsigned ctid, struct ve_exported *ret,
			  struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	AUTO(held_release) struct held held = HELD_INIT;
	autoclose int ids = -1;
	if (held_take(&life, true, &held, err) < 0)
		return -1;
	if (held.state.phase == VE_RUNNING)
		return error_set(err, ERROR_RUNNING, "the VE %u was started meanwhile", ctid);
	if (held.config.ids_shifted && (ids = namespace_user_new(held.config.ids_base, err)) < 0)
		return -1;
	autoclose int tree = tree_of_stopped(&vzctl->host, &held.config, err);
	const struct ve_export export = {
		.tree = tree,
		.ids = ids,
		.target = output,
		.report = vzctl->report,
	};
	return tree < 0 ? -1 : ve_export(&export, ret, err);
}

static void tell(struct vzctl *vzctl, unsigned ctid, const struct ve_exported *exported)
{
	if (exported->changed)
		report_warning(vzctl->report, output,
			       "%llu files of the VE changed while they were read; stop it for a "
			       "backup of one moment",
			       (unsigned long long)exported->changed);
	report_info(vzctl->report, "VE %u is in %s: %llu files and folders, %.1f MB", ctid, output,
		    (unsigned long long)exported->entries, (double)exported->bytes / 1e6);
}

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	struct ve_exported exported = { 0 };
	struct life_status status;
	(void)operands;
	if (!output)
		return error_set(err, ERROR_USAGE, "export needs -o FILE");
	if (life_status(&vzctl->host, ctid, &status, err) < 0)
		return -1;
	int result = status.running ? export_running(vzctl, ctid, &exported, err)
				    : export_stopped(vzctl, ctid, &exported, err);
	if (result < 0)
		return error_wrap(err, "exporting the VE %u", ctid);
	tell(vzctl, ctid, &exported);
	ret->json =
		json_pack("{s:i, s:s, s:I, s:I, s:I}", "ctid", (int)ctid, "file", output, "bytes",
			  (json_int_t)exported.bytes, "entries", (json_int_t)exported.entries,
			  "changed", (json_int_t)exported.changed);
	return 0;
}

const struct command command_export = {
	.name = "export",
	.operands = "",
	.summary = "Writes all files of a VE into a tarball, also while it runs",
	.options = options,
	.run = run,
};
