/*
 * vzpkg info: the fields of a template. Their names and the shape of the text are OpenVZ's, since
 * libvzctl and scripts read them: "field:", then a tab and a value a line; one field alone is bare.
 */
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "image/name.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_config.h"
#include "vzpkg/application.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cmd/application.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/cmd/technology.h"

static struct os_request request;
static const char *fs_type, *image_format, *for_os;

static const struct option_row options[] = {
	{ "ostemplate", 0, OPTION_STRING, &request.os_template, "TEMPLATE",
	  "without operands: print the tarball that a VE of this template is made from" },
	{ "config", 0, OPTION_STRING, &request.sample, "NAME",
	  "… and the applications that ve-NAME.conf-sample wants beside it" },
	{ "for-os", 'F', OPTION_STRING, &for_os, "TEMPLATE|VE",
	  "the first operand is an application template of that OS template, or of the VE's" },
	{ "vefstype", 0, OPTION_STRING, &fs_type, "TYPE", NULL },
	{ "veimgfmt", 0, OPTION_STRING, &image_format, "FORMAT", NULL },
	{ NULL },
};

struct subject {
	const struct app *app;
	const struct template *template;
	const struct application
		*application; /* of it; NULL: the OS template is what is asked about */
};

struct field {
	const char *name;
	void (*values)(const struct subject *subject, struct strvec *values);
};

static void push(struct strvec *values, const char *text)
{
	if (text && *text)
		strvec_push(values, text);
}

static void push_all(struct strvec *values, const struct strvec *from)
{
	for (size_t i = 0; i < from->count; i++)
		strvec_push(values, from->items[i]);
}

static void name(const struct subject *s, struct strvec *values)
{
	strvec_push(values, s->template->text);
}

static void osname(const struct subject *s, struct strvec *values)
{
	strvec_push(values, s->template->name.os);
}

static void version(const struct subject *s, struct strvec *values)
{
	strvec_push(values, s->template->name.release);
}

static void arch(const struct subject *s, struct strvec *values)
{
	strvec_push(values, s->template->name.arch);
}

static void set(const struct subject *s, struct strvec *values)
{
	strvec_push(values, s->template->name.set);
}

static void config_path(const struct subject *s, struct strvec *values)
{
	push(values, s->template->config_path);
}

static void summary(const struct subject *s, struct strvec *values)
{
	push(values, s->template->summary);
}

static void description(const struct subject *s, struct strvec *values)
{
	push(values, s->template->description);
}

static void packages(const struct subject *s, struct strvec *values)
{
	push_all(values, &s->template->packages);
}

static void repositories(const struct subject *s, struct strvec *values)
{
	for (size_t i = 0; i < s->template->repository_count; i++)
		if (s->template->repositories[i].url)
			strvec_push(values, s->template->repositories[i].text);
}

static void mirrorlist(const struct subject *s, struct strvec *values)
{
	for (size_t i = 0; i < s->template->repository_count; i++)
		if (!s->template->repositories[i].url)
			strvec_push(values, s->template->repositories[i].text);
}

static void package_manager_type(const struct subject *s, struct strvec *values)
{
	strvec_push(values, s->template->format == PACKAGE_DEB ? "dpkg" : "rpm");
}

static void distribution(const struct subject *s, struct strvec *values)
{
	push(values, s->template->distribution);
}

static void technologies(const struct subject *s, struct strvec *values)
{
	strvec_push(values, s->template->name.arch);
}

static void environment(const struct subject *s, struct strvec *values)
{
	push_all(values, &s->template->environment);
}

static void upgradable_versions(const struct subject *s, struct strvec *values)
{
	push_all(values, &s->template->upgradable_versions);
}

static void osrelease(const struct subject *s, struct strvec *values)
{
	push(values, s->template->osrelease);
}

static void jquota(const struct subject *s, struct strvec *values)
{
	push(values, s->template->jquota ?: "yes");
}

static void cached(const struct subject *s, struct strvec *values)
{
	bool there = generation_current(s->app->host.template_dir, s->template->text, NULL);
	strvec_push(values, there ? "yes" : "no");
}

static void cache_file(const struct subject *s, struct strvec *values)
{
	if (generation_current(s->app->host.template_dir, s->template->text, NULL))
		strvec_pushf(values, "%s/cache/%s.tar.gz", s->app->host.template_dir,
			     s->template->text);
}

