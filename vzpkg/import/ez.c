/*
 * Trees of Virtuozzo's vztt ("EZ templates"), installed or as the sources of their package.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/import/reader.h"
#include "vzpkg/import/repositories.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* In the sources, os_packages is what os/default/packages is when it is installed. */
static const char flat_packages[] = "os_packages";

bool ez_is(const struct source *source, const char *prefix)
{
	autofree char *os = xasprintf("%sos", prefix);
	return source_has_folder(source, os) || (!*prefix && source_has(source, flat_packages));
}

/* One set of the OS, or one application. */
struct group {
	struct reader *reader;
	char *prefix; /* of its files in the source: "config/os/default/", "os_" */
	char *application; /* NULL: the OS */
	struct addresses addresses; /* an application's own, beside those of its OS */
	struct strvec names; /* of its files */
};

static void group_release(struct group *group)
{
	free(group->prefix);
	free(group->application);
	addresses_release(&group->addresses);
	strvec_release(&group->names);
}

/* ---- what becomes of its files ---------------------------------------------------------------------------------- */

enum part {
	PART_LIST,
	PART_REPOSITORIES,
	PART_MIRRORLIST,
	PART_TEXT,
	PART_ENVIRONMENT,
	PART_SCRIPT,
	PART_DONE,
	PART_LEFT
};

static const struct {
	const char *name;
	enum part part;
	bool os_only;
	const char *why;
} parts[] = {
	{ "packages", PART_LIST },
	{ "repositories", PART_REPOSITORIES },
	{ "mirrorlist", PART_MIRRORLIST },
	{ "summary", PART_TEXT },
	{ "description", PART_TEXT },
	{ "distribution", PART_TEXT, true },
	{ "upgradable_versions", PART_TEXT, true },
	{ "environment", PART_ENVIRONMENT, true },
	{ "package_manager", PART_DONE, true },
	{ "pre-install", PART_SCRIPT },
	{ "mid-pre-install", PART_SCRIPT, true },
	{ "mid-post-install", PART_SCRIPT, true },
	{ "post-install", PART_SCRIPT },
	{ "pre-update", PART_SCRIPT },
	{ "post-update", PART_SCRIPT },
	{ "pre-remove", PART_SCRIPT },
	{ "post-remove", PART_SCRIPT },
	{ "pre-cache", PART_LEFT, false,
	  "it was run by the host, and prepares the tree for vztt's package manager" },
	{ "post-cache", PART_LEFT, false,
	  "it was run by the host; what the VE needs of it goes into post-install, which the VE "
	  "runs" },
	{ "pre-install-hn", PART_LEFT, false, "it was run by the host" },
	{ "post-install-hn", PART_LEFT, false, "it was run by the host" },
	{ "pre-upgrade", PART_LEFT, false, "a VE's own tools upgrade its release" },
	{ "post-upgrade", PART_LEFT, false, "a VE's own tools upgrade its release" },
	{ "ct2vm", PART_LEFT, false, "VEs are not made into virtual machines" },
	{ "packages_0", PART_LEFT, false,
	  "the order follows from the packages themselves, and the essential ones are in by "
	  "themselves" },
	{ "packages_1", PART_LEFT, false, "the order follows from the packages themselves" },
	{ "zypp_repositories", PART_LEFT, false,
	  "zypper's own form; give the addresses by --repository" },
	{ "technologies", PART_LEFT, false,
	  "what a kernel of 2010 could do or not: all can, today" },
	{ "osrelease", PART_LEFT, false, "VEs see the kernel's own release" },
	{ "version", PART_LEFT, false, "it is the version of the template's package" },
	{ "release", PART_LEFT, false, "it is the version of the template's package" },
	{ "cache_type", PART_LEFT, false, "there is one form of a cache" },
	{ "multiarch", PART_LEFT, false,
	  "a package of another architecture is asked for by its name" },
	{ "golden_image", PART_LEFT, false, "any application may be part of a cache" },
	{ "no_pkg_actions", PART_LEFT, false, "packages of each VE may be changed" },
	{ "dummy-systemd", PART_LEFT, false,
	  "a package of vztt's own, which a VE of this runtime does without" },
};

static void take_lines(struct group *group, const char *file, bool lists)
{
	struct reader *reader = group->reader;
	struct place place = {
		.reader = reader,
		.to = group->application ? &group->addresses : &reader->addresses,
		.file = file,
		.what = "",
	};
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	char *line;

	if (!read_text(reader, file, &text))
		return;
	for (struct source_lines lines = source_lines(&text); source_line(&lines, &line);) {
		place.line = lines.number;
		if (line)
			(lists ? take_mirror_lists : take_address)(&place, line);
		else
			note_left(reader, file, lines.number, "it is not text", "a line");
		free(line);
	}
}

