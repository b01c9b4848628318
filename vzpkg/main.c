/*
 * vzpkg: the table of commands, the options that all of them have, and the way from an error value
 * to an exit status.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/completion.h"
#include "base/interrupt.h"
#include "base/program.h"
#include "vzpkg/app.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/not_offered.h"
#include "vzpkg/cmd/run_log.h"
#include "vzpkg/exit_code.h"

static const struct command *const commands[] = {
	&command_create_cache,
	&command_create_appcache,
	&command_update_cache,
	&command_remove_cache,
	&command_update_appcache,
	&command_remove_appcache,
	&command_list_appcache,
	&command_resolve,
	&command_list,
	&command_info,
	&command_lint,
	&command_import_metadata,
	&command_install,
	&command_update,
	&command_remove,
	&command_localinstall,
	&command_localupdate,
	&command_resume,
	&command_why,
	&command_history,
	&command_diff,
	&command_rollback,
	&command_pin,
	&command_unpin,
	&command_verify,
	&command_status,
	&command_sbom,
	&command_gc,
	&command_clean,
	&command_fetch,
	&command_update_metadata,
	&command_lock,
	&command_bundle,
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static struct app app;
static const char *completion_shell;

static const struct option_row common_options[] = {
	{ "conf", 0, OPTION_STRING, &app.options.conf, "FILE",
	  "read FILE instead of /etc/vz/vz.conf (also: VZ_CONF)" },
	{ "repository", 0, OPTION_LIST, &app.options.repositories, "LINE",
	  "use this repository instead of the template's; may be repeated" },
	{ "cache", 'C', OPTION_FLAG, &app.options.offline, NULL, NULL },
	{ "offline", 0, OPTION_FLAG, &app.options.offline, NULL,
	  "use only what was downloaded before" },
	{ "timeout", 0, OPTION_NUMBER, &app.options.timeout_s, "SECONDS",
	  "wait so long for another vzpkg (default 600)" },
	{ "skiplock", 0, OPTION_FLAG, &app.options.skip_lock, NULL, NULL },
	{ "json", 0, OPTION_FLAG, &app.options.json, NULL, "print one JSON document" },
	{ "timing", 0, OPTION_FLAG, &app.options.timing, NULL,
	  "show at the end how long each phase took" },
	{ "progress-fd", 0, OPTION_STRING, &app.options.progress_fd, "N",
	  "write percent=… stage=… lines there (also: VZ_PROGRESS_FD)" },
	{ "progress", 0, OPTION_STRING, &app.options.progress_fd, "N", NULL },
	{ "quiet", 'q', OPTION_FLAG, &app.options.quiet, NULL, "print errors and warnings only" },
	{ "verbose", 'v', OPTION_FLAG, &app.options.verbose, NULL, "print details" },
	{ "completion", 0, OPTION_STRING, &completion_shell, "SHELL", NULL },
	{ "help", 'h', OPTION_FLAG, &app.options.help, NULL, "print this help" },
	{ "version", 0, OPTION_FLAG, &app.options.version, NULL, "print the version" },
	{ NULL },
};

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
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		names[i] = commands[i]->name;
	const char *near = nearest_word(word, names);

	error_set(err, ERROR_USAGE, "\"%s\" is not a command", word);
	if (near)
		return error_hint(err, "did you mean \"vzpkg %s\"?", near);
	return error_hint(err, "\"vzpkg --help\" lists the commands");
}

/* The command word may be two words ("create cache"), and options may stand before it. Takes the
 * words out of the arguments. */
static const struct command *command_take(int *argc, char **argv, struct error *err)
{
	int at = 0;
	while (at < *argc && argv[at][0] == '-') {
		/* The value of an option that stands apart is not the command. */
		bool apart = !strchr(argv[at], '=') && (strcmp(argv[at], "--conf") == 0 ||
							strcmp(argv[at], "--repository") == 0 ||
							strcmp(argv[at], "--timeout") == 0 ||
							strncmp(argv[at], "--progress", 10) == 0 ||
							strcmp(argv[at], "--completion") == 0);
		at += apart ? 2 : 1;
	}
	if (at >= *argc)
		return NULL;

	/* Two words first: "install template" is another command than "install". */
	autofree char *joined = at + 1 < *argc ? xasprintf("%s-%s", argv[at], argv[at + 1]) : NULL;
	const struct command *command = joined ? command_find(joined) : NULL;
	int words = command ? 2 : 1;
	if (!command && joined && not_offered(joined, err) < 0)
		return NULL;
	if (!command)
		command = command_find(argv[at]);
	if (!command && not_offered(argv[at], err) < 0)
		return NULL;
	if (!command) {
		command_unknown(argv[at], err);
		return NULL;
	}
	memmove(argv + at, argv + at + words, (size_t)(*argc - at - words + 1) * sizeof(*argv));
	*argc -= words;
	return command;
}

