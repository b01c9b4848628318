/*
 * What template_load() does not need to know, but who writes a template does.
 */
#include "vzpkg/template.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "vzpkg/application_load.h"
#include "vzpkg/fetch/key_file.h"
#include "vzpkg/template_file.h"
#include "vzpkg/template_load.h"
#include "vzpkg/template_parse.h"
#include "vzpkg/template_sets.h"
#include "vzpkg/template_trust.h"

enum { SCRIPT_LIMIT = 4 << 20 };

/* Besides those of config_kinds and the scripts. */
static const char *const other_names[] = {
	"packages", "gpgkeys", "environment", "os", "app", "README",
};

static bool is_script(const char *name)
{
	for (size_t i = 0; i < SCRIPT_KINDS; i++)
		if (strcmp(template_script_name(i), name) == 0)
			return true;
	return false;
}

static bool is_known(const char *name)
{
	size_t length = strlen(name);
	for (const struct config_kind *kind = config_kinds; kind->name; kind++)
		if (strcmp(kind->name, name) == 0)
			return true;
	for (size_t i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++)
		if (strcmp(other_names[i], name) == 0)
			return true;
	return is_script(name) || (length > 5 && strcmp(name + length - 5, ".list") == 0);
}

/* ---- files by name --------------------------------------------------------------------------------------- */

static void check_script(struct loader *loader, const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct stat st;

	if (read_whole(loader, path, SCRIPT_LIMIT, &text) <= 0)
		return;
	if (stat(path, &st) == 0 && !(st.st_mode & 0111))
		mistake(loader, path, 0, NULL, "the script has no run bit; chmod +x it");
	if (strncmp(text.text, "#!", 2) != 0)
		mistake(loader, path, 1, NULL, "the script does not begin with \"#!\"");
	else if (memchr(text.text, '\r', strcspn(text.text, "\n")))
		mistake(loader, path, 1, NULL, "the lines end in CR LF");
}

struct naming {
	bool (*is_known)(const char *name);
	bool (*is_script)(const char *name);
};

static const struct naming os_naming = { is_known, is_script };

static void check_names(struct loader *loader, const char *level, const struct naming *naming)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	autoclosedir DIR *dir = opendir(level);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			strvec_push(&names, entry->d_name);
	strvec_sort(&names);
	for (size_t i = 0; i < names.count; i++) {
		autofree char *path = xasprintf("%s/%s", level, names.items[i]);
		if (!naming->is_known(names.items[i]))
			remark(loader, path, 0, "nothing reads a file of this name");
		else if (naming->is_script(names.items[i]))
			check_script(loader, path);
	}
}

/* ---- what the load passed over: lower levels, other sets --------------------------------------------- */

/* Into a template of its own, which is thrown away. */
static void check_file(struct loader *loader, const char *path, config_take *take)
{
	AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;
	AUTO(template_freep) struct template *scratch = xcalloc(1, sizeof(*scratch));
	struct template *template = loader->template;
	struct stat st;

	if (strvec_contains(&loader->seen, path) || stat(path, &st) < 0)
		return;
	scratch->format = template->format;
	scratch->arch_word = template->arch_word;
	scratch->name.release = xstrdup(template->name.release);
	loader->template = scratch;
	if (read_config_path(loader, path, &file) == 0)
		take(loader, &file);
	loader->template = template;
}

static void check_level(struct loader *loader, const char *level)
{
	AUTO(strvec_release) struct strvec lists = STRVEC_INIT;

	check_names(loader, level, &os_naming);
	for (const struct config_kind *kind = config_kinds; kind->name; kind++) {
		autofree char *path = xasprintf("%s/%s", level, kind->name);
		check_file(loader, path, kind->take);
	}
	find_lists(level, &lists);
	for (size_t i = 0; i < lists.count; i++)
		check_file(loader, lists.items[i], take_packages);
}

/* ---- keys -------------------------------------------------------------------------------------------------- */

static bool is_trusted(const struct template *template, const char *fingerprint)
{
	for (size_t i = 0; i < template->trust_count; i++)
		if (strcmp(template->trust[i].fingerprint, fingerprint) == 0)
			return true;
	return false;
}

static void check_key_file(struct loader *loader, const char *path, struct strvec *fingerprints)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	size_t before = fingerprints->count;
	bool used = false;

	if (key_file_fingerprints(path, fingerprints, &why) < 0) {
		mistake(loader, path, 0, NULL, "%s", why.message);
		return;
	}
	for (size_t i = before; i < fingerprints->count; i++)
		used = used || is_trusted(loader->template, fingerprints->items[i]);
	if (!used)
		remark(loader, path, 0, "no line of the file trust names a key of this file");
}

/* Packages of rpm repositories are signed even if their metadata is not. */
static bool needs_keys(const struct template *template)
{
	for (size_t i = 0; i < template->repository_count; i++)
		if (!template->repositories[i].unsigned_ok)
			return true;
	return template->format == PACKAGE_RPM;
}

