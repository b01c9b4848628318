/*
 * Trees of OpenVZ's vzpkg 2 and 3.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/import/reader.h"
#include "vzpkg/import/repositories.h"
#include "vzpkg/import/yum_conf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool ends(const char *text, const char *with)
{
	size_t length = strlen(text), tail = strlen(with);
	return length > tail && strcmp(text + length - tail, with) == 0;
}

bool openvz_is(const struct source *source, const char *prefix)
{
	static const char *const names[] = { "yum.conf", "yum.conf.in", "default.list",
					     "minimal.list" };
	for (size_t i = 0; i < COUNT(names); i++) {
		autofree char *path = xasprintf("%s%s", prefix, names[i]);
		if (source_has(source, path))
			return true;
	}
	return false;
}

/* ---- yum.conf: what an option of it was for -------------------------------------------------------------------- */

static const struct {
	const char *key, *why;
} known_options[] = {
	{ "cachedir", "packages are kept in TEMPLATE/pm" },
	{ "reposdir", "no other repositories are read" },
	{ "installonlypkgs", "each package is installed once" },
	{ "installonly_limit", "each package is installed once" },
	{ "obsoletes", "obsolete packages are always replaced" },
	{ "gpgkey", "the keys are those of gpgkeys/; none is fetched" },
	{ "proxy", "a proxy is HTTP_PROXY in vzpkg.conf" },
	{ "proxy_username", "a proxy is HTTP_PROXY in vzpkg.conf" },
	{ "proxy_password", "a proxy is HTTP_PROXY in vzpkg.conf" },
	{ "retries", "it is RETRIES in vzpkg.conf" },
	{ "timeout", "it is STALL_TIMEOUT in vzpkg.conf" },
	{ "metadata_expire", "signed metadata is looked at in each run" },
	{ "failovermethod", "mirrors are asked in turn" },
	{ "includepkgs", "repositories are used as a whole" },
	{ "exclude", "repositories are used as a whole; \"-NAME\" in a list keeps a package out" },
	{ "plugins", "yum's plugins are not run" },
	{ "cost", "the newest package counts, wherever it is" },
	{ "priority", "the newest package counts, wherever it is" },
	{ "skip_if_unavailable", "a repository that cannot be read is an error" },
};

static const char *why_left(const char *key)
{
	for (size_t i = 0; i < COUNT(known_options); i++)
		if (strcmp(known_options[i].key, key) == 0)
			return known_options[i].why;
	return "it is about yum itself, or nothing here is like it";
}

struct yum_reader {
	struct reader *reader;
	const char *file;
	struct yum_conf conf;
};

