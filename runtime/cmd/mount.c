#include "base/cleanup.h"
#include "runtime/cmd/command.h"
#include "runtime/config/ve_config.h"
#include "runtime/life/life.h"

static int run_mount(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		     struct command_result *ret, struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	if (life_mount(&life, err) < 0 || ve_config_load(&vzctl->host, ctid, &config, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u is mounted at %s", ctid, config.root);
	ret->json = json_pack("{s:i, s:s}", "ctid", (int)ctid, "root", config.root);
	return 0;
}

static int run_umount(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		      struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	if (life_umount(&life, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u is unmounted", ctid);
	ret->json = json_pack("{s:i}", "ctid", (int)ctid);
	return 0;
}

const struct command command_mount = {
	.name = "mount",
	.operands = "",
	.summary = "Shows the files of a stopped VE to the host",
	.run = run_mount,
};

const struct command command_umount = {
	.name = "umount",
	.operands = "",
	.summary = "Takes that away again",
	.run = run_umount,
};
