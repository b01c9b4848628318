/*
 * vzpkg list: the OS templates that can be built, which of them have a cache since when, and the application templates that they
 * have; or those that a VE has.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "image/name.h"
#include "vzpkg/cache/generation.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_config.h"
#include "vzpkg/application.h"
#include "vzpkg/application_record.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/layer_users.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/cmd/ve_packages.h"

static bool cached_only, summary, os_only, applications_only, old_format, old_layers;
static bool packages_wanted, foreign_wanted;

static const struct option_row options[] = {
	{ "cached", 'c', OPTION_FLAG, &cached_only, NULL, "only templates that have a cache" },
	{ "with-summary", 'S', OPTION_FLAG, &summary, NULL, "show each template's summary" },
	{ "old-layers", 0, OPTION_FLAG, &old_layers, NULL,
	  "list the VEs that stand on another layer than their template's cache has" },
	{ "os", 'O', OPTION_FLAG, &os_only, NULL, "only OS templates" },
	{ "app", 'A', OPTION_FLAG, &applications_only, NULL, "only application templates" },
	{ "packages", 'p', OPTION_FLAG, &packages_wanted, NULL,
	  "of a VE: the packages that it has" },
	{ "custom-pkg", 'u', OPTION_FLAG, &foreign_wanted, NULL,
	  "of a VE: the packages that no repository has" },
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

static void os_row(struct app *app, const struct template *template, struct command_result *ret)
{
	struct stat st;
	bool cached = cache_time(app, template->text, &st);

	if (cached_only && !cached)
		return;
	row_text(template->text, summary ? (template->summary ?: "") : NULL, cached ? &st : NULL,
		 &ret->text);
	json_t *object = json_pack("{s:s s:s s:b s:s?}", "kind", "os", "name", template->text,
				   "cached", cached, "summary", template->summary);
	if (cached)
		json_object_set_new(object, "built", json_integer(st.st_mtim.tv_sec));
	json_array_append_new(ret->json, object);
}

static void application_row(struct app *app, const struct template *template, const char *name,
			    struct command_result *ret)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(application_freep) struct application *application = NULL;
	struct template_source source = app_template_source(app);

	if (application_load(&source, template, name, &application, &err) < 0) {
		report_warning(app->report, name, "%s", err.message);
		return;
	}
	/* Below its OS template, as in OpenVZ's lists. */
	if (summary)
		strbuf_addf(&ret->text, "%20s%-14s :%s\n", "", name, application->summary ?: "");
	else
		strbuf_addf(&ret->text, "%20s%s\n", "", name);
	json_array_append_new(ret->json, json_pack("{s:s s:s s:s s:s?}", "kind", "application",
						   "name", name, "template", template->text,
						   "summary", application->summary));
}

/*
 * A template that cannot be loaded is a warning: one mistake must not hide all the others. All sets of a release have the same
 * applications: they stand below the first, `release` being that of the row before.
 */
static void rows(struct app *app, const char *name, char **release, struct command_result *ret)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(template_freep) struct template *template = NULL;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	struct template_source source = app_template_source(app);

	if (app_template(app, name, &template, &err) < 0) {
		report_warning(app->report, name, "%s", err.message);
		return;
	}
	if (!applications_only)
		os_row(app, template, ret);
	autofree char *this = xasprintf("%s-%s", template->name.os, template->name.release);
	bool first = !*release || strcmp(*release, this) != 0;
	if (first && !os_only && !cached_only)
		application_list(&source, template, &names);
	free(*release);
	*release = steal_ptr(this);
	for (size_t i = 0; i < names.count; i++)
		application_row(app, template, names.items[i], ret);
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
	if (!applications_only)
		ve_row(ctid, "os", template ? template->text : config.ostemplate, version, ret);
	if (os_only)
		return 0;
	application_recorded(&config.conf, &names);
	for (size_t i = 0; i < names.count; i++)
		ve_row(ctid, "application", names.items[i], version, ret);
	return 0;
}

/* ---------------------------------------------------------------------------------------------------------------- */

/* ---- VEs on old layers ------------------------------------------------------------------------------------------ */

