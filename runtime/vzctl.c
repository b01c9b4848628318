/*
 * vzctl: the table of commands, the options that all of them have, and the way from an error value to an exit status.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/completion.h"
#include "base/interrupt.h"
#include "base/program.h"
#include "runtime/access/script.h"
#include "runtime/cmd/command.h"
#include "runtime/cmd/exit_code.h"
#include "runtime/cmd/many.h"
#include "runtime/config/ctid.h"
#include "runtime/life/life.h"

static const struct command *const commands[] = {
	&command_create,
	&command_start,
	&command_stop,
	&command_restart,
	&command_suspend,
	&command_chkpnt,
	&command_resume,
	&command_restore,
	&command_status,
	&command_set,
	&command_ubc,
	&command_netstat,
	&command_quota,
	&command_enter,
	&command_console,
	&command_exec,
	&command_exec2,
	&command_runscript,
	&command_cp,
	&command_export,
	&command_mount,
	&command_umount,
	&command_snapshot,
	&command_snapshot_list,
	&command_snapshot_switch,
	&command_snapshot_delete,
	&command_snapshot_mount,
	&command_snapshot_umount,
	&command_convert,
	&command_destroy,
	&command_delete,
	&command_doctor,
	&command_reap,
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static const char *conf;
static const char *completion_shell;
static bool help_wanted, version_wanted;
static struct program_options program;
static struct vzctl vzctl = { .timeout_s = 600 };

static const struct option_row common_options[] = {
	{ "conf", 0, OPTION_STRING, &conf, "FILE",
	  "read FILE instead of /etc/vz/vz.conf (also: VZ_CONF)" },
	{ "timeout", 0, OPTION_NUMBER, &vzctl.timeout_s, "SECONDS",
	  "wait so long for another command on the VE (default 600)" },
	{ "json", 0, OPTION_FLAG, &program.json, NULL, "print one JSON document" },
	{ "progress-fd", 0, OPTION_STRING, &program.progress_fd, "N", NULL },
	{ "quiet", 'q', OPTION_FLAG, &program.quiet, NULL, "print errors and warnings only" },
	{ "verbose", 'v', OPTION_FLAG, &program.verbose, NULL, "print details" },
	{ "completion", 0, OPTION_STRING, &completion_shell, "SHELL", NULL },
	{ "help", 'h', OPTION_FLAG, &help_wanted, NULL, "print this help" },
	{ "version", 0, OPTION_FLAG, &version_wanted, NULL, "print the version" },
	{ NULL },
};

struct life command_life(const struct vzctl *from, unsigned ctid)
{
	return (struct life){
		.host = &from->host,
		.report = from->report,
		.ctid = ctid,
		.timeout_s = from->timeout_s,
		.run_inside = script_run_inside,
	};
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int command_unknown(const char *word, struct error *err)
{
	const char *names[COMMAND_COUNT + 1] = { NULL };
	size_t count = 0;
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!(commands[i]->flags & COMMAND_HIDDEN))
			names[count++] = commands[i]->name;
	const char *near = nearest_word(word, names);
	error_set(err, ERROR_USAGE, "\"%s\" is not a command", word);
	if (near)
		return error_hint(err, "did you mean \"vzctl %s\"?", near);
	return error_hint(err, "\"vzctl --help\" lists the commands");
}

static void help(const struct command *command)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (command) {
		strbuf_addf(&text, "usage: vzctl %s%s%s%s%s\n\n%s.\n", command->name,
			    command->flags & COMMAND_NO_CTID ? ""
			    : command->flags & COMMAND_MANY  ? " CTID|NAME|VE,…"
							     : " CTID|NAME",
			    command->options ? " [OPTION…]" : "", *command->operands ? " " : "",
			    command->operands, command->summary);
		if (command->options)
			strbuf_adds(&text, "\n");
		if (command->options)
			options_help(command->options, &text);
	} else {
		strbuf_adds(&text, "usage: vzctl [OPTION…] COMMAND CTID|NAME [OPTION…]\n\n"
				   "Makes, runs and removes VEs (containers).\n\n");
		for (size_t i = 0; i < COMMAND_COUNT; i++)
			if (!(commands[i]->flags & COMMAND_HIDDEN))
				strbuf_addf(&text, "  %-16s %s\n", commands[i]->name,
					    commands[i]->summary);
	}
	strbuf_adds(&text, "\nOptions of every command:\n");
	options_help(common_options, &text);
	strbuf_adds(&text, "\nSee vzctl(8).\n");
	fputs(text.text, stdout);
}

static int completion(struct command_result *result, struct error *err)
{
	struct completion_command rows[COMMAND_COUNT];
	struct completion completion = { .program = "vzctl",
					 .common = common_options,
					 .commands = rows };
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const struct command *command = commands[i];
		if (command->flags & COMMAND_HIDDEN)
			continue;
		rows[completion.count++] = (struct completion_command){
			.name = command->name,
			.summary = command->summary,
			.options = command->options,
			.operands = command->flags & COMMAND_NO_CTID ? COMPLETE_FILES
				    : command->flags & COMMAND_MANY
					    ? COMPLETE_VES | COMPLETE_SEVERAL
					    : COMPLETE_VES,
		};
	}
	return completion_script(&completion, completion_shell, &result->text, err);
}

/* ---- from words to a command, a VE and operands ------------------------------------------------------ */

struct call {
	const struct command *command;
	const char *ve; /* number or name; NULL: none */
	struct strvec operands;
};

static void call_release(struct call *call)
{
	strvec_release(&call->operands);
}