static void check_key_files(struct loader *loader)
{
	AUTO(strvec_release) struct strvec fingerprints = STRVEC_INIT;
	const struct template *template = loader->template;

	for (size_t i = 0; i < template->key_files.count; i++)
		check_key_file(loader, template->key_files.items[i], &fingerprints);
	for (size_t i = 0; i < template->trust_count; i++) {
		const struct template_trust *trust = &template->trust[i];
		if (!strvec_contains(&fingerprints, trust->fingerprint))
			mistake(loader, trust->file, trust->line, NULL,
				"no file in gpgkeys/ holds the key %s", trust->fingerprint);
	}
}

static void check_keys(struct loader *loader)
{
	const struct template *template = loader->template;

	if (!template->trust_count && needs_keys(template))
		mistake(loader, template->config_path, 0, NULL,
			"there is no file trust, or no line in it: nothing can be verified");
	check_key_files(loader);
}

/* ---- application templates --------------------------------------------------------------------------------- */

static bool is_application_script(const char *name)
{
	for (size_t i = 0; i < SCRIPT_KINDS; i++)
		if (application_has_script(i) && strcmp(template_script_name(i), name) == 0)
			return true;
	return application_host_script(name) != SCRIPT_KINDS;
}

static bool is_application_file(const char *name)
{
	static const char *const names[] = { "packages",     "requires",    "mirrorlist",
					     "repositories", "gpgkeys",     "trust",
					     "summary",      "description", "README" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return is_application_script(name);
}

static const struct naming application_naming = { is_application_file, is_application_script };

/* The lists of less specific levels, which the load has passed over. */
static void check_application_level(struct loader *loader, const char *level)
{
	autofree char *packages = xasprintf("%s/packages", level);

	check_names(loader, level, &application_naming);
	check_file(loader, packages, take_packages);
	for (const struct config_kind *kind = config_kinds; kind->name; kind++) {
		autofree char *path = xasprintf("%s/%s", level, kind->name);
		if (is_application_file(kind->name))
			check_file(loader, path, kind->take);
	}
}

/* A key has one set of rules; see application_merge(). */
static void check_trust_fits(struct loader *loader, const struct template *os)
{
	for (size_t i = 0; i < loader->template->trust_count; i++) {
		const struct template_trust *one = &loader->template->trust[i];
		for (size_t o = 0; o < os->trust_count; o++) {
			const struct template_trust *other = &os->trust[o];
			if (strcmp(one->fingerprint, other->fingerprint) == 0 &&
			    (one->expired_ok != other->expired_ok ||
			     one->sha1_ok != other->sha1_ok || one->weak_ok != other->weak_ok))
				mistake(loader, one->file, one->line, NULL,
					"the key is trusted by other rules in %s:%u", other->file,
					other->line);
		}
	}
}

static int check_application(struct loader *parent, const char *name)
{
	AUTO(application_freep) struct application *application = xcalloc(1, sizeof(*application));
	AUTO(template_freep) struct template *scratch = xcalloc(1, sizeof(*scratch));
	AUTO(loader_release)
	struct loader loader = {
		.source = parent->source,
		.template = scratch,
		.found = parent->found,
		.found_data = parent->found_data,
		.err = parent->err,
	};

	if (application_load_into(&loader, parent->template, name, application) < 0)
		return -1;
	for (size_t i = 0; i < loader.levels.count; i++)
		check_application_level(&loader, loader.levels.items[i]);
	check_key_files(&loader);
	check_trust_fits(&loader, parent->template);
	if (!scratch->summary)
		remark(&loader, application->path, 0, "there is no file summary");
	parent->mistakes += loader.mistakes;
	return 0;
}

static int check_applications(struct loader *loader)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	AUTO(application_set_release) struct application_set all = APPLICATION_SET_INIT;

	application_folders(&loader->levels, &names);
	for (size_t i = 0; i < names.count; i++) {
		autofree char *path =
			xasprintf("%s/app/%s", loader->levels.items[0], names.items[i]);
		if (!application_name_is_good(names.items[i]))
			mistake(loader, path, 0, NULL,
				"a name has letters, digits, \".\", \"_\" and \"-\"");
		else if (check_application(loader, names.items[i]) < 0 ||
			 application_set_add(loader, names.items[i], &all) < 0)
			return -1;
	}
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static void check_all(struct loader *loader)
{
	for (size_t i = 0; i < loader->levels.count; i++)
		check_level(loader, loader->levels.items[i]);
	check_keys(loader);
	if (!loader->template->summary)
		remark(loader, loader->template->config_path, 0, "there is no file summary");
}

int template_lint(const struct template_source *source, const char *name, template_finding *found,
		  void *data, struct error *err)
{
	AUTO(template_freep) struct template *template = xcalloc(1, sizeof(*template));
	AUTO(loader_release)
	struct loader loader = {
		.source = source,
		.template = template,
		.found = found,
		.found_data = data,
		.err = err,
	};

	if (template_load_into(&loader, name) < 0)
		return -1;
	check_all(&loader);
	return check_applications(&loader) < 0 ? -1 : loader.mistakes;
}