static bool is_off(const char *value)
{
	static const char *const words[] = { "0", "no", "false", "off" };
	for (size_t i = 0; value && i < COUNT(words); i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return false;
}

/* exclude= of [main], for all sets. */
static void take_exclude(struct yum_reader *yum, const struct yum_option *option)
{
	struct reader *reader = yum->reader;
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;

	for (char *c = option->value; *c; c++)
		if (*c == ',')
			*c = ' ';
	strvec_split(&words, option->value);
	for (size_t i = 0; i < words.count; i++) {
		const char *name = words.items[i];
		if (strpbrk(name, "*?["))
			note_left(reader, yum->file, option->line,
				  "patterns keep nothing out; name the packages in a list, as "
				  "\"-NAME\"",
				  "exclude=%s", name);
		else if (!is_plain_name(name))
			note_left(reader, yum->file, option->line, "it is not a package",
				  "exclude=%s", name);
		else {
			strvec_push(&reader->excluded, name);
			note_taken(reader, yum->file, option->line, "in each list", "-%s", name);
		}
	}
}

static void read_main(struct yum_reader *yum)
{
	for (size_t i = 0; i < yum->conf.count; i++) {
		const struct yum_option *option = &yum->conf.options[i];
		if (!option->key || strcmp(option->section, "main") != 0)
			continue;
		if (strcmp(option->key, "exclude") == 0)
			take_exclude(yum, option);
		else if (strcmp(option->key, "gpgcheck") == 0)
			note_left(yum->reader, yum->file, option->line,
				  "each package is verified, whatever it says", "gpgcheck=%s",
				  option->value);
		else
			note_left(yum->reader, yum->file, option->line, why_left(option->key),
				  "%s=%s", option->key, option->value);
	}
}

/* ---- yum.conf: repositories ------------------------------------------------------------------------------------ */

static void read_address(struct yum_reader *yum, const struct yum_option *option)
{
	bool list = strcmp(option->key, "baseurl") != 0;
	autofree char *what = xasprintf("%s: %s=", option->section, option->key);

	struct place place = {
		.reader = yum->reader,
		.to = &yum->reader->addresses,
		.file = yum->file,
		.line = option->line,
		.what = what,
	};

	(list ? take_mirror_lists : take_address)(&place, option->value);
}

static bool is_address(const char *key)
{
	return strcmp(key, "baseurl") == 0 || strcmp(key, "mirrorlist") == 0 ||
	       strcmp(key, "metalink") == 0;
}

static bool is_understood(const char *key)
{
	return strcmp(key, "name") == 0 || strcmp(key, "enabled") == 0;
}

/* Of one repository; `baseurl` has the last word where there is a list of mirrors, too. */
static void read_repository(struct yum_reader *yum, const char *section)
{
	struct reader *reader = yum->reader;
	bool has_url = yum_conf_get(&yum->conf, section, "baseurl") != NULL;

	for (size_t i = 0; i < yum->conf.count; i++) {
		const struct yum_option *option = &yum->conf.options[i];
		if (!option->key || strcmp(option->section, section) != 0 ||
		    is_understood(option->key))
			continue;
		if (is_address(option->key)) {
			if (has_url && strcmp(option->key, "baseurl") != 0)
				note_left(reader, yum->file, option->line,
					  "the address of baseurl= is enough", "%s: %s=%s", section,
					  option->key, option->value);
			else
				read_address(yum, option);
		} else if (strcmp(option->key, "gpgcheck") == 0) {
			if (is_off(option->value))
				note_left(reader, yum->file, option->line,
					  "its packages are verified; if they have no signatures, "
					  "\"unsigned\" at the end of its line says so",
					  "%s: gpgcheck=%s", section, option->value);
		} else {
			note_left(reader, yum->file, option->line, why_left(option->key),
				  "%s: %s=%s", section, option->key, option->value);
		}
	}
}

/* Why a repository is left as a whole, or NULL. */
static const char *why_not(const struct yum_conf *conf, const char *section)
{
	const char *url = yum_conf_get(conf, section, "baseurl");

	if (is_off(yum_conf_get(conf, section, "enabled")))
		return "it is turned off";
	if (url && strncmp(url, "file:", 5) == 0 &&
	    (strstr(url, "vz-addons") || strstr(url, "@@MYTADDONSDIR@@")))
		return "it had OpenVZ's own packages, which a VE of this runtime does without";
	if (!url && !yum_conf_get(conf, section, "mirrorlist") &&
	    !yum_conf_get(conf, section, "metalink"))
		return "it has no address";
	return NULL;
}

static void read_repositories(struct yum_reader *yum)
{
	AUTO(strvec_release) struct strvec done = STRVEC_INIT;

	strvec_push(&done, "main");
	for (size_t i = 0; i < yum->conf.count; i++) {
		const struct yum_option *option = &yum->conf.options[i];
		if (!option->key) {
			note_left(yum->reader, yum->file, option->line,
				  "it is neither a section nor an option", "%s", option->value);
			continue;
		}
		if (strvec_contains(&done, option->section))
			continue;
		strvec_push(&done, option->section);
		const char *why = why_not(&yum->conf, option->section);
		if (why)
			note_left(yum->reader, yum->file, option->line, why, "[%s]",
				  option->section);
		else
			read_repository(yum, option->section);
	}
}

static void yum_release(struct yum_reader *yum)
{
	yum_conf_release(&yum->conf);
}

static void read_yum_conf(struct reader *reader, const char *file)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(yum_release) struct yum_reader yum = { .reader = reader, .file = file };

	if (!read_text(reader, file, &text))
		return;
	yum_conf_parse(&yum.conf, &text);
	read_main(&yum);
	read_repositories(&yum);
}

/* ---- the other files -------------------------------------------------------------------------------------------- */

