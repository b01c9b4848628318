/*
 * vzpkg bundle: what an air-gapped host needs to build a template, made where there is a network, and taken in where there is
 * none.
 */
#include "vzpkg/cmd/bundle.h"

static struct bundle_options given;
static const char *output, *import, *locked;

static const struct option_row options[] = {
	{ "output", 'o', OPTION_STRING, &output, "FILE", "write the bundle to FILE" },
	{ "import", 0, OPTION_STRING, &import, "FILE",
	  "verify the bundle FILE and take in what it holds" },
	{ "cache", 0, OPTION_FLAG, &given.cache, NULL,
	  "the template's cache too, for which no signature speaks" },
	{ "with-template", 0, OPTION_FLAG, &given.with_template, NULL,
	  "with --import: take in the template's files and keys too" },
	{ "locked", 0, OPTION_STRING, &locked, "FILE",
	  "what this lock file names; without it, what the template's own does, if it has one" },
	{ NULL },
};

static int check_usage(const struct strvec *operands, struct error *err)
{
	static const char usage[] =
		"usage: vzpkg bundle TEMPLATE -o FILE, or vzpkg bundle --import FILE";

	if (import && (output || operands->count)) {
		error_set(err, ERROR_USAGE, "--import takes neither a template nor --output");
		return error_hint(err, "%s", usage);
	}
	if (!import && (!output || !operands->count)) {
		error_set(err, ERROR_USAGE, "a template and --output are missing, or --import");
		return error_hint(err, "%s", usage);
	}
	if (!import && given.with_template) {
		error_set(err, ERROR_USAGE, "--with-template belongs to --import");
		return error_hint(err, "a bundle always holds the template's files");
	}
	return 0;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	if (check_usage(operands, err) < 0)
		return -1;
	app->locked = locked;
	given.file = import ?: output;
	return import ? bundle_import(app, &given, ret, err)
		      : bundle_export(app, &given, operands->items[0], ret, err);
}

const struct command command_bundle = {
	.name = "bundle",
	.operands = "[TEMPLATE]",
	.operands_max = 1,
	.summary = "Packs what a host without a network needs to build a template, or takes it in",
	.options = options,
	.run = run,
};
