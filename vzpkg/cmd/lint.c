/*
 * vzpkg lint: every mistake in a template's metadata, with file and line.
 */
#include "base/cleanup.h"
#include "vzpkg/cmd/command.h"

static void found(bool is_error, const char *file, unsigned line, const char *text, void *data)
{
	struct command_result *ret = data;

	if (line)
		strbuf_addf(&ret->text, "%s:%u: ", file, line);
	else
		strbuf_addf(&ret->text, "%s: ", file);
	strbuf_addf(&ret->text, "%s: %s\n", is_error ? "error" : "warning", text);
	json_array_append_new(ret->json, json_pack("{s:s s:s s:I s:s}", "level",
						   is_error ? "error" : "warning", "file", file,
						   "line", (json_int_t)line, "text", text));
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	struct template_source source = app_template_source(app);
	const char *name = operands->items[0];

	ret->json = json_array();
	int errors = template_lint(&source, name, found, ret, err);
	if (errors < 0)
		return -1;
	if (errors == 0) {
		report_info(app->report, "%s: no mistakes found", name);
		return 0;
	}
	error_set(err, ERROR_BAD_TEMPLATE, "%s: %d mistake%s", name, errors,
		  errors == 1 ? "" : "s");
	return error_subject(err, "%s", name);
}

const struct command command_lint = {
	.name = "lint",
	.operands = "TEMPLATE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "Checks a template's metadata",
	.run = run,
};
