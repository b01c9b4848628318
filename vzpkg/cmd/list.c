/*
 * vzpkg list: the OS templates that can be built, and which of them have a cache since when.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "image/name.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cmd/command.h"

static bool cached_only, summary, os_only;

static const struct option_row options[] = {
	{ "cached", 'c', OPTION_FLAG, &cached_only, NULL, "only templates that have a cache" },
	{ "with-summary", 'S', OPTION_FLAG, &summary, NULL, "show each template's summary" },
	{ "os", 'O', OPTION_FLAG, &os_only, NULL, NULL },
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

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	struct template_source source = app_template_source(app);

	(void)operands;
	if (template_list(&source, &names, err) < 0)
		return -1;
	ret->json = json_array();
	for (size_t i = 0; i < names.count; i++)
		row(app, names.items[i], ret);
	return 0;
}

const struct command command_list = {
	.name = "list",
	.operands = "",
	.summary = "Lists the OS templates and when their caches were made",
	.options = options,
	.run = run,
};
