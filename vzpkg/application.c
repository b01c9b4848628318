#include "vzpkg/application.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/option.h"
#include "vzpkg/application_load.h"
#include "vzpkg/template_digest.h"
#include "vzpkg/template_load.h"
#include "vzpkg/template_parse.h"
#include "vzpkg/template_repository.h"
#include "vzpkg/template_trust.h"

enum { NAME_LENGTH_MAX = 64 };

static const char host_suffix[] = "-hn"; /* OpenVZ's: on the hardware node */

static const enum template_script script_kinds[] = {
	SCRIPT_PRE_INSTALL, SCRIPT_POST_INSTALL, SCRIPT_PRE_UPDATE,
	SCRIPT_POST_UPDATE, SCRIPT_PRE_REMOVE,   SCRIPT_POST_REMOVE,
};

enum { SCRIPT_COUNT = sizeof(script_kinds) / sizeof(*script_kinds) };

/* ---- names ---------------------------------------------------------------------------------------------- */

bool application_name_is_good(const char *name)
{
	if (!isalnum((unsigned char)*name) || strlen(name) > NAME_LENGTH_MAX)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	return true;
}

bool application_has_script(enum template_script kind)
{
	for (size_t i = 0; i < SCRIPT_COUNT; i++)
		if (script_kinds[i] == kind)
			return true;
	return false;
}

enum template_script application_host_script(const char *file)
{
	for (size_t i = 0; i < SCRIPT_COUNT; i++) {
		const char *name = template_script_name(script_kinds[i]);
		size_t length = strlen(name);
		if (strncmp(file, name, length) == 0 && strcmp(file + length, host_suffix) == 0)
			return script_kinds[i];
	}
	return SCRIPT_KINDS;
}

void application_folders(const struct strvec *levels, struct strvec *names)
{
	for (size_t i = 0; i < levels->count; i++) {
		autofree char *folder = xasprintf("%s/app", levels->items[i]);
		autoclosedir DIR *dir = opendir(folder);
		struct dirent *entry;
		while (dir && (entry = readdir(dir)))
			if (entry->d_name[0] != '.' && !strvec_contains(names, entry->d_name))
				strvec_push(names, entry->d_name);
	}
	strvec_sort(names);
}

void application_list(const struct template_source *source, const struct template *template,
		      struct strvec *names)
{
	AUTO(strvec_release) struct strvec levels = STRVEC_INIT, folders = STRVEC_INIT;

	template_levels(source, &template->name, &levels);
	application_folders(&levels, &folders);
	for (size_t i = 0; i < folders.count; i++)
		if (application_name_is_good(folders.items[i]))
			strvec_push(names, folders.items[i]);
}

/* ---- its files ------------------------------------------------------------------------------------------- */

static int take_requires(struct loader *loader, struct application *application)
{
	AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;

	if (read_config(loader, "requires", &file) < 0)
		return -1;
	application->requires_lines = xcalloc(file.count + 1, sizeof(*application->requires_lines));
	application->requires_file = xstrdup_or_null(file.path);
	for (size_t i = 0; i < file.count; i++) {
		const char *name = file.lines[i].text;
		if (!application_name_is_good(name)) {
			if (mistake(loader, file.path, file.lines[i].number,
				    "write one name on a line",
				    "\"%s\" is not the name of an application template", name) < 0)
				return -1;
			continue;
		}
		application->requires_lines[application->requires.count] = file.lines[i].number;
		strvec_push(&application->requires, name);
	}
	return 0;
}

/* Those of the OS template that mean the same here. A file that is not there is none, */
static bool is_of_applications(const struct loader *loader, const char *name)
{
	static const char *const names[] = { "mirrorlist", "repositories", "trust", "summary",
					     "description" };
	const struct strvec *given = loader->source->repositories;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i], name) == 0)
			return i > 1 || !given || !given->count;
	return false;
}

static int load_kinds(struct loader *loader)
{
	for (const struct config_kind *kind = config_kinds; kind->name; kind++) {
		AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;
		if (!is_of_applications(loader, kind->name))
			continue;
		if (read_config(loader, kind->name, &file) < 0 ||
		    (file.path && kind->take(loader, &file) < 0))
			return -1;
	}
	return 0;
}

static int load_packages(struct loader *loader, struct application *application)
{
	AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;

	if (take_requires(loader, application) < 0 || read_config(loader, "packages", &file) < 0)
		return -1;
	if (file.path)
		return take_packages(loader, &file);
	if (application->requires.count)
		return 0;
	return mistake(loader, loader->levels.items[0], 0,
		       "write a package a line into the file packages",
		       "there is neither a file packages nor a file requires");
}

static void load_scripts(struct loader *loader, struct application *application)
{
	const char *allowed =
		conf_get_default(loader->source->variables, "ALLOW_HOST_SCRIPTS", "no");

	for (size_t i = 0; i < SCRIPT_COUNT; i++) {
		enum template_script kind = script_kinds[i];
		const char *name = template_script_name(kind);
		autofree char *host_name = xasprintf("%s%s", name, host_suffix);
		autofree char *path = find_config(loader, host_name);
		loader->template->scripts[kind] = find_config(loader, name);
		if (path && strcmp(allowed, "yes") == 0)
			application->host_scripts[kind] = steal_ptr(path);
		else if (path)
			application->host_scripts_ignored = true;
	}
}

