#include "vzpkg/variables.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/strvec.h"

enum { SOURCES_LIMIT = 1 << 20 };

/* Each may be set in vzpkg.conf and in the environment. */
static const struct {
	const char *name, *value;
} defaults[] = {
	{ "DEBIAN_MIRROR", "http://ftp.debian.org/debian" },
	{ "DEBIAN_SECURITY_MIRROR", "http://security.debian.org/debian-security" },
	{ "DEBIAN_ARCHIVE", "http://archive.debian.org/debian" },
	{ "DEBIAN_SECURITY_ARCHIVE", "http://archive.debian.org/debian-security" },
	{ "FEDORA_ARCHIVE", "https://archives.fedoraproject.org/pub/archive/fedora/linux" },
};

enum { DEFAULT_COUNT = sizeof(defaults) / sizeof(defaults[0]) };

/* ---- apt's sources --------------------------------------------------------------------------------- */

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t tail = strlen(end);
	return length >= tail && memcmp(text + length - tail, end, tail) == 0;
}

static void take_uri(const char *uri, size_t length, struct strbuf *mirror, struct strbuf *security)
{
	while (length && uri[length - 1] == '/')
		length--;
	if (strncmp(uri, "http://", 7) != 0 && strncmp(uri, "https://", 8) != 0)
		return;
	if (ends_with(uri, length, "/debian") && !mirror->length)
		strbuf_add(mirror, uri, length);
	else if (ends_with(uri, length, "/debian-security") && !security->length)
		strbuf_add(security, uri, length);
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* "deb [signed-by=…] URI SUITE COMPONENT…" */
static void scan_line(const char *line, struct strbuf *mirror, struct strbuf *security)
{
	const char *at = skip_blanks(line);
	if (strncmp(at, "deb", 3) != 0 || !strchr(" \t", at[3]) || !at[3])
		return;
	at = skip_blanks(at + 3);
	if (*at == '[') {
		at += strcspn(at, "]");
		at = skip_blanks(at + (*at == ']'));
	}
	take_uri(at, strcspn(at, " \t"), mirror, security);
}

static void scan_field(const char *line, struct strbuf *mirror, struct strbuf *security)
{
	if (strncasecmp(line, "URIs:", 5) != 0)
		return;
	for (const char *at = skip_blanks(line + 5); *at; at = skip_blanks(at)) {
		size_t length = strcspn(at, " \t");
		take_uri(at, length, mirror, security);
		at += length;
	}
}

void apt_sources_scan(const char *text, bool deb822, struct strbuf *mirror, struct strbuf *security)
{
	for (const char *at = text; *at;) {
		size_t length = strcspn(at, "\n");
		autofree char *line = xstrndup(at, length);
		if (deb822)
			scan_field(line, mirror, security);
		else
			scan_line(line, mirror, security);
		at += length + (at[length] == '\n');
	}
}

static void scan_file(const char *path, struct strbuf *mirror, struct strbuf *security)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	size_t length = strlen(path);
	bool deb822 = ends_with(path, length, ".sources");

	if (!deb822 && !ends_with(path, length, ".list"))
		return;
	if (file_read(AT_FDCWD, path, SOURCES_LIMIT, &text, NULL) == 0)
		apt_sources_scan(text.text, deb822, mirror, security);
}

/* The files of a folder, sorted by name. */
static void list_files(const char *folder, struct strvec *paths)
{
	autoclosedir DIR *dir = opendir(folder);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			strvec_pushf(paths, "%s/%s", folder, entry->d_name);
	strvec_sort(paths);
}

static void set_from_apt(struct conf *variables, const char *apt_root)
{
	AUTO(strbuf_release) struct strbuf mirror = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf security = STRBUF_INIT;
	AUTO(strvec_release) struct strvec paths = STRVEC_INIT;
	autofree char *list = xasprintf("%s/etc/apt/sources.list", apt_root);
	autofree char *folder = xasprintf("%s/etc/apt/sources.list.d", apt_root);

	scan_file(list, &mirror, &security);
	list_files(folder, &paths);
	for (size_t i = 0; i < paths.count; i++)
		scan_file(paths.items[i], &mirror, &security);
	if (mirror.length)
		conf_set(variables, "DEBIAN_MIRROR", mirror.text);
	if (security.length)
		conf_set(variables, "DEBIAN_SECURITY_MIRROR", security.text);
}

/* ---- all of it -------------------------------------------------------------------------------------- */

static char *config_folder(const struct host_config *host)
{
	const char *path = host->conf.path;
	const char *slash = path ? strrchr(path, '/') : NULL;
	return slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("/etc/vz");
}

static int set_from_files(struct conf *variables, const struct host_config *host, struct error *err)
{
	AUTO(strvec_release) struct strvec paths = STRVEC_INIT;
	autofree char *folder = config_folder(host);
	autofree char *file = xasprintf("%s/vzpkg.conf", folder);
	autofree char *more = xasprintf("%s/vzpkg.conf.d", folder);

	if (conf_read(variables, AT_FDCWD, file, true, err) < 0)
		return -1;
	list_files(more, &paths);
	for (size_t i = 0; i < paths.count; i++) {
		const char *path = paths.items[i];
		if (ends_with(path, strlen(path), ".conf") &&
		    conf_read(variables, AT_FDCWD, path, false, err) < 0)
			return -1;
	}
	return 0;
}

/* A slash at the end would be doubled in every address that is made from it. */
static void set_trimmed(struct conf *variables, const char *name, const char *value)
{
	autofree char *text = xstrdup(value);
	size_t length = strlen(text);
	while (length && text[length - 1] == '/')
		text[--length] = '\0';
	conf_set(variables, name, text);
}

int variables_load(struct conf *variables, const struct host_config *host, const char *apt_root,
		   struct error *err)
{
	for (size_t i = 0; i < DEFAULT_COUNT; i++)
		conf_set(variables, defaults[i].name, defaults[i].value);
	set_from_apt(variables, apt_root);
	if (set_from_files(variables, host, err) < 0)
		return -1;
	for (size_t i = 0; i < DEFAULT_COUNT; i++) {
		const char *value = getenv(defaults[i].name);
		if (!value || !*value)
			value = conf_get(variables, defaults[i].name);
		set_trimmed(variables, defaults[i].name, value);
	}
	return 0;
}
