/*
 * vzpkg info: the fields of a template. Their names and the shape of the text are OpenVZ's, since
 * libvzctl and scripts read them: "field:", then a tab and a value a line; one field alone is bare.
 */
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cmd/application.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/technology.h"

static struct os_request request;
static const char *fs_type, *image_format;

static const struct option_row options[] = {
	{ "ostemplate", 0, OPTION_STRING, &request.os_template, "TEMPLATE",
	  "without operands: print the tarball that a VE of this template is made from" },
	{ "config", 0, OPTION_STRING, &request.sample, "NAME",
	  "… and the applications that ve-NAME.conf-sample wants beside it" },
	{ "vefstype", 0, OPTION_STRING, &fs_type, "TYPE", NULL },
	{ "veimgfmt", 0, OPTION_STRING, &image_format, "FORMAT", NULL },
	{ NULL },
};

struct subject {
	const struct app *app;
	const struct template *template;
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

static const struct field *field_find(const char *word, struct error *err)
{
	const char *names[FIELD_COUNT + 1] = { NULL };
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (strcmp(fields[i].name, word) == 0)
			return &fields[i];
		names[i] = fields[i].name;
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

/* What libvzctl asks before it makes a VE: the tarball's path, then the applications that are not in it. */
static int tarball(struct app *app, struct command_result *ret, struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	AUTO(strvec_release) struct strvec values = STRVEC_INIT;
	json_t *array = json_array();

	ret->json = json_pack("{s:o}", "applications", array);
	if (technology_check(fs_type, image_format, err) < 0 ||
	    os_request_load(&request, app, &template, &names, err) < 0)
		return -1;
	struct subject subject = { .app = app, .template = template };
	cache_file(&subject, &values);
	if (!values.count) {
		error_set(err, ERROR_NOT_CACHED, "%s has no cache", template->text);
		error_subject(err, "%s", template->text);
		return error_hint(err, "\"vzpkg create-cache %s\" builds it", template->text);
	}
	json_object_set_new(ret->json, "path", json_string(values.items[0]));
	strbuf_addf(&ret->text, "%s\n", values.items[0]);
	for (size_t i = 0; i < names.count; i++) {
		strbuf_addf(&ret->text, "%s\n", names.items[i]);
		json_array_append_new(array, json_string(names.items[i]));
	}
	return 0;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	if (!operands->count)
		return tarball(app, ret, err);
	if (app_template(app, operands->items[0], &template, err) < 0)
		return -1;
	struct subject subject = { .app = app, .template = template };

	ret->json = json_object();
	for (size_t i = 1; i < operands->count; i++) {
		const struct field *field = field_find(operands->items[i], err);
		if (!field)
			return -1;
		add(&subject, field, operands->count == 2, ret);
	}
	for (size_t i = 0; operands->count == 1 && i < FIELD_COUNT; i++)
		add(&subject, &fields[i], false, ret);
	return 0;
}

const struct command command_info = {
	.name = "info",
	.operands = "TEMPLATE [FIELD…]",
	.operands_max = FIELD_COUNT + 1,
	.summary = "Shows a template's fields, or which tarball a VE is made from",
	.options = options,
	.run = run,
};