static void help(const struct command *command)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (command) {
		strbuf_addf(&text, "usage: vzpkg %s [OPTION…] %s\n\n%s.\n\n", command->name,
			    command->operands, command->summary);
		if (command->options)
			options_help(command->options, &text);
	} else {
		strbuf_adds(&text,
			    "usage: vzpkg COMMAND [OPTION…] [OPERAND…]\n\n"
			    "Makes OS templates for containers and keeps them up to date.\n\n");
		for (size_t i = 0; i < COMMAND_COUNT; i++)
			strbuf_addf(&text, "  %-16s %s\n", commands[i]->name, commands[i]->summary);
	}
	strbuf_adds(&text, "\nOptions of every command:\n");
	options_help(common_options, &text);
	strbuf_adds(&text, "\nSee vzpkg(8).\n");
	fputs(text.text, stdout);
}

static struct report *report_make(const struct command *command)
{
	const struct program_options options = {
		.json = app.options.json,
		.quiet = app.options.quiet,
		.verbose = app.options.verbose,
		.progress_fd = app.options.progress_fd,
	};
	return program_report("vzpkg", command ? command->name : NULL, &options);
}

static int usage_error(const struct command *command, const struct error *err)
{
	int code = exit_code(err->kind);
	app.report = report_make(command);
	report_error(app.report, err, code);
	AUTO(error_clear) struct error ignored = ERROR_INIT;
	report_finish(app.report, NULL, &ignored);
	return code;
}

/* What the operands are, by the words of the usage line. Whatever takes VEs takes several. */
static unsigned operand_words(const char *operands)
{
	return (strstr(operands, "TEMPLATE") ? COMPLETE_TEMPLATES : 0) |
	       (strstr(operands, "VE") ? COMPLETE_VES | COMPLETE_SEVERAL : 0) |
	       (strstr(operands, "DIR") || strstr(operands, "FILE") ? COMPLETE_FILES : 0);
}

static int completion(struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct completion_command rows[COMMAND_COUNT];
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		rows[i] = (struct completion_command){
			.name = commands[i]->name,
			.summary = commands[i]->summary,
			.options = commands[i]->options,
			.operands = operand_words(commands[i]->operands),
		};
	struct completion completion = { .program = "vzpkg",
					 .common = common_options,
					 .commands = rows,
					 .count = COMMAND_COUNT };
	if (completion_script(&completion, completion_shell, &text, err) < 0)
		return usage_error(NULL, err);
	return fputs(text.text, stdout) == EOF;
}

static int check_operands(const struct command *command, const struct strvec *operands,
			  struct error *err)
{
	if (operands->count >= command->operands_min && operands->count <= command->operands_max)
		return 0;
	error_set(err, ERROR_USAGE,
		  operands->count < command->operands_min ? "%s: an operand is missing"
							  : "%s: too many operands",
		  command->name);
	return error_hint(err, "usage: vzpkg %s %s", command->name, command->operands);
}

static void log_run(const struct command *command, const struct strvec *operands,
		    const struct timespec *begun, int code, const struct error *err)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	const struct run_log line = {
		.command = command->name,
		.operands = operands,
		.status = code,
		.seconds = (double)(now.tv_sec - begun->tv_sec) +
			   (double)(now.tv_nsec - begun->tv_nsec) / 1e9,
		.err = err,
	};
	run_log(&app, &line);
}

static int run(const struct command *command, const struct strvec *operands, struct error *err)
{
	struct command_result result = { .text = STRBUF_INIT };
	struct timespec begun;
	clock_gettime(CLOCK_MONOTONIC, &begun);
	int ret = app_open(&app, err);
	if (ret == 0)
		ret = command->run(&app, operands, &result, err);
	report_phase_end(app.report);
	if (app.options.timing)
		report_timing_print(app.report);
	if (!app.options.json)
		fputs(result.text.text, stdout);
	strbuf_release(&result.text);

	int code = ret < 0 ? exit_code(err->kind) : result.status;
	log_run(command, operands, &begun, code, ret < 0 ? err : NULL);
	if (ret < 0)
		report_error(app.report, err, code);
	AUTO(error_clear) struct error out = ERROR_INIT;
	if (report_finish(app.report, result.json, &out) < 0 || fflush(stdout) == EOF) {
		if (!out.message)
			error_errno(&out, errno, "writing to standard output");
		report_error(app.report, &out, code = exit_code(out.kind));
	}
	return code;
}

static int vzpkg(int argc, char **argv, struct error *err)
{
	AUTO(strvec_release) struct strvec operands = STRVEC_INIT;
	const struct command *command = command_take(&argc, argv, err);

	if (err->message)
		return usage_error(NULL, err);
	if (options_parse(command ? command->options : NULL, common_options, argc, argv, &operands,
			  err) < 0)
		return usage_error(command, err);
	if (app.options.version)
		return puts("vzpkg " VERSION) < 0;
	if (completion_shell)
		return completion(err);
	if (app.options.help || !command) {
		help(command);
		return app.options.help ? 0 : exit_code(ERROR_USAGE);
	}
	if (check_operands(command, &operands, err) < 0)
		return usage_error(command, err);
	app.report = report_make(command);
	return run(command, &operands, err);
}

int main(int argc, char **argv)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	program_begin();
	app = APP_INIT;
	int code = vzpkg(argc - 1, argv + 1, &err);
	report_freep(&app.report);
	app_release(&app);
	if (err.kind == ERROR_INTERRUPTED && interrupt_pending())
		interrupt_die();
	return code;
}
