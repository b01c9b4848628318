/*
 * vzpkg update-appcache, remove-appcache, list-appcache: what update-cache and the others do, to caches with applications that are
 * named in OpenVZ's words.
 */
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "image/name.h"
#include "vzpkg/cmd/application.h"
#include "vzpkg/cmd/command.h"

static struct os_request request;

static const struct option_row options[] = {
	{ "ostemplate", 0, OPTION_STRING, &request.os_template, "TEMPLATE", "the OS template" },
	{ "apptemplate", 0, OPTION_STRING, &request.applications, "NAME,…",
	  "the application templates; without them, each cache of the OS template that has any" },
	{ "config", 0, OPTION_STRING, &request.sample, "NAME",
	  "those that ve-NAME.conf-sample says, where the options above are not given" },
	{ NULL },
};

/* The caches that the options and the operand mean; without any, all with applications. */
static int choose(struct app *app, const struct strvec *operands, struct strvec *names,
		  struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(strvec_release) struct strvec applications = STRVEC_INIT;

	if (operands->count)
		request.os_template = operands->items[0];
	if (!request.os_template && !request.sample && !request.applications)
		return application_caches(app, NULL, names, err);
	if (os_request_load(&request, app, &template, &applications, err) < 0)
		return -1;
	if (!applications.count)
		return application_caches(app, template, names, err);
	strvec_take(names, template_name_join(template->text, &applications));
	return 0;
}

/* ---- update ------------------------------------------------------------------------------------------------- */

static int update(struct app *app, const struct strvec *operands, struct command_result *ret,
		  struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	if (app_need_root("update-appcache", err) < 0 || choose(app, operands, &names, err) < 0)
		return -1;
	if (names.count)
		return command_update_cache.run(app, &names, ret, err);
	report_info(app->report, "no cache has applications; nothing is to be done");
	ret->json = json_pack("{s:[]}", "templates");
	return 0;
}

const struct command command_update_appcache = {
	.name = "update-appcache",
	.operands = "[TEMPLATE]",
	.operands_max = 1,
	.summary = "Brings caches with applications up to date",
	.options = options,
	.run = update,
};

/* ---- remove ------------------------------------------------------------------------------------------------- */

/* Only one that is named in full: all of them are too many to go by a slip. */
static int remove_one(struct app *app, const struct strvec *operands, struct command_result *ret,
		      struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT, one = STRVEC_INIT;

	if (operands->count)
		request.os_template = operands->items[0];
	if (os_request_load(&request, app, &template, &names, err) < 0)
		return -1;
	if (!names.count) {
		error_set(err, ERROR_USAGE, "no application template is named");
		return error_hint(err,
				  "use --apptemplate; \"vzpkg remove-cache %s\" removes the OS "
				  "template's own cache",
				  template->text);
	}
	strvec_take(&one, template_name_join(template->text, &names));
	return command_remove_cache.run(app, &one, ret, err);
}

const struct command command_remove_appcache = {
	.name = "remove-appcache",
	.operands = "[TEMPLATE]",
	.operands_max = 1,
	.summary = "Removes a cache with applications",
	.options = options,
	.run = remove_one,
};

/* ---- list --------------------------------------------------------------------------------------------------- */

static void row(const struct app *app, const char *name, struct command_result *ret)
{
	AUTO(strvec_release) struct strvec applications = STRVEC_INIT;
	autofree char *os = template_name_split(name, &applications);
	autofree char *path = xasprintf("%s/cache/%s.tar.gz", app->host.template_dir, name);
	char built[32] = "";
	struct stat st;
	struct tm tm;

	if (stat(path, &st) < 0)
		return;
	if (localtime_r(&st.st_mtim.tv_sec, &tm))
		strftime(built, sizeof(built), "%Y-%m-%d %H:%M:%S", &tm);
	strbuf_addf(&ret->text, "%-34s %s\n", name, built);
	json_t *words = json_array();
	for (size_t i = 0; i < applications.count; i++)
		json_array_append_new(words, json_string(applications.items[i]));
	json_array_append_new(ret->json, json_pack("{s:s s:s s:o s:s s:I s:I}", "name", name,
						   "template", os, "applications", words, "path",
						   path, "built", (json_int_t)st.st_mtim.tv_sec,
						   "size", (json_int_t)st.st_size));
}

static int list(struct app *app, const struct strvec *operands, struct command_result *ret,
		struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	ret->json = json_array();
	if (choose(app, operands, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		row(app, names.items[i], ret);
	return 0;
}

const struct command command_list_appcache = {
	.name = "list-appcache",
	.operands = "[TEMPLATE]",
	.operands_max = 1,
	.summary = "Lists the caches with applications",
	.options = options,
	.run = list,
};