static const struct field fields[] = {
	{ "name", name },
	{ "osname", osname },
	{ "version", version },
	{ "arch", arch },
	{ "set", set },
	{ "config_path", config_path },
	{ "summary", summary },
	{ "description", description },
	{ "packages", packages },
	{ "repositories", repositories },
	{ "mirrorlist", mirrorlist },
	{ "package_manager", package_manager_type },
	{ "package_manager_type", package_manager_type },
	{ "distribution", distribution },
	{ "technologies", technologies },
	{ "environment", environment },
	{ "upgradable_versions", upgradable_versions },
	{ "osrelease", osrelease },
	{ "jquota", jquota },
	{ "cached", cached },
	{ "cache_file", cache_file },
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

/* ---- of an application template ---------------------------------------------------------------------------- */

static void application_name(const struct subject *s, struct strvec *values)
{
	strvec_push(values, s->application->name);
}

static void application_path(const struct subject *s, struct strvec *values)
{
	strvec_push(values, s->application->path);
}

static void application_summary(const struct subject *s, struct strvec *values)
{
	push(values, s->application->summary);
}

static void application_description(const struct subject *s, struct strvec *values)
{
	push(values, s->application->description);
}

static void application_packages(const struct subject *s, struct strvec *values)
{
	push_all(values, &s->application->packages);
}

static void application_requires(const struct subject *s, struct strvec *values)
{
	push_all(values, &s->application->requires);
}

static void application_repositories(const struct subject *s, struct strvec *values)
{
	for (size_t i = 0; i < s->application->repository_count; i++)
		if (s->application->repositories[i].url)
			strvec_push(values, s->application->repositories[i].text);
}

static void application_mirrorlist(const struct subject *s, struct strvec *values)
{
	for (size_t i = 0; i < s->application->repository_count; i++)
		if (!s->application->repositories[i].url)
			strvec_push(values, s->application->repositories[i].text);
}

static void application_scripts(const struct subject *s, struct strvec *values)
{
	for (size_t i = 0; i < SCRIPT_KINDS; i++) {
		push(values, s->application->scripts[i]);
		push(values, s->application->host_scripts[i]);
	}
}

static const struct field application_fields[] = {
	{ "name", application_name },
	{ "osname", osname },
	{ "version", version },
	{ "arch", arch },
	{ "config_path", application_path },
	{ "summary", application_summary },
	{ "description", application_description },
	{ "packages", application_packages },
	{ "requires", application_requires },
	{ "repositories", application_repositories },
	{ "mirrorlist", application_mirrorlist },
	{ "scripts", application_scripts },
	{ "package_manager", package_manager_type },
	{ "package_manager_type", package_manager_type },
	{ "distribution", distribution },
};

enum { APPLICATION_FIELD_COUNT = sizeof(application_fields) / sizeof(application_fields[0]) };

/* ------------------------------------------------------------------------------------------------------------- */

static const struct field *fields_of(const struct subject *subject, size_t *ret_count)
{
	*ret_count = subject->application ? (size_t)APPLICATION_FIELD_COUNT : (size_t)FIELD_COUNT;
	return subject->application ? application_fields : fields;
}

static const struct field *field_find(const struct subject *subject, const char *word,
				      struct error *err)
{
	const char *names[FIELD_COUNT + 1] = { NULL };
	size_t count;
	const struct field *table = fields_of(subject, &count);

	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].name, word) == 0)
			return &table[i];
		names[i] = table[i].name;
	}
	error_set(err, ERROR_USAGE, "\"%s\" is not a field of a template", word);
	const char *near = nearest_word(word, names);
	if (near)
		error_hint(err, "did you mean \"%s\"?", near);
	else
		error_hint(err, "\"vzpkg info TEMPLATE\" shows all fields");
	return NULL;
}

static void add(const struct subject *subject, const struct field *field, bool bare,
		struct command_result *ret)
{
	AUTO(strvec_release) struct strvec values = STRVEC_INIT;
	json_t *array = json_array();

	field->values(subject, &values);
	if (!bare)
		strbuf_addf(&ret->text, "%s:\n", field->name);
	for (size_t i = 0; i < values.count; i++) {
		strbuf_addf(&ret->text, "%s%s\n", bare ? "" : "\t", values.items[i]);
		json_array_append_new(array, json_string(values.items[i]));
	}
	json_object_set_new(ret->json, field->name, array);
}

/* ---- which tarball ------------------------------------------------------------------------------------------ */

static bool holds_all(const struct strvec *list, const struct strvec *of)
{
	for (size_t i = 0; i < of->count; i++)
		if (!strvec_contains(list, of->items[i]))
			return false;
	return true;
}

/* Those that were asked for, and what they require. */
static void add_baked(const struct app *app, const char *cache, struct strvec *baked)
{
	AUTO(manifest_release) json_t *manifest = NULL;

	free(template_name_split(cache, baked));
	generation_current(app->host.template_dir, cache, &manifest);
	manifest_applications(manifest, baked);
}

