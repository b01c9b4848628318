#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/access/exec.h"
#include "runtime/cmd/command.h"

static const char *command;

static const struct option_row options[] = {
	{ "exec", 0, OPTION_STRING, &command, "COMMAND", "have the shell run this and end" },
	{ NULL },
};

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	struct running running;
	const struct ve_exec_spec spec = {
		.kind = VE_EXEC_LOGIN,
		.command = command,
		.terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO),
		.input = STDIN_FILENO,
		.output = STDOUT_FILENO,
		.errors = STDERR_FILENO,
	};
	(void)operands;
	int result = running_open(&vzctl->host, ctid, &running, err);
	if (result == 0)
		result = ve_exec(&running, &spec, &ret->status, err);
	running_release(&running);
	return result;
}

const struct command command_enter = {
	.name = "enter",
	.operands = "",
	.summary = "Opens a login shell in a VE",
	.options = options,
	.run = run,
};
