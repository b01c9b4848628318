#include "vzpkg/template.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "vzpkg/template_digest.h"
#include "vzpkg/template_file.h"
#include "vzpkg/template_load.h"
#include "vzpkg/template_parse.h"
#include "vzpkg/template_repository.h"
#include "vzpkg/template_sets.h"
#include "vzpkg/template_trust.h"

static const char *const script_names[SCRIPT_KINDS] = {
	[SCRIPT_PRE_CACHE] = "pre-cache",
	[SCRIPT_POST_CACHE] = "post-cache",
	[SCRIPT_PRE_INSTALL] = "pre-install",
	[SCRIPT_MID_PRE_INSTALL] = "mid-pre-install",
	[SCRIPT_MID_POST_INSTALL] = "mid-post-install",
	[SCRIPT_POST_INSTALL] = "post-install",
	[SCRIPT_PRE_UPDATE] = "pre-update",
	[SCRIPT_POST_UPDATE] = "post-update",
	[SCRIPT_PRE_REMOVE] = "pre-remove",
	[SCRIPT_POST_REMOVE] = "post-remove",
};

const char *template_script_name(enum template_script script)
{
	return script_names[script];
}

static const char *arch_word(enum package_format format, const char *arch)
{
	if (format == PACKAGE_DEB && strcmp(arch, "x86_64") == 0)
		return "amd64";
	if (format == PACKAGE_DEB && strcmp(arch, "aarch64") == 0)
		return "arm64";
	return arch;
}

/* ---- the parts ------------------------------------------------------------------------------------------- */

static bool is_replaced(const struct loader *loader, const struct config_kind *kind)
{
	const struct strvec *given = loader->source->repositories;
	return given && given->count &&
	       (kind->take == take_repositories || kind->take == take_mirrorlist);
}

static int load_kinds(struct loader *loader)
{
	struct template *template = loader->template;

	for (const struct config_kind *kind = config_kinds; kind->name; kind++) {
		AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;
		if (!is_replaced(loader, kind) &&
		    (read_config(loader, kind->name, &file) < 0 || kind->take(loader, &file) < 0))
			return -1;
		template->arch_word = arch_word(template->format, template->name.arch);
	}
	return 0;
}

/* --repository lines. */
static int load_given(struct loader *loader)
{
	const struct strvec *given = loader->source->repositories;
	for (size_t i = 0; given && i < given->count; i++)
		if (add_repository(loader, given->items[i], "--repository", (unsigned)i + 1) < 0)
			return -1;
	return 0;
}

static int no_such_set(struct loader *loader)
{
	const struct template_name *name = &loader->template->name;
	AUTO(strvec_release) struct strvec sets = STRVEC_INIT;
	AUTO(strbuf_release) struct strbuf list = STRBUF_INIT;

	find_sets(loader, &sets);
	for (size_t i = 0; i < sets.count; i++)
		strbuf_addf(&list, "%s\"%s\"", i ? ", " : "", sets.items[i]);
	error_set(loader->err, ERROR_NO_TEMPLATE, "%s-%s has no package set \"%s\"", name->os,
		  name->release, name->set);
	error_subject(loader->err, "%s", loader->template->text);
	if (!sets.count)
		return error_hint(loader->err, "\"vzpkg list\" shows what there is");
	return error_hint(loader->err, "it has %s", list.text);
}

static int load_set(struct loader *loader)
{
	AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;
	autofree char *path = find_set(loader, loader->template->name.set);

	if (!path)
		return no_such_set(loader);
	return read_config_path(loader, path, &file) < 0 ? -1 : take_packages(loader, &file);
}

/* Of all levels, the least specific first, so that a later key wins. */
static int load_environment(struct loader *loader)
{
	AUTO(conf_release) struct conf merged = CONF_INIT;

	for (size_t i = loader->levels.count; i-- > 0;) {
		autofree char *path = xasprintf("%s/environment", loader->levels.items[i]);
		if (access(path, F_OK) == 0 && add_environment(loader, &merged, path) < 0)
			return -1;
	}
	for (size_t i = 0; i < merged.count; i++)
		strvec_pushf(&loader->template->environment, "%s=%s", merged.entries[i].key,
			     merged.entries[i].value);
	return 0;
}

static void load_keys(struct loader *loader)
{
	autofree char *folder = find_config(loader, "gpgkeys");
	if (folder)
		find_keys(loader, folder, &loader->template->key_files);
}

