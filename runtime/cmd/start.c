#include "runtime/cmd/command.h"
#include "runtime/life/life.h"

static bool fast;

static const struct option_row fast_option[] = {
	{ "fast", 0, OPTION_FLAG, &fast, NULL, "kill it instead of shutting it down" },
	{ NULL },
};

static int done(struct vzctl *vzctl, unsigned ctid, const char *what, struct command_result *ret)
{
	report_info(vzctl->report, "VE %u %s", ctid, what);
	ret->json = json_pack("{s:i}", "ctid", (int)ctid);
	return 0;
}

static int run_start(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		     struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	return life_start(&life, err) < 0 ? -1 : done(vzctl, ctid, "is started", ret);
}

static int run_stop(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		    struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	return life_stop(&life, fast, err) < 0 ? -1 : done(vzctl, ctid, "is stopped", ret);
}

static int run_restart(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		       struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	return life_restart(&life, fast, err) < 0 ? -1 : done(vzctl, ctid, "is restarted", ret);
}

const struct command command_start = {
	.name = "start",
	.operands = "",
	.summary = "Starts a VE",
	.run = run_start,
};

const struct command command_stop = {
	.name = "stop",
	.operands = "",
	.summary = "Shuts a VE down",
	.options = fast_option,
	.run = run_stop,
};

const struct command command_restart = {
	.name = "restart",
	.operands = "",
	.summary = "Shuts a VE down and starts it again",
	.options = fast_option,
	.run = run_restart,
};