static void take_part(struct group *group, const char *name, enum part part)
{
	struct reader *reader = group->reader;
	autofree char *file = xasprintf("%s%s", group->prefix, name);
	autofree char *path = group->application ? xasprintf("app/%s/%s", group->application, name)
						 : xstrdup(name);

	if (part == PART_LIST) {
		if (take_list(reader, file, path, false) && !group->application)
			strvec_push(&reader->import->sets, "default");
	} else if (part == PART_REPOSITORIES || part == PART_MIRRORLIST) {
		take_lines(group, file, part == PART_MIRRORLIST);
	} else if (part == PART_TEXT) {
		take_text_file(reader, file, path);
	} else if (part == PART_ENVIRONMENT) {
		take_environment_file(reader, file);
	} else if (part == PART_SCRIPT) {
		take_script(reader, file, path);
	}
}

static void take_group(struct group *group)
{
	autofree char *prefix =
		group->application ? xasprintf("app/%s/", group->application) : NULL;

	for (size_t i = 0; i < group->names.count; i++) {
		const char *name = group->names.items[i];
		autofree char *file = xasprintf("%s%s", group->prefix, name);
		const char *why = "vztt had no file of this name";
		enum part part = PART_LEFT;
		for (size_t p = 0; p < COUNT(parts); p++)
			if (strcmp(parts[p].name, name) == 0 &&
			    !(parts[p].os_only && group->application)) {
				part = parts[p].part;
				why = parts[p].why;
			}
		if (part == PART_LEFT)
			note_left(group->reader, file, 0, why, "%s", name);
		else
			take_part(group, name, part);
	}
	if (prefix)
		add_addresses(group->reader, &group->addresses, prefix);
}

/* ---- the package manager, which decides how the others are read --------------------------------------------------- */

/* The sources of a package do not have it: repositories of three words are Debian's. */
static bool looks_like_deb(struct reader *reader, const char *prefix)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *batches = xasprintf("%spackages_0", prefix);
	autofree char *file = xasprintf("%srepositories", prefix);
	autofree char *why = NULL;
	bool deb = source_has(&reader->source, batches);
	char *line;

	if (!source_read(&reader->source, file, SOURCE_TEXT_LIMIT, &text, &why))
		return deb;
	for (struct source_lines lines = source_lines(&text); source_line(&lines, &line);) {
		AUTO(strvec_release) struct strvec words = STRVEC_INIT;
		strvec_split(&words, line ?: "");
		deb = deb || words.count >= 3;
		free(line);
	}
	return deb;
}

static int read_package_manager(struct reader *reader, const char *prefix)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *file = xasprintf("%spackage_manager", prefix);
	char *line = NULL;

	if (!read_text(reader, file, &text)) {
		bool deb = looks_like_deb(reader, prefix);
		reader->import->format = deb ? PACKAGE_DEB : PACKAGE_RPM;
		note_taken(reader, file, 0, "it is not there; the repositories look like it",
			   "package_manager: %s", deb ? "deb" : "rpm");
		return 0;
	}
	struct source_lines lines = source_lines(&text);
	source_line(&lines, &line);
	autofree char *word = line ?: xstrdup("");
	bool deb = strncmp(word, "dpkg", 4) == 0;
	if (!deb && strncmp(word, "rpm", 3) != 0) {
		error_set(reader->err, ERROR_PACKAGE_MANAGER,
			  "%s/%s: \"%.40s\" is not a package manager that is known",
			  reader->source.path, file, word);
		return error_hint(reader->err, "vztt's are called dpkg… and rpm…");
	}
	reader->import->format = deb ? PACKAGE_DEB : PACKAGE_RPM;
	note_taken(reader, file, lines.number, NULL, "package_manager: %s", deb ? "deb" : "rpm");
	return 0;
}

/* ---- as it is installed -------------------------------------------------------------------------------------------- */

static int read_group(struct reader *reader, const char *folder, const char *application)
{
	AUTO(group_release)
	struct group group = {
		.reader = reader,
		.prefix = xasprintf("%s/", folder),
		.application = xstrdup_or_null(application),
		.addresses = ADDRESSES_INIT,
	};
	if (source_list(&reader->source, folder, &group.names, reader->err) < 0)
		return -1;
	take_group(&group);
	return 0;
}

