#include "vzpkg/application.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "image/name.h"
#include "vzpkg/application_load.h"

/* ---- what they require ------------------------------------------------------------------------------------ */

struct visit {
	struct loader *loader;
	struct application_set *set;
	struct strvec open; /* from the first one to the one that is being loaded */
};

/* Who asks for it; NULL: the caller does. */
struct demand {
	const struct application *by;
	size_t index; /* in its `requires` */
};

static bool is_in(const struct application_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->items[i]->name, name) == 0)
			return true;
	return false;
}

static int circle(const struct visit *visit, const char *name, const struct demand *demand)
{
	AUTO(strbuf_release) struct strbuf path = STRBUF_INIT;
	size_t at = 0;

	while (strcmp(visit->open.items[at], name) != 0)
		at++;
	for (; at < visit->open.count; at++)
		strbuf_addf(&path, "%s requires ", visit->open.items[at]);
	return mistake(visit->loader, demand->by->requires_file,
		       demand->by->requires_lines[demand->index], "remove one of these lines",
		       "a circle: %s%s", path.text, name);
}

static int not_loaded(const struct visit *visit, const char *name, const struct demand *demand,
		      struct error *why)
{
	struct loader *loader = visit->loader;

	if (why->kind == ERROR_NO_TEMPLATE && demand->by)
		return mistake(loader, demand->by->requires_file,
			       demand->by->requires_lines[demand->index],
			       "\"vzpkg list -A TEMPLATE\" shows which there are",
			       "%s has no application template \"%s\"", loader->template->text,
			       name);
	/* A linter reads it by itself. */
	if (why->kind == ERROR_BAD_TEMPLATE && loader->found)
		return 0;
	error_move(loader->err, why);
	return -1;
}

static void append(struct application_set *set, struct application *application)
{
	set->items = xreallocarray(set->items, set->count + 1, sizeof(struct application *));
	set->items[set->count++] = application;
}

static int visit_one(struct visit *visit, const char *name, const struct demand *demand)
{
	AUTO(application_freep) struct application *application = NULL;
	AUTO(error_clear) struct error why = ERROR_INIT;
	struct loader *loader = visit->loader;

	if (is_in(visit->set, name))
		return 0;
	if (strvec_contains(&visit->open, name))
		return circle(visit, name, demand);
	if (application_load_named(loader->source, loader->template, name, &application, &why) < 0)
		return not_loaded(visit, name, demand, &why);
	strvec_push(&visit->open, name);
	for (size_t i = 0; i < application->requires.count; i++) {
		const struct demand next = { .by = application, .index = i };
		if (visit_one(visit, application->requires.items[i], &next) < 0)
			return -1;
	}
	free(visit->open.items[--visit->open.count]);
	visit->open.items[visit->open.count] = NULL;
	append(visit->set, steal_ptr(application));
	return 0;
}

int application_set_add(struct loader *loader, const char *name, struct application_set *set)
{
	struct visit visit = { .loader = loader, .set = set };
	const struct demand nobody = { 0 };
	int ret = visit_one(&visit, name + (*name == '.'), &nobody);

	strvec_release(&visit.open);
	return ret;
}

int application_set_load(const struct template_source *source, const struct template *template,
			 const struct strvec *names, struct application_set *ret, struct error *err)
{
	/* It is only read. */
	struct loader loader = {
		.source = source,
		.template = (struct template *)template,
		.err = err,
	};

	for (size_t i = 0; i < names->count; i++)
		if (application_set_add(&loader, names->items[i], ret) < 0)
			return -1;
	return 0;
}

void application_set_release(struct application_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		application_free(set->items[i]);
	free(set->items);
	*set = APPLICATION_SET_INIT;
}

static void push_once(struct strvec *list, const char *text)
{
	if (!strvec_contains(list, text))
		strvec_push(list, text);
}

void application_wishes(const struct application_set *set, struct strvec *packages)
{
	for (size_t i = 0; i < set->count; i++)
		for (size_t p = 0; p < set->items[i]->packages.count; p++)
			push_once(packages, set->items[i]->packages.items[p]);
}

/* ---- a template with them --------------------------------------------------------------------------------- */

