#include <fcntl.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/access/exec.h"
#include "runtime/cmd/command.h"

enum { SCRIPT_MAX = 64 << 20 };

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	AUTO(strbuf_release) struct strbuf script = STRBUF_INIT;
	struct running running;
	if (file_read(AT_FDCWD, operands->items[0], SCRIPT_MAX, &script, err) < 0)
		return -1;
	struct ve_exec_spec spec = {
		.kind = VE_EXEC_SCRIPT,
		.script = script.text,
		.script_size = script.length,
	};
	ve_exec_standard(&spec);
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
	.run = run,
};
