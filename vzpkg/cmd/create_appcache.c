/*
 * vzpkg create-appcache: an OS template with applications as one cache. Without any it is the OS template's own.
 */
#include "base/cleanup.h"
#include "vzpkg/cmd/application.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/technology.h"

static const char *sample, *os_template, *applications, *fs_type, *image_format;

static const struct option_row options[] = {
	{ "ostemplate", 0, OPTION_STRING, &os_template, "TEMPLATE", "the OS template" },
	{ "apptemplate", 0, OPTION_STRING, &applications, "NAME,…", "the application templates" },
	{ "config", 0, OPTION_STRING, &sample, "NAME",
	  "those that ve-NAME.conf-sample says, where the options above are not given" },
	{ "vefstype", 0, OPTION_STRING, &fs_type, "TYPE", NULL },
	{ "veimgfmt", 0, OPTION_STRING, &image_format, "FORMAT", NULL },
	{ NULL },
};

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT, one = STRVEC_INIT;
	struct os_request request = { .sample = sample,
				      .os_template =
					      operands->count ? operands->items[0] : os_template,
				      .applications = applications };

	if (technology_check(fs_type, image_format, err) < 0 ||
	    os_request_load(&request, app, &template, &names, err) < 0 ||
	    application_check(template, &names, err) < 0)
		return -1;
	strvec_push(&one, template->text);
	return command_create_cache.run(app, &one, ret, err);
}

const struct command command_create_appcache = {
	.name = "create-appcache",
	.operands = "[TEMPLATE]",
	.operands_max = 1,
	.summary = "Builds an OS template with applications",
	.options = options,
	.run = run,
};
