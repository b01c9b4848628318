#include "runtime/cmd/command.h"
#include "runtime/life/life.h"

static bool keep_in_memory, on_disk;

/* ---- suspend ---------------------------------------------------------------------------------------------- */

static const struct option_row suspend_options[] = {
	{ "keep-in-memory", 0, OPTION_FLAG, &keep_in_memory, NULL,
	  "freeze it where it is, which does not outlive a reboot of the host" },
	{ "disk", 0, OPTION_FLAG, &on_disk, NULL,
	  "write it to disk with CRIU, which outlives a reboot" },
	{ NULL },
};

static int run_suspend(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		       struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	if (on_disk && keep_in_memory)
		return error_set(err, ERROR_USAGE, "--disk and --keep-in-memory are two ways");
	if ((on_disk ? life_dump(&life, err) : life_suspend(&life, err)) < 0)
		return -1;
	report_info(vzctl->report,
		    on_disk ? "VE %u is suspended: its processes are on disk"
			    : "VE %u is suspended: frozen in memory; it does not survive a reboot "
			      "of the host",
		    ctid);
	ret->json = json_pack("{s:i, s:s}", "ctid", (int)ctid, "suspended",
			      on_disk ? "disk" : "memory");
	return 0;
}

const struct command command_suspend = {
	.name = "suspend",
	.operands = "",
	.summary = "Has all processes of a VE stand still",
	.options = suspend_options,
	.run = run_suspend,
};

const struct command command_chkpnt = {
	.name = "chkpnt",
	.operands = "",
	.summary = "The same as suspend",
	.options = suspend_options,
	.flags = COMMAND_HIDDEN,
	.run = run_suspend,
};

/* ---- resume ----------------------------------------------------------------------------------------------- */

static int run_resume(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		      struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	if (life_resume(&life, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u is resumed", ctid);
	ret->json = json_pack("{s:i}", "ctid", (int)ctid);
	return 0;
}

const struct command command_resume = {
	.name = "resume",
	.operands = "",
	.summary = "Lets a VE that is suspended go on",
	.run = run_resume,
};

const struct command command_restore = {
	.name = "restore",
	.operands = "",
	.summary = "The same as resume",
	.flags = COMMAND_HIDDEN,
	.run = run_resume,
};