static int load_parts(struct loader *loader, struct application *application)
{
	autofree char *keys = find_config(loader, "gpgkeys");

	if (load_packages(loader, application) < 0 || load_kinds(loader) < 0)
		return -1;
	if (keys)
		find_keys(loader, keys, &loader->template->key_files);
	load_scripts(loader, application);
	return compute_digest(loader);
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static int no_such(const struct loader *loader, const struct template *template, const char *name)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	const char *near;

	application_list(loader->source, template, &names);
	error_set(loader->err, ERROR_NO_TEMPLATE, "%s has no application template \"%s\"",
		  template->text, name);
	error_subject(loader->err, "%s", name);
	if (!names.count)
		return error_hint(loader->err, "application templates are folders app/NAME in %s",
				  template->config_path);
	near = nearest_word(name, (const char *const *)names.items);
	if (near)
		return error_hint(loader->err, "did you mean \"%s\"?", near);
	return error_hint(loader->err, "\"vzpkg list -A %s\" shows which it has", template->text);
}

static void find_levels(struct loader *loader, const struct template *template, const char *name)
{
	AUTO(strvec_release) struct strvec levels = STRVEC_INIT;

	if (!application_name_is_good(name))
		return;
	template_levels(loader->source, &template->name, &levels);
	for (size_t i = 0; i < levels.count; i++) {
		char *path = xasprintf("%s/app/%s", levels.items[i], name);
		if (access(path, F_OK) == 0)
			strvec_take(&loader->levels, path);
		else
			free(path);
	}
}

/* What the readers of an OS template's files look at. */
static void set_scratch(struct template *scratch, const struct template *template, const char *name)
{
	scratch->name = (struct template_name){
		.os = xstrdup(template->name.os),
		.release = xstrdup(template->name.release),
		.arch = template->name.arch,
		.set = xstrdup(template->name.set),
	};
	scratch->text = xasprintf("+%s", name);
	scratch->format = template->format;
	scratch->arch_word = template->arch_word;
}

static void take_over(struct application *application, struct template *scratch)
{
	application->summary = steal_ptr(scratch->summary);
	application->description = steal_ptr(scratch->description);
	application->packages = scratch->packages;
	application->excluded = scratch->excluded;
	application->key_files = scratch->key_files;
	scratch->packages = scratch->excluded = scratch->key_files = STRVEC_INIT;
	application->repositories = steal_ptr(scratch->repositories);
	application->repository_count = scratch->repository_count;
	application->trust = steal_ptr(scratch->trust);
	application->trust_count = scratch->trust_count;
	scratch->repository_count = scratch->trust_count = 0;
	for (size_t i = 0; i < SCRIPT_KINDS; i++)
		application->scripts[i] = steal_ptr(scratch->scripts[i]);
	application->digest = scratch->digest;
}

int application_load_into(struct loader *loader, const struct template *template, const char *name,
			  struct application *application)
{
	find_levels(loader, template, name);
	if (!loader->levels.count)
		return no_such(loader, template, name);
	set_scratch(loader->template, template, name);
	application->name = xstrdup(name);
	application->path = xstrdup(loader->levels.items[0]);
	return load_parts(loader, application);
}

int application_load_named(const struct template_source *source, const struct template *template,
			   const char *name, struct application **ret, struct error *err)
{
	AUTO(application_freep) struct application *application = xcalloc(1, sizeof(*application));
	AUTO(template_freep) struct template *scratch = xcalloc(1, sizeof(*scratch));
	AUTO(loader_release)
	struct loader loader = { .source = source, .template = scratch, .err = err };

	if (application_load_into(&loader, template, name, application) < 0)
		return -1;
	take_over(application, scratch);
	*ret = steal_ptr(application);
	return 0;
}

int application_load(const struct template_source *source, const struct template *template,
		     const char *name, struct application **ret, struct error *err)
{
	/* OpenVZ's mark of a template. */
	return application_load_named(source, template, name + (*name == '.'), ret, err);
}

void application_free(struct application *application)
{
	if (!application)
		return;
	for (size_t i = 0; i < application->repository_count; i++)
		repository_release(&application->repositories[i]);
	for (size_t i = 0; i < application->trust_count; i++) {
		free(application->trust[i].fingerprint);
		free(application->trust[i].file);
	}
	for (size_t i = 0; i < SCRIPT_KINDS; i++) {
		free(application->scripts[i]);
		free(application->host_scripts[i]);
	}
	free(application->repositories);
	free(application->trust);
	strvec_release(&application->packages);
	strvec_release(&application->excluded);
	strvec_release(&application->requires);
	strvec_release(&application->key_files);
	free(application->requires_file);
	free(application->requires_lines);
	free(application->name);
	free(application->summary);
	free(application->description);
	free(application->path);
	free(application);
}

void application_freep(struct application **application)
{
	application_free(*application);
	*application = NULL;
}