static void load_scripts(struct loader *loader)
{
	for (size_t i = 0; i < SCRIPT_KINDS; i++)
		loader->template->scripts[i] = find_config(loader, script_names[i]);
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

void template_levels(const struct template_source *source, const struct template_name *name,
		     struct strvec *levels)
{
	autofree char *words[] = {
		xasprintf("%s/%s/%s", name->os, name->release, name->arch),
		xasprintf("%s/%s", name->os, name->release),
		xstrdup(name->os),
	};
	for (size_t l = 0; l < 3; l++) {
		for (size_t i = 0; i < source->roots.count; i++) {
			char *path = xasprintf("%s/%s/config", source->roots.items[i], words[l]);
			if (access(path, F_OK) == 0)
				strvec_take(levels, path);
			else
				free(path);
		}
		free(steal_ptr(words[l]));
	}
}

static void find_levels(struct loader *loader)
{
	template_levels(loader->source, &loader->template->name, &loader->levels);
	loader->template->config_path =
		xstrdup(loader->levels.count ? loader->levels.items[0] : "");
}

int template_load_into(struct loader *loader, const char *name)
{
	struct template *template = loader->template;

	if (template_name_resolve(&template->name, name, &loader->source->roots, loader->err) < 0)
		return -1;
	template->text = template_name_text(&template->name);
	find_levels(loader);
	if (!loader->levels.count) /* removed since the name was looked up */
		return error_set(loader->err, ERROR_NO_TEMPLATE, "there is no template %s", name);
	if (load_kinds(loader) < 0 || load_given(loader) < 0 || load_set(loader) < 0 ||
	    load_environment(loader) < 0)
		return -1;
	load_keys(loader);
	load_scripts(loader);
	return compute_digest(loader);
}

void loader_release(struct loader *loader)
{
	strvec_release(&loader->levels);
	strvec_release(&loader->seen);
}

int template_load(const struct template_source *source, const char *name, struct template **ret,
		  struct error *err)
{
	AUTO(template_freep) struct template *template = xcalloc(1, sizeof(*template));
	AUTO(loader_release)
	struct loader loader = { .source = source, .template = template, .err = err };

	if (template_load_into(&loader, name) < 0)
		return -1;
	*ret = steal_ptr(template);
	return 0;
}

static void free_lines(struct template *template)
{
	for (size_t i = 0; i < template->repository_count; i++)
		repository_release(&template->repositories[i]);
	for (size_t i = 0; i < template->trust_count; i++) {
		free(template->trust[i].fingerprint);
		free(template->trust[i].file);
	}
	free(template->repositories);
	free(template->trust);
}

static void free_parts(struct template *template)
{
	for (size_t i = 0; i < template->part_count; i++) {
		for (size_t s = 0; s < SCRIPT_KINDS; s++)
			free(template->parts[i].scripts[s]);
		free(template->parts[i].name);
	}
	free(template->parts);
}

void template_free(struct template *template)
{
	if (!template)
		return;
	free_lines(template);
	free_parts(template);
	for (size_t i = 0; i < SCRIPT_KINDS; i++)
		free(template->scripts[i]);
	strvec_release(&template->packages);
	strvec_release(&template->excluded);
	strvec_release(&template->key_files);
	strvec_release(&template->guest_repositories);
	strvec_release(&template->environment);
	strvec_release(&template->upgradable_versions);
	template_name_release(&template->name);
	free(template->text);
	free(template->summary);
	free(template->description);
	free(template->distribution);
	free(template->osrelease);
	free(template->jquota);
	free(template->config_path);
	free(template);
}

void template_freep(struct template **template)
{
	template_free(*template);
	*template = NULL;
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static void list_release(const struct template_source *source, const char *release,
			 struct strvec *names)
{
	AUTO(template_freep) struct template *template = xcalloc(1, sizeof(*template));
	AUTO(loader_release) struct loader loader = { .source = source, .template = template };
	AUTO(strvec_release) struct strvec sets = STRVEC_INIT;

	if (template_name_resolve(&template->name, release, &source->roots, NULL) < 0)
		return;
	find_levels(&loader);
	find_sets(&loader, &sets);
	for (size_t i = 0; i < sets.count; i++) {
		if (strcmp(sets.items[i], "default") == 0)
			strvec_push(names, release);
		else
			strvec_pushf(names, "%s-%s", release, sets.items[i]);
	}
}

int template_list(const struct template_source *source, struct strvec *names, struct error *err)
{
	AUTO(strvec_release) struct strvec releases = STRVEC_INIT;

	(void)err;
	template_releases(&source->roots, &releases);
	for (size_t i = 0; i < releases.count; i++)
		list_release(source, releases.items[i], names);
	return 0;
}
