#include "runtime/cmd/command.h"
#include "runtime/life/life.h"

/* The line that users' scripts read, from OpenVZ. */
static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	struct life_status status;
	(void)operands;
	if (life_status(&vzctl->host, ctid, &status, err) < 0)
		return -1;
	bool running = status.running && !status.suspended;
	strbuf_addf(&ret->text, "CTID %u %s %s %s%s\n", ctid, status.exists ? "exist" : "deleted",
		    status.mounted ? "mounted" : "unmounted", running ? "running" : "down",
		    status.suspended ? " suspended" : "");
	ret->json = json_pack("{s:i, s:b, s:b, s:b, s:b}", "ctid", (int)ctid, "exists",
			      status.exists, "mounted", status.mounted, "running", running,
			      "suspended", status.suspended);
	return 0;
}

const struct command command_status = {
	.name = "status",
	.operands = "",
	.summary = "Prints whether a VE exists, is mounted, is running or suspended",
	.flags = COMMAND_ANYBODY,
	.run = run,
};
