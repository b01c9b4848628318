#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/access/exec.h"
#include "runtime/cmd/command.h"
#include "runtime/cmd/exec_options.h"

enum {
	COMMAND_FAILED = 8, /* exec: OpenVZ's number for any status but 0 */
	INPUT_MAX = 64 << 20,
};

unsigned exec_time_limit_s;
const struct option_row exec_options[] = {
	{ "time-limit", 0, OPTION_NUMBER, &exec_time_limit_s, "SECONDS",
	  "kill what has not ended by then" },
	MANY_OPTIONS,
	{ NULL },
};
const enum error_kind exec_passes[] = { ERROR_NOT_RUNNING, ERROR_NONE };

static int input = -1; /* a file in memory */

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

/* Several VEs cannot share one input: "-" is read once and given to each; other commands have none. */
static int prepare(const struct vzctl *vzctl, const struct strvec *operands, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (!vzctl->many || strcmp(operands->items[0], "-") != 0 || operands->count > 1)
		return 0;
	if (file_read_fd(STDIN_FILENO, "standard input", INPUT_MAX, &text, err) < 0)
		return -1;
	input = memfd_create("input", MFD_CLOEXEC);
	if (input < 0)
		return error_errno(err, errno, "storing the commands");
	return write_all(input, text.text, text.length, "the commands", err);
}

/* Each with a position of its own. */
static int open_input(void)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", input);
	return input < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
}

static int execute(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands, int *status,
		   struct error *err)
{
	AUTO(strbuf_release) struct strbuf command = STRBUF_INIT;
	autoclose int own_input = open_input();
	struct running running;
	join(operands, &command);
	struct ve_exec_spec spec = {
		.kind = VE_EXEC_SHELL,
		.command = strcmp(command.text, "-") == 0 ? NULL : command.text,
		.limit_ms = exec_time_limit_s * 1000,
	};
	ve_exec_standard(&spec);
	if (vzctl->many)
		ve_exec_apart(&spec, own_input);
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
	.options = exec_options,
	.flags = COMMAND_RAW | COMMAND_MANY | COMMAND_PRINTS,
	.prepare = prepare,
	.passes = exec_passes,
	.run = run_exec,
};

const struct command command_exec2 = {
	.name = "exec2",
	.operands = "COMMAND…",
	.operands_min = 1,
	.operands_max = UINT_MAX,
	.summary = "The same; the exit status is the command's",
	.options = exec_options,
	.flags = COMMAND_RAW | COMMAND_MANY | COMMAND_PRINTS,
	.prepare = prepare,
	.passes = exec_passes,
	.run = run_exec2,
};
