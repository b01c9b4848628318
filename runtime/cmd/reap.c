/* What the monitor of a VE executes when its init has ended. Nobody is there to be told, so it goes to the log. */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "runtime/cmd/command.h"
#include "runtime/life/life.h"

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	bool reboot = !strcmp(operands->items[1], "reboot");
	(void)ret;
	openlog("vzctl", LOG_PID, LOG_DAEMON);
	if (life_reap(&life, (pid_t)strtol(operands->items[0], NULL, 10), reboot, err) < 0) {
		syslog(LOG_ERR, "VE %u: %s", ctid, err->message);
		return -1;
	}
	return 0;
}

const struct command command_reap = {
	.name = "reap",
	.operands = "INIT halt|reboot",
	.operands_min = 2,
	.operands_max = 2,
	.summary = "Clears away what a VE that has ended left",
	.flags = COMMAND_HIDDEN,
	.run = run,
};
