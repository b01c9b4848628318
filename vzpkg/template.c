#include "vzpkg/template.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "vzpkg/template_file.h"
#include "vzpkg/template_load.h"
#include "vzpkg/template_repository.h"

enum { KEY_LIMIT = 4 << 20, FINGERPRINT_LENGTH = 40 };

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

/* ---- package manager and architecture ------------------------------------------------------------------ */

static const char *arch_word(enum package_format format, const char *arch)
{
	if (format == PACKAGE_DEB && strcmp(arch, "x86_64") == 0)
		return "amd64";
	if (format == PACKAGE_DEB && strcmp(arch, "aarch64") == 0)
		return "arm64";
	return arch;
}

/* OpenVZ's names carried the package manager's version ("rpm44x64"): only the kind matters. */
static int load_package_manager(struct loader *loader)
{
	AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;
	struct template *template = loader->template;

	if (read_config(loader, "package_manager", &file) < 0)
		return -1;
	const char *word = file.count ? file.lines[0].text : "";
	if (strcmp(word, "deb") == 0 || strncmp(word, "dpkg", 4) == 0) {
		template->format = PACKAGE_DEB;
	} else if (strncmp(word, "rpm", 3) == 0) {
		template->format = PACKAGE_RPM;
	} else if (!file.count) {
		return mistake(loader, file.path ?: loader->levels.items[0], 0,
			       "write \"deb\" or \"rpm\" into the file package_manager",
			       "package_manager is missing");
	} else {
		int ret = mistake(loader, file.path, file.lines[0].number,
				  "\"deb\" and \"rpm\" are known",
				  "\"%s\" is not a package manager that is known", word);
		if (loader->err)
			loader->err->kind = ERROR_PACKAGE_MANAGER;
		return ret;
	}
	template->arch_word = arch_word(template->format, template->name.arch);
	return 0;
}

/* ---- packages ---------------------------------------------------------------------------------------- */

static bool is_package_wish(const char *text)
{
	if (*text == '@' || *text == '-')
		text++;
	if (!isalnum((unsigned char)*text) && *text != '_')
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("+-._~:=^()", *text))
			return false;
	return true;
}

static char *set_file_name(const char *set)
{
	return strcmp(set, "default") == 0 ? xstrdup("packages") : xasprintf("os/%s/packages", set);
}

/* The two spellings of a set's list at one level: the folder's wins. */
static char *find_set(const struct loader *loader, const char *set)
{
	autofree char *file = set_file_name(set);
	autofree char *list = xasprintf("%s.list", set);
	for (size_t i = 0; i < loader->levels.count; i++) {
		const char *const names[] = { file, list };
		for (size_t n = 0; n < 2; n++) {
			char *path = xasprintf("%s/%s", loader->levels.items[i], names[n]);
			if (access(path, F_OK) == 0)
				return path;
			free(path);
		}
	}
	return NULL;
}

static int load_packages(struct loader *loader)
{
	AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;
	struct template *template = loader->template;
	autofree char *path = find_set(loader, template->name.set);

	if (!path) {
		error_set(loader->err, ERROR_NO_TEMPLATE, "%s-%s has no package set \"%s\"",
			  template->name.os, template->name.release, template->name.set);
		error_subject(loader->err, "%s", template->text);
		return error_hint(loader->err, "\"vzpkg list\" shows what there is");
	}
	if (read_config_path(loader, path, &file) < 0)
		return -1;
	for (size_t i = 0; i < file.count; i++) {
		const char *text = file.lines[i].text;
		if (!is_package_wish(text)) {
			if (mistake(loader, path, file.lines[i].number,
				    "write one name, name-version, @group or -name on a line",
				    "\"%s\" is not a package", text) < 0)
				return -1;
			continue;
		}
		strvec_push(*text == '-' ? &template->excluded : &template->packages,
			    text + (*text == '-'));
	}
	if (!template->packages.count && !loader->mistakes)
		return mistake(loader, path, 0, NULL, "the list of packages is empty");
	return 0;
}

/* ---- repositories -------------------------------------------------------------------------------------- */

static int load_repositories(struct loader *loader)
{
	AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;
	const struct strvec *given = loader->source->repositories;

	for (size_t i = 0; given && i < given->count; i++)
		if (add_repository(loader, given->items[i], "--repository", (unsigned)i + 1) < 0)
			return -1;
	if (given)
		return 0;
	if (read_config(loader, "repositories", &file) < 0)
		return -1;
	for (size_t i = 0; i < file.count; i++)
		if (add_repository(loader, file.lines[i].text, file.path, file.lines[i].number) < 0)
			return -1;
	if (!file.count)
		return mistake(loader, file.path ?: loader->levels.items[0], 0,
			       "write a repository a line into the file repositories",
			       "there are no repositories");
	return 0;
}

