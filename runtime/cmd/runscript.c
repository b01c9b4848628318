#include <fcntl.h>

#include "base/file.h"
#include "runtime/access/exec.h"
#include "runtime/cmd/command.h"
#include "runtime/cmd/exec_options.h"

enum { SCRIPT_MAX = 64 << 20 };

static struct strbuf script = STRBUF_INIT;

static int prepare(const struct vzctl *vzctl, const struct strvec *operands, struct error *err)
{
	(void)vzctl;
	return file_read(AT_FDCWD, operands->items[0], SCRIPT_MAX, &script, err);
}

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	struct running running;
	(void)operands;
	struct ve_exec_spec spec = {
		.kind = VE_EXEC_SCRIPT,
		.script = script.text,
		.script_size = script.length,
		.limit_ms = exec_time_limit_s * 1000,
	};
	ve_exec_standard(&spec);
	if (vzctl->many)
		ve_exec_apart(&spec, -1);
	int result = running_open(&vzctl->host, ctid, &running, err);
	if (result == 0)
		result = ve_exec(&running, &spec, &ret->status, err);
	running_release(&running);
	return result;
}

const struct command command_runscript = {
	.name = "runscript",
	.operands = "FILE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "Runs a script of the host in a VE",
	.options = exec_options,
	.flags = COMMAND_MANY | COMMAND_PRINTS,
	.prepare = prepare,
	.run = run,
	.passes = exec_passes,
};
