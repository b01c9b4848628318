/*
 * vzpkg create-appcache: an OS template with applications as one cache, "debian-12-x86_64+nginx+php". Without any it is the OS
 * template's own.
 */
#include "base/cleanup.h"
#include "image/name.h"
#include "vzpkg/cmd/application.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/technology.h"

static struct os_request request;
static const char *fs_type, *image_format;

static const struct option_row options[] = {
	{ "ostemplate", 0, OPTION_STRING, &request.os_template, "TEMPLATE", "the OS template" },
	{ "apptemplate", 0, OPTION_STRING, &request.applications, "NAME,…",
	  "the application templates" },
	{ "config", 0, OPTION_STRING, &request.sample, "NAME",
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

	if (operands->count)
		request.os_template = operands->items[0];
	if (technology_check(fs_type, image_format, err) < 0 ||
	    os_request_load(&request, app, &template, &names, err) < 0)
		return -1;
	strvec_take(&one, template_name_join(template->text, &names));
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