static int load_guest_repositories(struct loader *loader)
{
	AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;

	if (read_config(loader, "guest-repositories", &file) < 0)
		return -1;
	for (size_t i = 0; i < file.count; i++) {
		autofree char *unknown = NULL;
		char *text = expand_variables(loader, file.lines[i].text, false, &unknown);
		if (text)
			strvec_take(&loader->template->guest_repositories, text);
		else if (mistake(loader, file.path, file.lines[i].number,
				 "the guest needs public addresses; only $arch and $release are "
				 "expanded here",
				 "the variable $%s is not known", unknown) < 0)
			return -1;
	}
	return 0;
}

/* ---- keys ------------------------------------------------------------------------------------------------ */

static bool is_key_name(const char *name)
{
	const char *dot = strrchr(name, '.');
	return *name != '.' && dot && (strcmp(dot, ".asc") == 0 || strcmp(dot, ".gpg") == 0);
}

static void load_keys(struct loader *loader)
{
	autofree char *path = find_config(loader, "gpgkeys");
	autoclosedir DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_key_name(entry->d_name))
			strvec_pushf(&loader->template->key_files, "%s/%s", path, entry->d_name);
	strvec_sort(&loader->template->key_files);
}

static bool is_fingerprint(const char *word)
{
	return strlen(word) == FINGERPRINT_LENGTH &&
	       strspn(word, "0123456789ABCDEFabcdef") == FINGERPRINT_LENGTH;
}

static bool set_waiver(struct template_trust *trust, const char *word)
{
	if (strcmp(word, "expired") == 0)
		trust->expired_ok = true;
	else if (strcmp(word, "sha1") == 0)
		trust->sha1_ok = true;
	else if (strcmp(word, "weak") == 0)
		trust->weak_ok = true;
	else
		return false;
	return true;
}

static int add_trust(struct loader *loader, const char *path, const struct metadata_line *line)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	struct template *template = loader->template;
	struct template_trust trust = { .line = line->number };

	strvec_split(&words, line->text);
	if (!is_fingerprint(words.items[0]))
		return mistake(loader, path, line->number,
			       "\"gpg --show-keys --fingerprint FILE\" prints it",
			       "\"%s\" is not a fingerprint of 40 hexadecimal digits",
			       words.items[0]);
	for (size_t i = 1; i < words.count; i++)
		if (!set_waiver(&trust, words.items[i]))
			return mistake(loader, path, line->number,
				       "\"expired\", \"sha1\" and \"weak\" are known",
				       "\"%s\" is not a waiver", words.items[i]);
	trust.fingerprint = xstrdup(words.items[0]);
	for (char *c = trust.fingerprint; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	trust.file = xstrdup(path);
	template->trust =
		xreallocarray(template->trust, template->trust_count + 1, sizeof(*template->trust));
	template->trust[template->trust_count++] = trust;
	return 0;
}

static int load_trust(struct loader *loader)
{
	AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;
	if (read_config(loader, "trust", &file) < 0)
		return -1;
	for (size_t i = 0; i < file.count; i++)
		if (add_trust(loader, file.path, &file.lines[i]) < 0)
			return -1;
	return 0;
}

/* ---- small files ------------------------------------------------------------------------------------------- */

/* One line of text, or several joined by blanks. */
static int load_text(struct loader *loader, const char *name, char **ret)
{
	AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (read_config(loader, name, &file) < 0)
		return -1;
	for (size_t i = 0; i < file.count; i++)
		strbuf_addf(&text, "%s%s", i ? " " : "", file.lines[i].text);
	*ret = file.path ? strbuf_detach(&text) : NULL;
	return 0;
}

static int load_upgradable(struct loader *loader)
{
	AUTO(metadata_file_release) struct metadata_file file = METADATA_FILE_INIT;
	if (read_config(loader, "upgradable_versions", &file) < 0)
		return -1;
	for (size_t i = 0; i < file.count; i++)
		strvec_split(&loader->template->upgradable_versions, file.lines[i].text);
	return 0;
}

static int add_environment(struct loader *loader, struct conf *merged, const char *path)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (access(path, F_OK) < 0 || conf_read(merged, AT_FDCWD, path, false, &why) == 0)
		return 0;
	return mistake(loader, path, 0, NULL, "%s", why.message);
}

