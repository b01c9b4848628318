/*
 * vzmigrate: moves a VE to another host, by ssh and rsync.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/completion.h"
#include "base/interrupt.h"
#include "base/option.h"
#include "base/program.h"
#include "runtime/access/script.h"
#include "runtime/config/ctid.h"
#include "runtime/migrate/receive.h"
#include "runtime/migrate/send.h"

/* OpenVZ's numbers where the meaning is the same. */
static const struct exit_code exit_codes[] = {
	{ ERROR_USAGE, 1, "wrong usage" },
	{ ERROR_VALUE, 1, "wrong usage" },
	{ ERROR_SUSPENDED, 2, "the VE is not in a state in which it can be moved" },
	{ ERROR_MOUNTED, 2, "the VE is not in a state in which it can be moved" },
	{ ERROR_CHANGED, 2, "the VE is not in a state in which it can be moved" },
	{ ERROR_SYSTEM, 3, "a system call or a library failed" },
	{ ERROR_CONNECT, 4, "the other host cannot be reached, or does not answer" },
	{ ERROR_LOCKED, 5, "another command is at work on this VE" },
	{ ERROR_COPY, 6, "the VE's files cannot be copied, or have no room there" },
	{ ERROR_ARRIVE, 7, "the VE does not start on the other host, and stays here" },
	{ ERROR_STOP, 8, "the VE does not stop" },
	{ ERROR_VE_EXISTS, 9, "the other host has a VE of that number or name, or its files" },
	{ ERROR_VE_NAME, 9, "the other host has a VE of that number or name, or its files" },
	{ ERROR_NO_VE, 10, "there is no such VE" },
	{ ERROR_NO_PRIVATE, 10, "there is no such VE" },
	{ ERROR_NOT_ROOT, 11, "this needs root" },
	{ ERROR_PARSE, 15, "a configuration file has a mistake" },
	{ ERROR_EXEC, 16, "a program that is needed is not there" },
	{ ERROR_TECHNOLOGY, 14, "the host does not offer this" },
	{ ERROR_NONE, 0, "success" },
};

static const char *conf, *remove_area, *receive_step, *completion_shell;
static bool keep_copy, cancel, nodeps, help_wanted, version_wanted;
static unsigned timeout_s = 600;
static struct program_options program;
static struct send_request request;

static const struct option_row options[] = {
	{ "remove-area", 'r', OPTION_STRING, &remove_area, "yes|no",
	  "no: the VE stays here, too, disabled (default yes)" },
	{ "keep-dst", 0, OPTION_FLAG, &keep_copy, NULL,
	  "if it fails, leave there what was copied, for the next try" },
	{ "online", 0, OPTION_FLAG, &request.online, NULL,
	  "with its processes, which CRIU brings there" },
	{ "cancel", 0, OPTION_FLAG, &cancel, NULL,
	  "take an unfinished move back, or remove what was to arrive here" },
	{ "ssh", 0, OPTION_STRING, &request.remote.ssh_options, "OPTIONS",
	  "options for ssh (also: VZMIGRATE_SSH)" },
	{ "rsync", 0, OPTION_STRING, &request.remote.rsync_options, "OPTIONS",
	  "options for rsync, as --bwlimit=10m" },
	{ "dst-conf", 0, OPTION_STRING, &request.remote.conf, "FILE",
	  "the other host's vz.conf, if it is another than usual" },
	{ "dst-program", 0, OPTION_STRING, &request.remote.program, "PATH",
	  "where vzmigrate is there, if it is not found" },
	{ "nodeps", 'f', OPTION_FLAG, &nodeps, NULL, NULL },
	{ "conf", 0, OPTION_STRING, &conf, "FILE",
	  "read FILE instead of /etc/vz/vz.conf (also: VZ_CONF)" },
	{ "timeout", 0, OPTION_NUMBER, &timeout_s, "SECONDS",
	  "wait so long for another command on the VE (default 600)" },
	{ "json", 0, OPTION_FLAG, &program.json, NULL, "print one JSON document" },
	{ "progress-fd", 0, OPTION_STRING, &program.progress_fd, "N", NULL },
	{ "quiet", 'q', OPTION_FLAG, &program.quiet, NULL, "print errors and warnings only" },
	{ "verbose", 'v', OPTION_FLAG, &program.verbose, NULL, "print details" },
	{ "receive", 0, OPTION_STRING, &receive_step, "STEP", NULL },
	{ "completion", 0, OPTION_STRING, &completion_shell, "SHELL", NULL },
	{ "help", 'h', OPTION_FLAG, &help_wanted, NULL, "print this help" },
	{ "version", 0, OPTION_FLAG, &version_wanted, NULL, "print the version" },
	{ NULL },
};

static void help(struct strbuf *text)
{
	strbuf_adds(text, "usage: vzmigrate [OPTION…] [USER@]HOST CTID|NAME\n"
			  "       vzmigrate --cancel CTID|NAME\n\n"
			  "Moves a VE to another host.\n\n");
	options_help(options, text);
	strbuf_adds(text, "\nSee vzmigrate(8).\n");
}

