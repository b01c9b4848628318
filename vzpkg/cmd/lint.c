/*
 * vzpkg lint: every mistake in a template's metadata, with file and line.
 */
#include "base/cleanup.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/finding.h"

static void found(bool is_error, const char *file, unsigned line, const char *text, void *data)
{
	struct command_result *ret = data;
	finding_add(is_error, file, line, text, &ret->text, ret->json);
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