/* Of all levels, the least specific first, so that a later key wins. */
static int load_environment(struct loader *loader)
{
	AUTO(conf_release) struct conf merged = CONF_INIT;

	for (size_t i = loader->levels.count; i-- > 0;) {
		autofree char *path = xasprintf("%s/environment", loader->levels.items[i]);
		if (add_environment(loader, &merged, path) < 0)
			return -1;
	}
	for (size_t i = 0; i < merged.count; i++)
		strvec_pushf(&loader->template->environment, "%s=%s", merged.entries[i].key,
			     merged.entries[i].value);
	return 0;
}

static void load_scripts(struct loader *loader)
{
	for (size_t i = 0; i < SCRIPT_KINDS; i++)
		loader->template->scripts[i] = find_config(loader, script_names[i]);
}

/* ---- digest -------------------------------------------------------------------------------------------------- */

/* The NUL keeps neighbours apart. */
static void hash_text(struct hasher *hasher, const char *text)
{
	hasher_update(hasher, text ?: "", strlen(text ?: "") + 1);
}

static void hash_list(struct hasher *hasher, const char *title, const struct strvec *list)
{
	hash_text(hasher, title);
	for (size_t i = 0; i < list->count; i++)
		hash_text(hasher, list->items[i]);
}

static int hash_file(struct loader *loader, struct hasher *hasher, const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (file_read(AT_FDCWD, path, KEY_LIMIT, &text, &why) < 0)
		return mistake(loader, path, 0, NULL, "%s", why.message);
	hasher_update(hasher, text.text, text.length);
	hash_text(hasher, "");
	return 0;
}

static void hash_trust(struct hasher *hasher, const struct template *template)
{
	hash_text(hasher, "trust");
	for (size_t i = 0; i < template->trust_count; i++) {
		const struct template_trust *trust = &template->trust[i];
		autofree char *text = xasprintf("%s %d%d%d", trust->fingerprint, trust->expired_ok,
						trust->sha1_ok, trust->weak_ok);
		hash_text(hasher, text);
	}
}