static int check(const struct strvec *operands, struct error *err)
{
	size_t wanted = receive_step ? 0 : cancel ? 1 : 2;
	if (remove_area && strcmp(remove_area, "yes") && strcmp(remove_area, "no"))
		return error_set(err, ERROR_VALUE, "--remove-area is yes or no, and not \"%s\"",
				 remove_area);
	if (operands->count != wanted || (operands->count && *operands->items[0] == '-')) {
		error_set(err, ERROR_USAGE,
			  cancel ? "--cancel takes a VE" : "a host and a VE are to be given");
		return error_hint(err, "\"vzmigrate --help\" shows how it is used");
	}
	if (geteuid() == 0)
		return 0;
	error_set(err, ERROR_NOT_ROOT, "moving a VE needs root");
	return error_hint(err, "run it with sudo");
}

static int move(struct life *life, const struct strvec *operands, json_t **result,
		struct error *err)
{
	request.remote.host = operands->items[0];
	if (ctid_find(life->host, operands->items[1], &life->ctid, err) < 0 ||
	    send_ve(life, &request, err) < 0)
		return -1;
	if (request.stood_ms)
		report_info(life->report, "VE %u is on %s; it stood still for %.1f s", life->ctid,
			    request.remote.host, (double)request.stood_ms / 1000);
	else
		report_info(life->report, "VE %u is on %s", life->ctid, request.remote.host);
	*result = json_pack("{s:i, s:s, s:b, s:I}", "ctid", (int)life->ctid, "host",
			    request.remote.host, "kept", request.keep, "stood_still_ms",
			    (json_int_t)request.stood_ms);
	return 0;
}

/* It may be of a VE that is not here yet. */
static int take_back(struct life *life, const struct strvec *operands, json_t **result,
		     struct error *err)
{
	if (ctid_find(life->host, operands->items[0], &life->ctid, err) < 0 ||
	    send_cancel(life, &request, err) < 0)
		return -1;
	report_info(life->report, "the move of the VE %u is taken back", life->ctid);
	*result = json_pack("{s:i}", "ctid", (int)life->ctid);
	return 0;
}

static int run(const struct strvec *operands, struct report *report, json_t **result,
	       struct error *err)
{
	AUTO(host_config_release) struct host_config host = HOST_CONFIG_INIT;
	if (check(operands, err) < 0 || host_config_load(&host, conf, err) < 0)
		return -1;
	struct life life = {
		.host = &host,
		.report = report,
		.timeout_s = timeout_s,
		.run_inside = script_run_inside,
	};
	request.remote.report = report;
	request.keep = remove_area && !strcmp(remove_area, "no");
	request.keep_copy = keep_copy;
	if (!request.remote.ssh_options)
		request.remote.ssh_options = getenv("VZMIGRATE_SSH");
	if (receive_step)
		return receive(&life, receive_step, err);
	return cancel ? take_back(&life, operands, result, err)
		      : move(&life, operands, result, err);
}

/* What is asked of the program itself; false: it is to do its work. */
static bool tell(struct strbuf *text, int *ret, struct error *err)
{
	const struct completion completion = { .program = "vzmigrate",
					       .common = options,
					       .operands = COMPLETE_VES };
	if (completion_shell)
		*ret = completion_script(&completion, completion_shell, text, err);
	else if (version_wanted)
		strbuf_adds(text, "vzmigrate " VERSION "\n");
	else if (help_wanted)
		help(text);
	else
		return false;
	return true;
}

static int finish(struct report *report, int ret, json_t *result, struct error *err)
{
	int code = ret < 0 ? exit_code_find(exit_codes, err->kind) : 0;
	report_phase_end(report);
	if (ret < 0)
		report_error(report, err, code);
	AUTO(error_clear) struct error out = ERROR_INIT;
	if (receive_step || (report_finish(report, result, &out) == 0 && fflush(stdout) != EOF))
		return code;
	if (!out.message)
		error_errno(&out, errno, "writing to standard output");
	code = exit_code_find(exit_codes, out.kind);
	report_error(report, &out, code);
	return code;
}

int main(int argc, char **argv)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strvec_release) struct strvec operands = STRVEC_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	json_t *result = NULL;

	program_begin();
	int ret = options_parse(options, NULL, argc - 1, argv + 1, &operands, &err);
	if (ret == 0 && tell(&text, &ret, &err) && ret == 0)
		return fputs(text.text, stdout) < 0 || fflush(stdout) == EOF;
	AUTO(report_freep) struct report *report = program_report("vzmigrate", NULL, &program);
	if (receive_step)
		report_be_quiet(report);
	if (ret == 0)
		ret = run(&operands, report, &result, &err);
	int code = finish(report, ret, result, &err);
	if (err.kind == ERROR_INTERRUPTED && interrupt_pending())
		interrupt_die();
	return code;
}
