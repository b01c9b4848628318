#include "base/cleanup.h"
#include "base/text.h"
#include "runtime/access/ready.h"
#include "runtime/cmd/command.h"
#include "runtime/cmd/many.h"
#include "runtime/life/life.h"

static bool fast, force, wait_wanted;
static unsigned wait_s = 120;

static const struct option_row stop_options[] = {
	{ "fast", 0, OPTION_FLAG, &fast, NULL, "kill it instead of shutting it down" },
	{ "host", 0, OPTION_FLAG, &many_options.host, NULL,
	  "all VEs that run, as when the host goes down" },
	MANY_OPTIONS,
	{ NULL },
};

static const struct option_row restart_options[] = {
	{ "fast", 0, OPTION_FLAG, &fast, NULL, "kill it instead of shutting it down" },
	MANY_OPTIONS,
	{ NULL },
};

static const struct option_row start_options[] = {
	{ "force", 0, OPTION_FLAG, &force, NULL, "start it though it is disabled" },
	{ "wait", 0, OPTION_FLAG, &wait_wanted, NULL, "be back when it is up" },
	{ "wait-timeout", 0, OPTION_NUMBER, &wait_s, "SECONDS",
	  "how long it may take to be up (default 120)" },
	{ "host", 0, OPTION_FLAG, &many_options.host, NULL,
	  "the VEs that are to be started with the host" },
	MANY_OPTIONS,
	{ NULL },
};

static int done(struct vzctl *vzctl, unsigned ctid, const char *what, struct command_result *ret)
{
	report_info(vzctl->report, "VE %u %s", ctid, what);
	ret->json = json_pack("{s:i}", "ctid", (int)ctid);
	return 0;
}

/* What has failed in it is said, and no failure of ours: the VE is up. */
static int wait_until_up(struct vzctl *vzctl, unsigned ctid, struct command_result *ret,
			 struct error *err)
{
	AUTO(ready_release) struct ready ready = READY_INIT;
	if (ready_wait(&vzctl->host, ctid, wait_s, vzctl->report, &ready, err) < 0)
		return -1;
	json_t *failed = json_array();
	for (size_t i = 0; i < ready.failed.count; i++) {
		autofree char *name = text_clean(ready.failed.items[i]);
		report_warning(vzctl->report, name, "VE %u: %s has failed", ctid, name);
		json_array_append_new(failed, json_string(name));
	}
	report_info(vzctl->report, "VE %u is up", ctid);
	ret->json =
		json_pack("{s:i s:s s:o}", "ctid", (int)ctid, "init", ready.init, "failed", failed);
	return 0;
}

static int run_start(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		     struct command_result *ret, struct error *err)
{
	struct life life = command_life(vzctl, ctid);
	(void)operands;
	life.force = force;
	if (life_start(&life, err) < 0)
		return -1;
	return wait_wanted ? wait_until_up(vzctl, ctid, ret, err)
			   : done(vzctl, ctid, "is started", ret);
}

static int run_stop(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		    struct command_result *ret, struct error *err)
{
	struct life life = command_life(vzctl, ctid);
	(void)operands;
	life.with_host = many_options.host;
	return life_stop(&life, fast, err) < 0 ? -1 : done(vzctl, ctid, "is stopped", ret);
}

/* Of all VEs, those that run are restarted. */
static int check_runs(const struct vzctl *vzctl, unsigned ctid, struct error *err)
{
	struct life_status status;
	if (!vzctl->passing)
		return 0;
	if (life_status(&vzctl->host, ctid, &status, err) < 0)
		return -1;
	return status.running ? 0
			      : error_set(err, ERROR_NOT_RUNNING, "the VE %u is not running", ctid);
}

static int run_restart(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		       struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	if (check_runs(vzctl, ctid, err) < 0)
		return -1;
	return life_restart(&life, fast, err) < 0 ? -1 : done(vzctl, ctid, "is restarted", ret);
}

static const enum error_kind start_passes[] = { ERROR_RUNNING, ERROR_DISABLED, ERROR_NONE };
static const enum error_kind stop_passes[] = { ERROR_NOT_RUNNING, ERROR_NONE };

const struct command command_start = {
	.name = "start",
	.operands = "",
	.summary = "Starts a VE",
	.options = start_options,
	.flags = COMMAND_MANY,
	.run = run_start,
	.past = "started",
	.progress = "starting VEs",
	.passes = start_passes,
};

const struct command command_stop = {
	.name = "stop",
	.operands = "",
	.summary = "Shuts a VE down",
	.options = stop_options,
	.flags = COMMAND_MANY,
	.run = run_stop,
	.past = "stopped",
	.progress = "stopping VEs",
	.passes = stop_passes,
};

const struct command command_restart = {
	.name = "restart",
	.operands = "",
	.summary = "Shuts a VE down and starts it again",
	.options = restart_options,
	.flags = COMMAND_MANY,
	.run = run_restart,
	.past = "restarted",
	.progress = "restarting VEs",
	.passes = stop_passes,
};