/* Macros of rpm that were in force while a template was made. */
static void read_macros(struct reader *reader, const char *file)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	char *line;

	if (!read_text(reader, file, &text))
		return;
	for (struct source_lines lines = source_lines(&text); source_line(&lines, &line);) {
		AUTO(strvec_release) struct strvec words = STRVEC_INIT;
		strvec_split(&words, line ?: "");
		const char *name = words.count == 2 ? words.items[0] : "";
		if (strcmp(name, "%_install_langs") == 0 &&
		    strspn(words.items[1],
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_@.:0123456789-") ==
			    strlen(words.items[1])) {
			strbuf_addf(&out, "RPM_INSTALL_LANGS=\"%s\"\n", words.items[1]);
			note_taken(reader, file, lines.number, NULL,
				   "environment: RPM_INSTALL_LANGS=\"%s\"", words.items[1]);
		} else if (strcmp(name, "%_excludedocs") == 0 && strcmp(words.items[1], "1") == 0) {
			strbuf_adds(&out, "RPM_EXCLUDE_DOCS=\"yes\"\n");
			note_taken(reader, file, lines.number, NULL,
				   "environment: RPM_EXCLUDE_DOCS=\"yes\"");
		} else {
			note_left(reader, file, lines.number, "nothing here is like this macro",
				  "%s", line ?: "a line that is not text");
		}
		free(line);
	}
	if (out.length)
		add_file(reader, "environment", 0644, out.text, out.length);
}

static void read_set(struct reader *reader, const char *file, const char *name)
{
	autofree char *set = xstrndup(name, strlen(name) - strlen(".list"));
	bool is_default = strcmp(set, "default") == 0;
	autofree char *path = is_default ? xstrdup("packages") : xasprintf("os/%s/packages", set);

	if (!is_plain_name(set))
		note_left(reader, file, 0, "its name is not one for a set of packages", "the list");
	else if (take_list(reader, file, path, true))
		strvec_push(&reader->import->sets, set);
}

static const struct {
	const char *name, *why;
} left_files[] = {
	{ "rpm", "which rpm of the host was to be used: librpm knows the packages of all of them" },
	{ "install-pre", "it was run by the host, as its root; what the VE needs of it goes into "
			 "post-install, which the VE runs" },
	{ "install-post", "it was run by the host, as its root; what the VE needs of it goes into "
			  "post-install, which the VE runs" },
	{ "update-pre", "it was run by the host, as its root; what the VE needs of it goes into "
			"pre-update, which the VE runs" },
	{ "update-post", "it was run by the host, as its root; what the VE needs of it goes into "
			 "post-update, which the VE runs" },
	{ "vz-addons", "OpenVZ's own packages, which a VE of this runtime does without" },
	{ "yum-cache", "packages are kept in TEMPLATE/pm" },
};

static const char *why_file(const char *name)
{
	for (size_t i = 0; i < COUNT(left_files); i++)
		if (strcmp(left_files[i].name, name) == 0)
			return left_files[i].why;
	return "OpenVZ's tools had no file of this name";
}

static bool is_yum_conf(const char *name)
{
	return strcmp(name, "yum.conf") == 0 || strcmp(name, "yum.conf.in") == 0;
}

static void read_file(struct reader *reader, const char *name)
{
	autofree char *file = xasprintf("%s%s", reader->prefix, name);

	if (is_yum_conf(name) || strcmp(name, "gpgkeys") == 0)
		return;
	if (ends(name, ".list"))
		read_set(reader, file, name);
	else if (strcmp(name, ".rpmmacros") == 0)
		read_macros(reader, file);
	else
		note_left(reader, file, 0, why_file(name), "%s", name);
}

/* What is beside config/. */
static int read_beside(struct reader *reader)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	if (!*reader->prefix)
		return 0;
	if (source_list(&reader->source, ".", &names, reader->err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (strcmp(names.items[i], "config") != 0)
			note_left(reader, names.items[i], 0, why_file(names.items[i]), "%s",
				  names.items[i]);
	return 0;
}

int openvz_read(struct reader *reader)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	autofree char *gpgkeys = xasprintf("%sgpgkeys", reader->prefix);
	autofree char *folder = xasprintf("%s.", reader->prefix);
	autofree char *conf = xasprintf("%syum.conf", reader->prefix);
	autofree char *conf_in = xasprintf("%syum.conf.in", reader->prefix);

	reader->import->format = PACKAGE_RPM;
	/* Before the lists, which get what it excludes. */
	if (source_has(&reader->source, conf)) {
		read_yum_conf(reader, conf);
		if (source_has(&reader->source, conf_in))
			note_left(reader, conf_in, 0, "yum.conf is there", "yum.conf.in");
	} else {
		read_yum_conf(reader, conf_in);
	}
	if (source_list(&reader->source, folder, &names, reader->err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		read_file(reader, names.items[i]);
	if (take_keys(reader, gpgkeys) < 0)
		return -1;
	return read_beside(reader);
}
