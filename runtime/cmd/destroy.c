#include "runtime/cmd/command.h"
#include "runtime/life/life.h"

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	if (life_destroy(&life, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u is destroyed", ctid);
	ret->json = json_pack("{s:i}", "ctid", (int)ctid);
	return 0;
}

const struct command command_destroy = {
	.name = "destroy",
	.operands = "",
	.summary = "Removes a VE with all its files",
	.run = run,
};

const struct command command_delete = {
	.name = "delete",
	.operands = "",
	.summary = "The same as destroy",
	.flags = COMMAND_HIDDEN,
	.run = run,
};