static void push_all(struct strvec *list, const struct strvec *from)
{
	for (size_t i = 0; i < from->count; i++)
		push_once(list, from->items[i]);
}

static void add_repository_copy(struct template *template, const struct template_repository *from)
{
	for (size_t i = 0; i < template->repository_count; i++)
		if (strcmp(template->repositories[i].text, from->text) == 0 &&
		    !template->repositories[i].url == !from->url)
			return;
	struct template_repository copy = {
		.text = xstrdup(from->text),
		.url = xstrdup_or_null(from->url),
		.suite = xstrdup_or_null(from->suite),
		.unsigned_ok = from->unsigned_ok,
		.end_of_life = from->end_of_life,
		.file = xstrdup(from->file),
		.line = from->line,
	};
	push_all(&copy.mirrors, &from->mirrors);
	push_all(&copy.lists, &from->lists);
	push_all(&copy.components, &from->components);
	template->repositories =
		xreallocarray(template->repositories, template->repository_count + 1,
			      sizeof(*template->repositories));
	template->repositories[template->repository_count++] = copy;
}

/* Who has them in common may say the same twice. */
static int add_trust_copy(struct template *template, const struct template_trust *from,
			  struct error *err)
{
	for (size_t i = 0; i < template->trust_count; i++) {
		const struct template_trust *there = &template->trust[i];
		if (strcmp(there->fingerprint, from->fingerprint) != 0)
			continue;
		if (there->expired_ok == from->expired_ok && there->sha1_ok == from->sha1_ok &&
		    there->weak_ok == from->weak_ok)
			return 0;
		error_set(err, ERROR_BAD_TEMPLATE,
			  "%s:%u: the key %s is trusted by other rules in %s:%u", from->file,
			  from->line, from->fingerprint, there->file, there->line);
		error_subject(err, "%s:%u", from->file, from->line);
		return error_hint(err, "give it the same words in both, or leave this line out");
	}
	template->trust =
		xreallocarray(template->trust, template->trust_count + 1, sizeof(*template->trust));
	template->trust[template->trust_count++] = (struct template_trust){
		.fingerprint = xstrdup(from->fingerprint),
		.expired_ok = from->expired_ok,
		.sha1_ok = from->sha1_ok,
		.weak_ok = from->weak_ok,
		.file = xstrdup(from->file),
		.line = from->line,
	};
	return 0;
}

static struct template *copy_template(const struct template *from, struct error *err)
{
	AUTO(template_freep) struct template *copy = xcalloc(1, sizeof(*copy));

	copy->name = (struct template_name){
		.os = xstrdup(from->name.os),
		.release = xstrdup(from->name.release),
		.arch = from->name.arch,
		.set = xstrdup(from->name.set),
	};
	copy->arch_word = from->arch_word;
	copy->format = from->format;
	push_all(&copy->packages, &from->packages);
	push_all(&copy->key_files, &from->key_files);
	push_all(&copy->guest_repositories, &from->guest_repositories);
	push_all(&copy->environment, &from->environment);
	push_all(&copy->upgradable_versions, &from->upgradable_versions);
	for (size_t i = 0; i < from->repository_count; i++)
		add_repository_copy(copy, &from->repositories[i]);
	for (size_t i = 0; i < from->trust_count; i++)
		if (add_trust_copy(copy, &from->trust[i], err) < 0)
			return NULL;
	for (size_t i = 0; i < SCRIPT_KINDS; i++)
		copy->scripts[i] = xstrdup_or_null(from->scripts[i]);
	copy->summary = xstrdup_or_null(from->summary);
	copy->description = xstrdup_or_null(from->description);
	copy->distribution = xstrdup_or_null(from->distribution);
	copy->osrelease = xstrdup_or_null(from->osrelease);
	copy->jquota = xstrdup_or_null(from->jquota);
	copy->config_path = xstrdup(from->config_path);
	return steal_ptr(copy);
}

static void add_part(struct template *template, const struct application *application)
{
	struct template_part part = { .name = xstrdup(application->name) };

	for (size_t i = 0; i < SCRIPT_KINDS; i++)
		part.scripts[i] = xstrdup_or_null(application->scripts[i]);
	template->parts =
		xreallocarray(template->parts, template->part_count + 1, sizeof(*template->parts));
	template->parts[template->part_count++] = part;
}

