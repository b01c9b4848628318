#include "vzpkg/apt_sources.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strvec.h"

enum { SOURCES_LIMIT = 1 << 20 };

/* What one line or one stanza says. */
struct entry {
	struct strvec types, uris, suites, components, enabled;
};

static void entry_release(struct entry *entry)
{
	strvec_release(&entry->types);
	strvec_release(&entry->uris);
	strvec_release(&entry->suites);
	strvec_release(&entry->components);
	strvec_release(&entry->enabled);
	*entry = (struct entry){ 0 };
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t tail = strlen(end);
	return length >= tail && memcmp(text + length - tail, end, tail) == 0;
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* ---- which archive it is ------------------------------------------------------------------------- */

static bool is_security_suite(const char *suite)
{
	size_t length = strlen(suite);
	return ends_with(suite, length, "-security") || ends_with(suite, length, "/updates");
}

/* By the last part of the path: vendors' archives for Debian have "debian" in theirs too. */
static void take_url(struct apt_sources *sources, const struct entry *entry, const char *url)
{
	size_t length = strlen(url);
	bool security = entry->suites.count && is_security_suite(entry->suites.items[0]);
	struct strbuf *target = security ? &sources->security : &sources->mirror;

	while (length && url[length - 1] == '/')
		length--;
	bool known = security
			     ? ends_with(url, length, "/debian-security") ||
				       ends_with(url, length, "//security.debian.org") ||
				       strstr(url, "/archive/debian-security/")
			     : ends_with(url, length, "/debian") || strstr(url, "/archive/debian/");
	if (!known || target->length)
		return;
	/* apt writes file:/srv/debian, curl wants file:///srv/debian. */
	if (starts_with(url, "file:/") && !starts_with(url, "file:///")) {
		strbuf_adds(target, "file://");
		strbuf_add(target, url + 5, length - 5);
	} else if (starts_with(url, "http://") || starts_with(url, "https://") ||
		   starts_with(url, "file:///")) {
		strbuf_add(target, url, length);
	}
}

/* A line of such a list is a URL and perhaps, after a tab, its priority (apt-transport-mirror(1)). */
static void take_mirror_list(struct apt_sources *sources, const struct entry *entry,
			     const char *root, const char *uri)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *name = strchr(uri, ':') + 1;
	autofree char *path = xasprintf("%s/%s", root, name);

	if (file_read(AT_FDCWD, path, SOURCES_LIMIT, &text, NULL) < 0)
		return;
	for (const char *at = text.text; *at; at += strspn(at, "\n")) {
		size_t length = strcspn(at, "\n");
		autofree char *url = xstrndup(at, strcspn(at, " \t\n"));
		if (*url != '#')
			take_url(sources, entry, url);
		at += length;
	}
}

static void take_entry(struct apt_sources *sources, const struct entry *entry, const char *root)
{
	static const char *const no[] = { "no", "false", "without", "off", "disable", "0" };

	for (size_t i = 0; entry->enabled.count && i < sizeof(no) / sizeof(no[0]); i++)
		if (strcasecmp(entry->enabled.items[0], no[i]) == 0)
			return;
	if (!strvec_contains(&entry->types, "deb") || !strvec_contains(&entry->components, "main"))
		return;
	for (size_t i = 0; i < entry->uris.count; i++) {
		const char *uri = entry->uris.items[i];
		if (starts_with(uri, "mirror+file:"))
			take_mirror_list(sources, entry, root, uri);
		else
			take_url(sources, entry, uri);
	}
}

/* ---- one line a source ---------------------------------------------------------------------------- */

/* "deb [OPTION…] URI SUITE COMPONENT…": the options may hold blanks, and go before the line is split. */
static void scan_line(struct apt_sources *sources, const char *root, char *line)
{
	AUTO(entry_release) struct entry entry = { 0 };
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	line += strspn(line, " \t");
	char *open = line + strcspn(line, " \t");
	open += strspn(open, " \t");
	char *close = *open == '[' ? strchr(open, ']') : NULL;

	line[strcspn(line, "#")] = '\0';
	if (close)
		memset(open, ' ', (size_t)(close - open) + 1);
	strvec_split(&words, line);
	if (words.count < 4)
		return;
	strvec_push(&entry.types, words.items[0]);
	strvec_push(&entry.uris, words.items[1]);
	strvec_push(&entry.suites, words.items[2]);
	for (size_t i = 3; i < words.count; i++)
		strvec_push(&entry.components, words.items[i]);
	take_entry(sources, &entry, root);
}

/* ---- deb822 -------------------------------------------------------------------------------------------- */

static struct strvec *field_of(struct entry *entry, const char *name, size_t length)
{
	const struct {
		const char *name;
		struct strvec *field;
	} fields[] = {
		{ "Types", &entry->types },     { "URIs", &entry->uris },
		{ "Suites", &entry->suites },   { "Components", &entry->components },
		{ "Enabled", &entry->enabled },
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(fields[i].name) == length &&
		    strncasecmp(fields[i].name, name, length) == 0)
			return fields[i].field;
	return NULL;
}

struct stanzas {
	struct apt_sources *sources;
	const char *root;
	struct entry entry;
	struct strvec *field; /* what lines that begin with a blank go on with */
};

static void end_stanza(struct stanzas *stanzas)
{
	take_entry(stanzas->sources, &stanzas->entry, stanzas->root);
	entry_release(&stanzas->entry);
	stanzas->field = NULL;
}

static void scan_field(struct stanzas *stanzas, const char *line)
{
	if (*line == '#')
		return;
	if (!line[strspn(line, " \t")]) {
		end_stanza(stanzas);
		return;
	}
	if (*line != ' ' && *line != '\t') {
		size_t length = strcspn(line, ":");
		stanzas->field = field_of(&stanzas->entry, line, length);
		line += length + (line[length] == ':');
	}
	if (stanzas->field)
		strvec_split(stanzas->field, line);
}

/* ---- files ---------------------------------------------------------------------------------------------- */

void apt_sources_scan(struct apt_sources *sources, const char *root, const char *text, bool deb822)
{
	struct stanzas stanzas = { .sources = sources, .root = root };

	for (const char *at = text; *at;) {
		size_t length = strcspn(at, "\n");
		autofree char *line = xstrndup(at, length);
		if (length && line[length - 1] == '\r')
			line[length - 1] = '\0';
		if (deb822)
			scan_field(&stanzas, line);
		else
			scan_line(sources, root, line);
		at += length + (at[length] == '\n');
	}
	end_stanza(&stanzas);
}

static void scan_file(struct apt_sources *sources, const char *root, const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	size_t length = strlen(path);
	bool deb822 = ends_with(path, length, ".sources");

	if (!deb822 && !ends_with(path, length, ".list"))
		return;
	if (file_read(AT_FDCWD, path, SOURCES_LIMIT, &text, NULL) == 0)
		apt_sources_scan(sources, root, text.text, deb822);
}

void apt_sources_read(struct apt_sources *sources, const char *root)
{
	AUTO(strvec_release) struct strvec paths = STRVEC_INIT;
	autofree char *list = xasprintf("%s/etc/apt/sources.list", root);
	autofree char *folder = xasprintf("%s/etc/apt/sources.list.d", root);
	autoclosedir DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			strvec_pushf(&paths, "%s/%s", folder, entry->d_name);
	strvec_sort(&paths);
	scan_file(sources, root, list);
	for (size_t i = 0; i < paths.count; i++)
		scan_file(sources, root, paths.items[i]);
}

void apt_sources_release(struct apt_sources *sources)
{
	strbuf_release(&sources->mirror);
	strbuf_release(&sources->security);
}