/* Of the caches that have none but the wanted applications the one that has most of them, to be freed: maybe the OS template's
 * own; NULL if there is not even that. */
static char *best_cache(const struct app *app, const struct template *template,
			const struct strvec *wanted, struct error *err)
{
	AUTO(strvec_release) struct strvec caches = STRVEC_INIT;
	char *best = NULL;
	size_t most = 0;

	if (generation_current(app->host.template_dir, template->text, NULL))
		best = xstrdup(template->text);
	if (wanted->count && application_caches(app, template, &caches, err) < 0) {
		free(best);
		return NULL;
	}
	for (size_t i = 0; i < caches.count; i++) {
		AUTO(strvec_release) struct strvec has = STRVEC_INIT;
		free(template_name_split(caches.items[i], &has));
		if (!holds_all(wanted, &has) || has.count <= most)
			continue;
		free(best);
		best = xstrdup(caches.items[i]);
		most = has.count;
	}
	return best;
}

/* What libvzctl asks before it makes a VE: the tarball's path, then the applications that are not in it. */
static int tarball(struct app *app, struct command_result *ret, struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT, baked = STRVEC_INIT;
	json_t *array = json_array();

	ret->json = json_pack("{s:o}", "applications", array);
	if (technology_check(fs_type, image_format, err) < 0 ||
	    os_request_load(&request, app, &template, &names, err) < 0)
		return -1;
	autofree char *cache = best_cache(app, template, &names, err);
	if (!cache && err->kind == ERROR_NONE) {
		error_set(err, ERROR_NOT_CACHED, "%s has no cache", template->text);
		error_subject(err, "%s", template->text);
		error_hint(err, "\"vzpkg create-cache %s\" builds it", template->text);
	}
	if (!cache)
		return -1;
	autofree char *path = xasprintf("%s/cache/%s.tar.gz", app->host.template_dir, cache);
	json_object_set_new(ret->json, "path", json_string(path));
	strbuf_addf(&ret->text, "%s\n", path);
	add_baked(app, cache, &baked);
	for (size_t i = 0; i < names.count; i++) {
		if (strvec_contains(&baked, names.items[i]))
			continue;
		strbuf_addf(&ret->text, "%s\n", names.items[i]);
		json_array_append_new(array, json_string(names.items[i]));
	}
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

/* The OS template that -F means; the caller owns it. */
static int load_scope(struct app *app, struct template **ret, struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	unsigned ctid;

	if (for_os[strspn(for_os, "0123456789")] && !ctid_of_name(&app->host, for_os, &ctid))
		return app_template(app, for_os, ret, err);
	if (ctid_find(&app->host, for_os, &ctid, err) < 0 ||
	    ve_config_load(&app->host, ctid, &config, err) < 0)
		return -1;
	if (config.ostemplate)
		return app_template(app, config.ostemplate, ret, err);
	error_set(err, ERROR_NO_TEMPLATE, "the VE %u has no OS template", ctid);
	return error_hint(err, "its configuration has no OSTEMPLATE");
}

static int show(const struct subject *subject, const struct strvec *operands,
		struct command_result *ret, struct error *err)
{
	size_t count;
	const struct field *table = fields_of(subject, &count);

	ret->json = json_object();
	for (size_t i = 1; i < operands->count; i++) {
		const struct field *field = field_find(subject, operands->items[i], err);
		if (!field)
			return -1;
		add(subject, field, operands->count == 2, ret);
	}
	for (size_t i = 0; operands->count == 1 && i < count; i++)
		add(subject, &table[i], false, ret);
	return 0;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(application_freep) struct application *application = NULL;
	struct template_source source = app_template_source(app);
	struct subject subject = { .app = app };

	if (!operands->count && for_os)
		return error_set(err, ERROR_USAGE, "-F: no application template is named");
	if (!operands->count)
		return tarball(app, ret, err);
	if (for_os ? load_scope(app, &template, err) < 0 ||
			     application_load(&source, template, operands->items[0], &application,
					      err) < 0
		   : app_template(app, operands->items[0], &template, err) < 0)
		return -1;
	subject.template = template;
	subject.application = application;
	return show(&subject, operands, ret, err);
}

const struct command command_info = {
	.name = "info",
	.operands = "TEMPLATE [FIELD…]",
	.operands_max = FIELD_COUNT + 1,
	.summary = "Shows a template's fields, or which tarball a VE is made from",
	.options = options,
	.run = run,
};