static int add_application(struct template *template, const struct application *application,
			   struct error *err)
{
	push_all(&template->packages, &application->packages);
	push_all(&template->key_files, &application->key_files);
	for (size_t i = 0; i < application->repository_count; i++)
		add_repository_copy(template, &application->repositories[i]);
	for (size_t i = 0; i < application->trust_count; i++)
		if (add_trust_copy(template, &application->trust[i], err) < 0)
			return -1;
	add_part(template, application);
	return 0;
}

/* What the OS template leaves out on its own account, an application may need; what an application cannot be with, nobody may. */
static int exclude(struct template *template, const struct template *os,
		   const struct application_set *set, struct error *err)
{
	for (size_t i = 0; i < os->excluded.count; i++)
		if (!strvec_contains(&template->packages, os->excluded.items[i]))
			push_once(&template->excluded, os->excluded.items[i]);
	for (size_t i = 0; i < set->count; i++) {
		const struct application *application = set->items[i];
		for (size_t p = 0; p < application->excluded.count; p++) {
			const char *package = application->excluded.items[p];
			push_once(&template->excluded, package);
			if (!strvec_contains(&template->packages, package))
				continue;
			error_set(err, ERROR_BAD_TEMPLATE,
				  "%s/packages: %s excludes the package %s, which is wanted too",
				  application->path, application->name, package);
			error_subject(err, "%s/packages", application->path);
			return error_hint(err, "they cannot be in one VE; remove the line, or do "
					       "not ask for both");
		}
	}
	return 0;
}

static void set_texts(struct template *template, const struct template *os,
		      const struct application_set *set, const struct strvec *named)
{
	AUTO(strvec_release) struct strvec all = STRVEC_INIT;
	AUTO(strbuf_release) struct strbuf list = STRBUF_INIT;

	for (size_t i = 0; i < set->count; i++) {
		strvec_push(&all, set->items[i]->name);
		strbuf_addf(&list, "%s%s", i ? ", " : "", set->items[i]->name);
	}
	template->text = template_name_join(os->text, named ?: &all);
	if (os->summary && set->count) {
		free(template->summary);
		template->summary = xasprintf("%s, with %s", os->summary, list.text);
	}
}

static void set_digest(struct template *template, const struct template *os,
		       const struct application_set *set)
{
	AUTO(hasher_freep) struct hasher *hasher = hasher_new(DIGEST_SHA256);

	/* All of one length, so that none can pass for two others. */
	hasher_update(hasher, os->digest.bytes, digest_size(DIGEST_SHA256));
	for (size_t i = 0; i < set->count; i++)
		hasher_update(hasher, set->items[i]->digest.bytes, digest_size(DIGEST_SHA256));
	hasher_finish(hasher, &template->digest);
}

int application_merge(const struct template *template, const struct application_set *set,
		      const struct strvec *named, struct template **ret, struct error *err)
{
	AUTO(template_freep) struct template *merged = copy_template(template, err);

	if (!merged)
		return -1;
	for (size_t i = 0; i < set->count; i++)
		if (add_application(merged, set->items[i], err) < 0)
			return -1;
	if (exclude(merged, template, set, err) < 0)
		return -1;
	set_texts(merged, template, set, named);
	set_digest(merged, template, set);
	*ret = steal_ptr(merged);
	return 0;
}

int application_template_load(const struct template_source *source, const char *name,
			      struct template **ret, struct error *err)
{
	AUTO(strvec_release) struct strvec named = STRVEC_INIT;
	AUTO(application_set_release) struct application_set set = APPLICATION_SET_INIT;
	AUTO(template_freep) struct template *template = NULL;
	autofree char *os = template_name_split(name, &named);

	if (template_load(source, os, &template, err) < 0)
		return -1;
	if (!named.count) {
		*ret = steal_ptr(template);
		return 0;
	}
	/* One template, in whatever order they are named. */
	strvec_sort(&named);
	if (application_set_load(source, template, &named, &set, err) < 0)
		return -1;
	return application_merge(template, &set, &named, ret, err);
}