static int compute_digest(struct loader *loader)
{
	struct template *template = loader->template;
	AUTO(hasher_freep) struct hasher *hasher = hasher_new(DIGEST_SHA256);
	autofree char *head = xasprintf("%d %s", TEMPLATE_BUILD_FORMAT, template->text);

	hash_text(hasher, head);
	hash_list(hasher, "packages", &template->packages);
	hash_list(hasher, "excluded", &template->excluded);
	hash_text(hasher, "repositories");
	for (size_t i = 0; i < template->repository_count; i++)
		hash_text(hasher, template->repositories[i].text);
	hash_trust(hasher, template);
	hash_list(hasher, "guest-repositories", &template->guest_repositories);
	hash_list(hasher, "environment", &template->environment);
	for (size_t i = 0; i < template->key_files.count; i++)
		if (hash_file(loader, hasher, template->key_files.items[i]) < 0)
			return -1;
	for (size_t i = 0; i < SCRIPT_KINDS; i++) {
		hash_text(hasher, script_names[i]);
		if (template->scripts[i] && hash_file(loader, hasher, template->scripts[i]) < 0)
			return -1;
	}
	hasher_finish(hasher, &template->digest);
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

/* Config folders that exist, the most specific first; at one level, TEMPLATE's before the shipped. */
static void find_levels(struct loader *loader)
{
	const struct template_name *name = &loader->template->name;
	autofree char *levels[] = {
		xasprintf("%s/%s/%s", name->os, name->release, name->arch),
		xasprintf("%s/%s", name->os, name->release),
		xstrdup(name->os),
	};
	for (size_t l = 0; l < 3; l++) {
		for (size_t i = 0; i < loader->source->roots.count; i++) {
			char *path = xasprintf("%s/%s/config", loader->source->roots.items[i],
					       levels[l]);
			if (access(path, F_OK) == 0)
				strvec_take(&loader->levels, path);
			else
				free(path);
		}
		free(steal_ptr(levels[l]));
	}
	loader->template->config_path =
		xstrdup(loader->levels.count ? loader->levels.items[0] : "");
}

static int load_texts(struct loader *loader)
{
	struct template *template = loader->template;
	const struct {
		const char *name;
		char **target;
	} texts[] = {
		{ "summary", &template->summary },
		{ "description", &template->description },
		{ "distribution", &template->distribution },
		{ "osrelease", &template->osrelease },
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (load_text(loader, texts[i].name, texts[i].target) < 0)
			return -1;
	return 0;
}

int template_load_into(struct loader *loader, const char *name)
{
	struct template *template = loader->template;

	if (template_name_resolve(&template->name, name, &loader->source->roots, loader->err) < 0)
		return -1;
	template->text = template_name_text(&template->name);
	find_levels(loader);
	if (load_package_manager(loader) < 0 || load_packages(loader) < 0 ||
	    load_repositories(loader) < 0 || load_guest_repositories(loader) < 0 ||
	    load_trust(loader) < 0 || load_texts(loader) < 0 || load_upgradable(loader) < 0 ||
	    load_environment(loader) < 0)
		return -1;
	load_keys(loader);
	load_scripts(loader);
	return compute_digest(loader);
}

int template_load(const struct template_source *source, const char *name, struct template **ret,
		  struct error *err)
{
	AUTO(template_freep) struct template *template = xcalloc(1, sizeof(*template));
	struct loader loader = { .source = source, .template = template, .err = err };

	int status = template_load_into(&loader, name);
	strvec_release(&loader.levels);
	if (status < 0)
		return -1;
	*ret = steal_ptr(template);
	return 0;
}

void template_free(struct template *template)
{
	if (!template)
		return;
	for (size_t i = 0; i < template->repository_count; i++) {
		free(template->repositories[i].text);
		free(template->repositories[i].url);
		free(template->repositories[i].suite);
		free(template->repositories[i].file);
		strvec_release(&template->repositories[i].components);
	}
	for (size_t i = 0; i < template->trust_count; i++) {
		free(template->trust[i].fingerprint);
		free(template->trust[i].file);
	}
	for (size_t i = 0; i < SCRIPT_KINDS; i++)
		free(template->scripts[i]);
	strvec_release(&template->packages);
	strvec_release(&template->excluded);
	strvec_release(&template->key_files);
	strvec_release(&template->guest_repositories);
	strvec_release(&template->environment);
	strvec_release(&template->upgradable_versions);
	template_name_release(&template->name);
	free(template->repositories);
	free(template->trust);
	free(template->text);
	free(template->summary);
	free(template->description);
	free(template->distribution);
	free(template->osrelease);
	free(template->config_path);
	free(template);
}

void template_freep(struct template **template)
{
	template_free(*template);
	*template = NULL;
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

/* "os/SET/packages" and "SET.list" of one config folder. */
static void add_sets(const char *config, struct strvec *sets)
{
	autofree char *os = xasprintf("%s/os", config);
	const char *const folders[] = { os, config };
	for (size_t i = 0; i < 2; i++) {
		autoclosedir DIR *dir = opendir(folders[i]);
		struct dirent *entry;
		while (dir && (entry = readdir(dir))) {
			size_t length = strlen(entry->d_name);
			bool list = length > 5 && strcmp(entry->d_name + length - 5, ".list") == 0;
			if (entry->d_name[0] == '.' || (i == 1) != list)
				continue;
			autofree char *set = xstrndup(entry->d_name, list ? length - 5 : length);
			if (!strvec_contains(sets, set))
				strvec_push(sets, set);
		}
	}
}

int template_list(const struct template_source *source, struct strvec *names, struct error *err)
{
	AUTO(strvec_release) struct strvec releases = STRVEC_INIT;

	(void)err;
	template_releases(&source->roots, &releases);
	for (size_t i = 0; i < releases.count; i++) {
		AUTO(template_name_release) struct template_name name = TEMPLATE_NAME_INIT;
		AUTO(strvec_release) struct strvec sets = STRVEC_INIT;
		struct template template = { 0 };
		struct loader loader = { .source = source, .template = &template };

		if (template_name_resolve(&name, releases.items[i], &source->roots, NULL) < 0)
			continue;
		template.name = name;
		find_levels(&loader);
		for (size_t l = 0; l < loader.levels.count; l++)
			add_sets(loader.levels.items[l], &sets);
		autofree char *standard = find_set(&loader, "default");
		if (standard)
			strvec_push(names, releases.items[i]);
		strvec_sort(&sets);
		for (size_t s = 0; s < sets.count; s++)
			if (strcmp(sets.items[s], "default") != 0)
				strvec_pushf(names, "%s-%s", releases.items[i], sets.items[s]);
		strvec_release(&loader.levels);
		free(template.config_path);
	}
	return 0;
}
