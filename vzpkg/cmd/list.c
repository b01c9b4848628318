/*
 * vzpkg list: the OS templates that can be built, and which of them have a cache since when; or what a VE is made from.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "image/name.h"
#include "vzpkg/cache/generation.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_config.h"
#include "vzpkg/cmd/application.h"
#include "vzpkg/cmd/command.h"

static bool cached_only, summary, os_only, old_format;

static const struct option_row options[] = {
	{ "cached", 'c', OPTION_FLAG, &cached_only, NULL, "only templates that have a cache" },
	{ "with-summary", 'S', OPTION_FLAG, &summary, NULL, "show each template's summary" },
	{ "os", 'O', OPTION_FLAG, &os_only, NULL, NULL },
	{ "old-format", 0, OPTION_FLAG, &old_format, NULL, "of a VE: each name and its version" },
	{ NULL },
};

/* When the cache was made, Unix seconds; false if there is none. */
static bool cache_time(const struct app *app, const char *name, struct stat *st)
{
	autofree char *path = xasprintf("%s/cache/%s.tar.gz", app->host.template_dir, name);
	return stat(path, st) == 0;
}

/* The form that OpenVZ's tools print: the name in 34 columns, then date and time. */
static void row_text(const char *name, const char *about, const struct stat *st,
		     struct strbuf *text)
{
	char time[32] = "";
	struct tm tm;
	if (st && localtime_r(&st->st_mtim.tv_sec, &tm))
		strftime(time, sizeof(time), "%Y-%m-%d %H:%M:%S", &tm);
	if (about)
		strbuf_addf(text, "%-34s :%s\n", name, about);
	else if (*time)
		strbuf_addf(text, "%-34s %s\n", name, time);
	else
		strbuf_addf(text, "%s\n", name);
}

/* A template that cannot be loaded is a warning: one mistake must not hide all the others. */
static void row(struct app *app, const char *name, struct command_result *ret)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(template_freep) struct template *template = NULL;
	struct stat st;

	if (app_template(app, name, &template, &err) < 0) {
		report_warning(app->report, name, "%s", err.message);
		return;
	}
	bool cached = cache_time(app, template->text, &st);
	if (cached_only && !cached)
		return;
	row_text(template->text, summary ? (template->summary ?: "") : NULL, cached ? &st : NULL,
		 &ret->text);
	json_t *object = json_pack("{s:s s:b s:s?}", "name", template->text, "cached", cached,
				   "summary", template->summary);
	if (cached)
		json_object_set_new(object, "built", json_integer(st.st_mtim.tv_sec));
	json_array_append_new(ret->json, object);
}

/* ---- of a VE ------------------------------------------------------------------------------------------------ */

static void ve_row(unsigned ctid, const char *kind, const char *name, const char *version,
		   struct command_result *ret)
{
	/* Words with blanks between them: libvzctl takes the first and the last. */
	if (old_format)
		strbuf_addf(&ret->text, "%-34s %s\n", name, version);
	else
		strbuf_addf(&ret->text, "%s\n", name);
	json_array_append_new(ret->json, json_pack("{s:i s:s s:s s:s}", "ctid", (int)ctid, "kind",
						   kind, "name", name, "version", version));
}

static int ve_rows(struct app *app, unsigned ctid, struct command_result *ret, struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	AUTO(template_freep) struct template *template = NULL;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (ve_config_load(&app->host, ctid, &config, err) < 0)
		return -1;
	if (!config.ostemplate)
		return 0;
	/* Its metadata may be gone, or the tarball somebody else's. */
	app_template(app, config.ostemplate, &template, &why);
	const char *version = template ? template->name.release : "-";
	ve_row(ctid, "os", template ? template->text : config.ostemplate, version, ret);
	application_names(conf_get_default(&config.conf, "TEMPLATES", ""), &names);
	for (size_t i = 0; i < names.count; i++)
		ve_row(ctid, "application", names.items[i], version, ret);
	return 0;
}

/* ---------------------------------------------------------------------------------------------------------------- */

static bool is_ve(const struct app *app, const char *word)
{
	unsigned ctid;
	return strspn(word, "0123456789") == strlen(word) || ctid_of_name(&app->host, word, &ctid);
}

static int named(struct app *app, const char *word, struct command_result *ret, struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	unsigned ctid;
	if (is_ve(app, word))
		return ctid_find(&app->host, word, &ctid, err) < 0 ? -1
								   : ve_rows(app, ctid, ret, err);
	if (app_template(app, word, &template, err) < 0)
		return -1;
	row(app, template->text, ret);
	return 0;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	struct template_source source = app_template_source(app);

	ret->json = json_array();
	for (size_t i = 0; i < operands->count; i++)
		if (named(app, operands->items[i], ret, err) < 0)
			return -1;
	if (operands->count)
		return 0;
	if (template_list(&source, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		row(app, names.items[i], ret);
	return 0;
}

const struct command command_list = {
	.name = "list",
	.operands = "[VE|TEMPLATE]…",
	.operands_max = 1000,
	.summary = "Lists the OS templates and when their caches were made, or those of VEs",
	.options = options,
	.run = run,
};
