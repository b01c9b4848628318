#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/access/console.h"
#include "runtime/cmd/command.h"
#include "runtime/life/console.h"
#include "runtime/life/life.h"

static bool start_wanted;

static const struct option_row options[] = {
	{ "start", 's', OPTION_FLAG, &start_wanted, NULL, "start the VE if it does not run" },
	{ NULL },
};

struct told {
	const struct vzctl *vzctl;
	unsigned ctid;
};

static void say_ready(void *data)
{
	const struct told *told = data;
	report_info(told->vzctl->report,
		    "attached to the console of VE %u; Esc and then \".\" detaches", told->ctid);
}

static int start_if_wanted(const struct life *life, struct error *err)
{
	struct life_status status;
	if (!start_wanted)
		return 0;
	if (life_status(life->host, life->ctid, &status, err) < 0)
		return -1;
	return status.exists && status.running ? 0 : life_start(life, err);
}

/* One that is being stopped is locked, and its monitor is there. One whose monitor has died gets another, and with it another console. */
static int open_monitor(const struct life *life, struct error *err)
{
	int fd = console_connect(life->host, life->ctid);
	if (fd >= 0)
		return fd;
	if (life_monitor(life, err) < 0)
		return -1;
	fd = console_connect(life->host, life->ctid);
	if (fd >= 0)
		return fd;
	error_set(err, ERROR_TECHNOLOGY, "the monitor of the VE %u does not offer its console",
		  life->ctid);
	return error_hint(err, "it is of an earlier version: it does from the VE's next start on");
}

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	struct told told = { vzctl, ctid };
	struct life_status status;
	enum console_end end;
	(void)operands;
	if (start_if_wanted(&life, err) < 0)
		return -1;
	autoclose int monitor = open_monitor(&life, err);
	if (monitor < 0 || console_attach(monitor, say_ready, &told, &end, err) < 0)
		return -1;
	bool running = life_status(&vzctl->host, ctid, &status, NULL) == 0 && status.running;
	report_info(vzctl->report, "%s VE %u",
		    end == CONSOLE_DETACHED ? "detached from"
		    : running               ? "the connection is closed to"
					    : "the console is closed with",
		    ctid);
	ret->json = json_pack("{s:i s:b}", "ctid", (int)ctid, "detached", end == CONSOLE_DETACHED);
	return 0;
}

const struct command command_console = {
	.name = "console",
	.operands = "",
	.summary = "Attaches the terminal to a VE's console",
	.options = options,
	.run = run,
};