static bool has_ve(const struct command *command)
{
	return !(command->flags & COMMAND_NO_CTID) &&
	       !(command->flags & COMMAND_MANY && many_given());
}

/* Of exec: all that follows the VE, or the options that say which, is the command's. */
static int parse_raw(struct call *call, int argc, char **argv, int at, struct error *err)
{
	AUTO(strvec_release) struct strvec none = STRVEC_INIT;
	const struct option_row *options = call->command->options;
	int word = options_skip(options, common_options, argc, argv, at);
	if (options_parse(options, common_options, word, argv, &none, err) < 0)
		return -1;
	if (word < argc && has_ve(call->command))
		call->ve = argv[word++];
	for (int i = word; i < argc; i++)
		strvec_push(&call->operands, argv[i]);
	return 0;
}

static int parse_cooked(struct call *call, int argc, char **argv, struct error *err)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	if (options_parse(call->command->options, common_options, argc, argv, &words, err) < 0)
		return -1;
	bool first = has_ve(call->command);
	for (size_t i = first; i < words.count; i++)
		strvec_push(&call->operands, words.items[i]);
	for (int i = 0; first && words.count && i < argc; i++)
		if (!strcmp(argv[i], words.items[0]))
			call->ve = argv[i]; /* the copy in `words` goes */
	return 0;
}

static int parse(struct call *call, int argc, char **argv, struct error *err)
{
	int at = options_skip(NULL, common_options, argc, argv, 0);
	if (at >= argc) {
		AUTO(strvec_release) struct strvec none = STRVEC_INIT;
		return options_parse(NULL, common_options, argc, argv, &none, err);
	}
	call->command = command_find(argv[at]);
	if (!call->command)
		return command_unknown(argv[at], err);
	memmove(argv + at, argv + at + 1, (size_t)(argc - at) * sizeof(*argv));
	argc--;
	return call->command->flags & COMMAND_RAW ? parse_raw(call, argc, argv, at, err)
						  : parse_cooked(call, argc, argv, err);
}

static int check(const struct call *call, struct error *err)
{
	const struct command *command = call->command;
	const char *what = NULL;
	if (has_ve(command) && !call->ve)
		what = "the number or the name of a VE is missing";
	else if (call->operands.count < command->operands_min)
		what = "an operand is missing";
	else if (call->operands.count > command->operands_max)
		what = "too many operands";
	if (what) {
		error_set(err, ERROR_USAGE, "%s: %s", command->name, what);
		return error_hint(err, "\"vzctl %s --help\" shows how it is used", command->name);
	}
	if (!(command->flags & COMMAND_ANYBODY) && geteuid() != 0) {
		error_set(err, ERROR_NOT_ROOT, "%s needs root", command->name);
		return error_hint(err, "run it with sudo");
	}
	return 0;
}

/* ---- running it ------------------------------------------------------------------------------------------- */

static int run(const struct call *call, struct command_result *result, struct error *err)
{
	unsigned ctid = 0;
	if (check(call, err) < 0 || host_config_load(&vzctl.host, conf, err) < 0)
		return -1;
	vzctl.many = call->command->flags & COMMAND_MANY && many_wanted(call->ve);
	if (!(call->command->flags & COMMAND_NO_CTID) && !vzctl.many) {
		int found = call->command == &command_create
				    ? ctid_parse(call->ve, &ctid, err)
				    : ctid_find(&vzctl.host, call->ve, &ctid, err);
		if (found < 0)
			return -1;
	}
	if (call->command->prepare && call->command->prepare(&vzctl, &call->operands, err) < 0)
		return -1;
	if (vzctl.many)
		return many_run(&vzctl, call->command, call->ve, &call->operands, result, err);
	return call->command->run(&vzctl, ctid, &call->operands, result, err);
}

static int finish(struct command_result *result, int ret, struct error *err)
{
	int code = ret < 0 ? exit_code_find(exit_codes, err->kind) : result->status;
	report_phase_end(vzctl.report);
	if (!program.json)
		fputs(result->text.text, stdout);
	strbuf_release(&result->text);
	if (ret < 0)
		report_error(vzctl.report, err, code);
	AUTO(error_clear) struct error out = ERROR_INIT;
	if (report_finish(vzctl.report, result->json, &out) < 0 || fflush(stdout) == EOF) {
		if (!out.message)
			error_errno(&out, errno, "writing to standard output");
		code = exit_code_find(exit_codes, out.kind);
		report_error(vzctl.report, &out, code);
	}
	return code;
}

static int main_with(int argc, char **argv, struct error *err)
{
	AUTO(call_release) struct call call = { .operands = STRVEC_INIT };
	struct command_result result = { .text = STRBUF_INIT };
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (commands[i]->make_options)
			commands[i]->make_options();
	int ret = parse(&call, argc, argv, err);
	if (ret == 0 && version_wanted)
		return puts("vzctl " VERSION) < 0;
	if (ret == 0 && !completion_shell && (help_wanted || !call.command)) {
		help(call.command);
		return help_wanted ? 0 : exit_code_find(exit_codes, ERROR_USAGE);
	}
	vzctl.json = program.json;
	vzctl.report = program_report("vzctl", call.command ? call.command->name : NULL, &program);
	if (ret == 0)
		ret = completion_shell ? completion(&result, err) : run(&call, &result, err);
	return finish(&result, ret, err);
}

int main(int argc, char **argv)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	program_begin();
	int code = main_with(argc - 1, argv + 1, &err);
	report_freep(&vzctl.report);
	host_config_release(&vzctl.host);
	if (err.kind == ERROR_INTERRUPTED && interrupt_pending())
		interrupt_die();
	return code;
}
