/*
 * vzcfgvalidate: looks configurations of VEs over.
 *
 * Exit status, as OpenVZ's: 0; 1 if a file cannot be read, or the usage is wrong; 2 if there is an error in one. Warnings and
 * recommendations are no errors.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/completion.h"
#include "base/file.h"
#include "base/option.h"
#include "base/program.h"
#include "runtime/config/validate.h"

enum { FAILED = 1, INVALID = 2, FILE_LIMIT = 1 << 20 };

static const char *completion_shell;
static bool help_wanted, version_wanted;
static struct program_options program;

static const struct option_row options[] = {
	{ "json", 0, OPTION_FLAG, &program.json, NULL, "print one JSON document" },
	{ "quiet", 'q', OPTION_FLAG, &program.quiet, NULL, "print errors only" },
	{ "completion", 0, OPTION_STRING, &completion_shell, "SHELL", NULL },
	{ "help", 'h', OPTION_FLAG, &help_wanted, NULL, "print this help" },
	{ "version", 0, OPTION_FLAG, &version_wanted, NULL, "print the version" },
	{ NULL },
};

static const char *const level_names[FINDING_LEVELS] = {
	[FINDING_ERROR] = "Error",
	[FINDING_WARNING] = "Warning",
	[FINDING_RECOMMENDATION] = "Recommendation",
};

struct output {
	struct strbuf text;
	json_t *files, *findings; /* all; of the file that is being looked at */
	const char *file;
	bool valid;
};

static void take(enum finding_level level, unsigned line, const char *message, void *data)
{
	struct output *output = data;
	if (level == FINDING_ERROR)
		output->valid = false;
	json_array_append_new(output->findings,
			      json_pack("{s:s s:i s:s}", "level", level_names[level], "line",
					(int)line, "message", message));
	if (program.quiet && level != FINDING_ERROR)
		return;
	strbuf_addf(&output->text, "%s:%u: %s: %s\n", output->file, line, level_names[level],
		    message);
}

static int look_at(const char *file, struct output *output, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	bool before = output->valid;
	if (file_read(AT_FDCWD, file, FILE_LIMIT, &text, err) < 0)
		return -1;
	output->file = file;
	output->findings = json_array();
	output->valid = true;
	validate(file, text.text, text.length, take, output);
	json_array_append_new(output->files,
			      json_pack("{s:s s:b s:o}", "file", file, "valid", output->valid,
					"findings", output->findings));
	output->valid &= before;
	return 0;
}

static int run(const struct strvec *files, struct output *output, struct error *err)
{
	const struct completion completion = { .program = "vzcfgvalidate",
					       .common = options,
					       .operands = COMPLETE_FILES };
	if (completion_shell)
		return completion_script(&completion, completion_shell, &output->text, err);
	if (version_wanted) {
		strbuf_adds(&output->text, "vzcfgvalidate " VERSION "\n");
	} else if (help_wanted) {
		strbuf_adds(&output->text,
			    "usage: vzcfgvalidate [OPTION…] FILE…\n\n"
			    "Looks configurations of VEs, CTID.conf or samples, over.\n\n");
		options_help(options, &output->text);
		strbuf_adds(&output->text, "\nSee vzcfgvalidate(8).\n");
	} else if (!files->count) {
		error_set(err, ERROR_USAGE, "no file is given");
		return error_hint(err, "\"vzcfgvalidate /etc/vz/conf/101.conf\" looks one over");
	}
	for (size_t i = 0; i < files->count; i++)
		if (look_at(files->items[i], output, err) < 0)
			return -1;
	return 0;
}

static int finish(struct output *output, struct report *report, int ret, struct error *err)
{
	AUTO(error_clear) struct error out = ERROR_INIT;
	if (ret < 0)
		report_error(report, err, FAILED);
	if (!program.json)
		fputs(output->text.text, stdout);
	ret = ret < 0 ? FAILED : output->valid ? 0 : INVALID;
	json_t *result = json_pack("{s:o}", "files", output->files);
	if (report_finish(report, result, &out) == 0 && fflush(stdout) != EOF)
		return ret;
	if (!out.message)
		error_errno(&out, errno, "writing to standard output");
	report_error(report, &out, FAILED);
	return FAILED;
}

int main(int argc, char **argv)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strvec_release) struct strvec files = STRVEC_INIT;
	struct output output = { .text = STRBUF_INIT, .files = json_array(), .valid = true };

	program_begin();
	int ret = options_parse(options, NULL, argc - 1, argv + 1, &files, &err);
	AUTO(report_freep) struct report *report = program_report("vzcfgvalidate", NULL, &program);
	if (ret == 0)
		ret = run(&files, &output, &err);
	ret = finish(&output, report, ret, &err);
	strbuf_release(&output.text);
	return ret;
}
