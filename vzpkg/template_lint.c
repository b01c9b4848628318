/*
 * What template_load() does not need to know, but who writes a template does.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/fetch/key_file.h"
#include "vzpkg/template_file.h"
#include "vzpkg/template_load.h"

static const char *const known_files[] = {
	"packages",
	"repositories",
	"mirrorlist",
	"guest-repositories",
	"gpgkeys",
	"trust",
	"package_manager",
	"distribution",
	"osrelease",
	"environment",
	"summary",
	"description",
	"upgradable_versions",
	"os",
	"app",
	"README",
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
	for (size_t i = 0; i < sizeof(known_files) / sizeof(known_files[0]); i++)
		if (strcmp(known_files[i], name) == 0)
			return true;
	return is_script(name) || (length > 5 && strcmp(name + length - 5, ".list") == 0);
}

static void warn(struct loader *loader, const char *file, const char *text)
{
	loader->found(false, file, 0, text, loader->found_data);
}

static void check_folder(struct loader *loader, const char *folder)
{
	autoclosedir DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		autofree char *path = xasprintf("%s/%s", folder, name);
		struct stat st;
		if (name[0] == '.')
			continue;
		if (!is_known(name))
			warn(loader, path, "nothing reads a file of this name");
		else if (is_script(name) && stat(path, &st) == 0 && !(st.st_mode & 0111))
			mistake(loader, path, 0, NULL, "the script has no run bit; chmod +x it");
	}
}

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
		warn(loader, path, "no line of the file trust names a key of this file");
}

static void check_keys(struct loader *loader)
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

int template_lint(const struct template_source *source, const char *name, template_finding *found,
		  void *data, struct error *err)
{
	AUTO(template_freep) struct template *template = xcalloc(1, sizeof(*template));
	struct loader loader = {
		.source = source,
		.template = template,
		.found = found,
		.found_data = data,
		.err = err,
	};

	int status = template_load_into(&loader, name);
	for (size_t i = 0; status == 0 && i < loader.levels.count; i++)
		check_folder(&loader, loader.levels.items[i]);
	if (status == 0)
		check_keys(&loader);
	strvec_release(&loader.levels);
	return status < 0 ? -1 : loader.mistakes;
}
