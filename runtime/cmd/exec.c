#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/access/exec.h"
#include "runtime/cmd/command.h"

enum { COMMAND_FAILED = 8 }; /* exec: OpenVZ's number for any status but 0 */

/* Words are joined by blanks and read by a shell, as with ssh(1). "-" alone: commands come from the input. */
static void join(const struct strvec *words, struct strbuf *command)
{
	size_t first = strcmp(words->items[0], "--") == 0;
	for (size_t i = first; i < words->count; i++) {
		if (i > first)
			strbuf_addc(command, ' ');
		strbuf_adds(command, words->items[i]);
	}
}

static int execute(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands, int *status,
		   struct error *err)
{
	AUTO(strbuf_release) struct strbuf command = STRBUF_INIT;
	struct running running;
	join(operands, &command);
	struct ve_exec_spec spec = {
		.kind = VE_EXEC_SHELL,
		.command = strcmp(command.text, "-") == 0 ? NULL : command.text,
	};
	ve_exec_standard(&spec);
	int result = running_open(&vzctl->host, ctid, &running, err);
	if (result == 0)
		result = ve_exec(&running, &spec, status, err);
	running_release(&running);
	return result;
}

static int run_exec(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		    struct command_result *ret, struct error *err)
{
	int status;
	if (execute(vzctl, ctid, operands, &status, err) < 0)
		return -1;
	ret->status = status ? COMMAND_FAILED : 0;
	ret->json = json_pack("{s:i, s:i}", "ctid", (int)ctid, "status", status);
	return 0;
}

static int run_exec2(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
		     struct command_result *ret, struct error *err)
{
	if (execute(vzctl, ctid, operands, &ret->status, err) < 0)
		return -1;
	ret->json = json_pack("{s:i, s:i}", "ctid", (int)ctid, "status", ret->status);
	return 0;
}

const struct command command_exec = {
	.name = "exec",
	.operands = "COMMAND…",
	.operands_min = 1,
	.operands_max = UINT_MAX,
	.summary = "Runs a shell command in a VE; the exit status is 0, or 8 if its is not 0",
	.flags = COMMAND_RAW,
	.run = run_exec,
};

const struct command command_exec2 = {
	.name = "exec2",
	.operands = "COMMAND…",
	.operands_min = 1,
	.operands_max = UINT_MAX,
	.summary = "The same; the exit status is the command's",
	.flags = COMMAND_RAW,
	.run = run_exec2,
};