/* A set beside the default one: its list, since the rest is for all sets. */
static int read_set(struct reader *reader, const char *folder, const char *set)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	autofree char *list = xasprintf("%s/packages", folder);
	autofree char *path = xasprintf("os/%s/packages", set);

	if (source_list(&reader->source, folder, &names, reader->err) < 0)
		return -1;
	if (!is_plain_name(set)) {
		note_left(reader, folder, 0, "its name is not one for a set of packages",
			  "the set");
		return 0;
	}
	if (take_list(reader, list, path, false))
		strvec_push(&reader->import->sets, set);
	for (size_t i = 0; i < names.count; i++) {
		autofree char *file = xasprintf("%s/%s", folder, names.items[i]);
		if (strcmp(names.items[i], "packages") != 0)
			note_left(reader, file, 0,
				  "a set has its packages alone; the rest is the template's", "%s",
				  names.items[i]);
	}
	return 0;
}

static int read_sets(struct reader *reader)
{
	AUTO(strvec_release) struct strvec sets = STRVEC_INIT;
	autofree char *os = xasprintf("%sos", reader->prefix);
	autofree char *first = xasprintf("%s/default", os);
	autofree char *first_files = xasprintf("%s/", first);

	if (read_package_manager(reader, first_files) < 0 ||
	    source_list(&reader->source, os, &sets, reader->err) < 0 ||
	    read_group(reader, first, NULL) < 0)
		return -1;
	for (size_t i = 0; i < sets.count; i++) {
		autofree char *folder = xasprintf("%s/%s", os, sets.items[i]);
		if (strcmp(sets.items[i], "default") != 0 &&
		    read_set(reader, folder, sets.items[i]) < 0)
			return -1;
	}
	return 0;
}

static int read_application(struct reader *reader, const char *name)
{
	AUTO(strvec_release) struct strvec sets = STRVEC_INIT;
	autofree char *folder = xasprintf("%sapp/%s", reader->prefix, name);

	if (source_list(&reader->source, folder, &sets, reader->err) < 0)
		return -1;
	if (!is_plain_name(name)) {
		note_left(reader, folder, 0, "its name is not one for an application",
			  "the application");
		return 0;
	}
	for (size_t i = 0; i < sets.count; i++) {
		autofree char *set = xasprintf("%s/%s", folder, sets.items[i]);
		if (strcmp(sets.items[i], "default") != 0)
			note_left(reader, set, 0, "an application is the same for all sets",
				  "the set %s of %s", sets.items[i], name);
		else if (read_group(reader, set, name) < 0)
			return -1;
	}
	return 0;
}

static int read_installed(struct reader *reader)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	autofree char *app = xasprintf("%sapp", reader->prefix);

	if (read_sets(reader) < 0 || source_list(&reader->source, app, &names, reader->err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (read_application(reader, names.items[i]) < 0)
			return -1;
	return 0;
}

/* ---- as the sources of a package ----------------------------------------------------------------------------------- */

/* Those of one group: GROUP_NAME. Taken ones are removed from `all`. */
static void take_flat(struct reader *reader, const char *name, struct strvec *all)
{
	AUTO(group_release)
	struct group group = {
		.reader = reader,
		.prefix = xasprintf("%s_", name),
		.application = strcmp(name, "os") == 0 ? NULL : xstrdup(name),
		.addresses = ADDRESSES_INIT,
	};
	size_t length = strlen(group.prefix), left = 0;

	for (size_t i = 0; i < all->count; i++) {
		if (strncmp(all->items[i], group.prefix, length) == 0) {
			strvec_push(&group.names, all->items[i] + length);
			free(all->items[i]);
		} else {
			all->items[left++] = all->items[i];
		}
	}
	all->count = left;
	take_group(&group);
}

static int read_flat(struct reader *reader)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT, groups = STRVEC_INIT;
	static const char end[] = "_packages";

	if (read_package_manager(reader, "os_") < 0 ||
	    source_list(&reader->source, ".", &names, reader->err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		size_t length = strlen(names.items[i]), tail = strlen(end);
		autofree char *group =
			length > tail && strcmp(names.items[i] + length - tail, end) == 0
				? xstrndup(names.items[i], length - tail)
				: NULL;
		if (group && is_plain_name(group))
			strvec_push(&groups, group);
	}
	for (size_t i = 0; i < groups.count; i++)
		take_flat(reader, groups.items[i], &names);
	for (size_t i = 0; i < names.count; i++)
		note_left(reader, names.items[i], 0, "it belongs to no list of packages", "%s",
			  names.items[i]);
	return 0;
}

int ez_read(struct reader *reader)
{
	autofree char *os = xasprintf("%sos", reader->prefix);
	autofree char *gpgkeys = xasprintf("%sgpgkeys", reader->prefix);
	bool installed = source_has_folder(&reader->source, os);

	if ((installed ? read_installed : read_flat)(reader) < 0)
		return -1;
	return take_keys(reader, gpgkeys);
}