/* The generation whose layer it is; 0 if none that is kept. *ret_current: the number of the current one. */
static unsigned generation_of(const struct app *app, const char *name, const char *layer,
			      unsigned *ret_current)
{
	const char *dir = app->host.template_dir;
	autofree struct generation *list = NULL;
	size_t count = 0;
	unsigned found = 0;

	*ret_current = 0;
	if (generation_list(dir, name, &list, &count, NULL) < 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		AUTO(manifest_release) json_t *manifest = NULL;
		if (list[i].current)
			*ret_current = list[i].number;
		/* Equal tarballs of two generations have one layer: the current one counts. */
		if (generation_manifest(dir, name, list[i].number, &manifest, NULL) == 0 &&
		    strcmp(manifest_gzip(manifest), layer) == 0 && (!found || list[i].current))
			found = list[i].number;
	}
	return found;
}

/*
 * The same, of the OS template's cache or else of one with applications: the VE's configuration does not say of which it was made,
 * since what it has may change. *ret_name, to be freed, is whose generation it is.
 */
static unsigned generation_of_any(const struct app *app, const struct layer_user *user,
				  char **ret_name, unsigned *ret_current)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	size_t length = strlen(user->ostemplate);
	unsigned number = generation_of(app, user->ostemplate, user->layer, ret_current);

	*ret_name = xstrdup(user->ostemplate);
	if (number || generation_names(app->host.template_dir, &names, NULL) < 0)
		return number;
	for (size_t i = 0; i < names.count; i++) {
		unsigned current;
		if (strncmp(names.items[i], user->ostemplate, length) != 0 ||
		    names.items[i][length] != '+')
			continue;
		number = generation_of(app, names.items[i], user->layer, &current);
		if (!number)
			continue;
		*ret_current = current;
		free(*ret_name);
		*ret_name = xstrdup(names.items[i]);
		return number;
	}
	return 0;
}

/* Of a template without a cache nothing is newer than the layer. */
static void old_layer_row(struct app *app, const struct layer_user *user,
			  const struct strvec *wanted, struct command_result *ret)
{
	autofree char *name = NULL;
	unsigned current;

	if (!user->ostemplate || (wanted->count && !strvec_contains(wanted, user->ostemplate)))
		return;
	unsigned number = generation_of_any(app, user, &name, &current);
	if (!current || number == current)
		return;
	autofree char *generation = number ? xasprintf("@%u", number) : xstrdup("");
	strbuf_addf(&ret->text, "%10u %-20s %s%s%s\n", user->ctid, user->name ?: "-", name,
		    generation, number ? "" : " (no longer kept)");
	json_array_append_new(ret->json,
			      json_pack("{s:I s:s? s:s s:I s:I s:s}", "ctid",
					(json_int_t)user->ctid, "name", user->name, "template",
					name, "generation", (json_int_t)number, "current",
					(json_int_t)current, "layer", user->layer));
}

static int old_layer_rows(struct app *app, const struct strvec *operands,
			  struct command_result *ret, struct error *err)
{
	AUTO(layer_users_release) struct layer_users users = LAYER_USERS_INIT;
	AUTO(strvec_release) struct strvec wanted = STRVEC_INIT;
	size_t unread;

	for (size_t i = 0; i < operands->count; i++) {
		AUTO(template_freep) struct template *template = NULL;
		if (app_template(app, operands->items[i], &template, err) < 0)
			return -1;
		strvec_push(&wanted, template->text);
	}
	if (layer_users_load(&app->host, &users, &unread, err) < 0)
		return -1;
	for (size_t i = 0; i < users.count; i++)
		old_layer_row(app, &users.items[i], &wanted, ret);
	if (unread)
		report_warning(app->report, NULL, "the configurations of %zu VEs cannot be read",
			       unread);
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
	autofree char *release = NULL;
	unsigned ctid;

	if (is_ve(app, word))
		return ctid_find(&app->host, word, &ctid, err) < 0 ? -1
								   : ve_rows(app, ctid, ret, err);
	if (app_template(app, word, &template, err) < 0)
		return -1;
	rows(app, template->text, &release, ret);
	return 0;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	struct template_source source = app_template_source(app);
	autofree char *release = NULL;

	ret->json = json_array();
	if (old_layers)
		return old_layer_rows(app, operands, ret, err);
	if (operands->count && (packages_wanted || foreign_wanted))
		return ve_packages(app, operands, foreign_wanted, ret, err);
	for (size_t i = 0; i < operands->count; i++)
		if (named(app, operands->items[i], ret, err) < 0)
			return -1;
	if (operands->count)
		return 0;
	if (packages_wanted || foreign_wanted) {
		error_set(err, ERROR_USAGE, "no VE is named");
		return error_hint(err, "\"vzlist -a\" lists the VEs; \"vzpkg resolve TEMPLATE\" "
				       "shows the packages of a template");
	}
	if (template_list(&source, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		rows(app, names.items[i], &release, ret);
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
