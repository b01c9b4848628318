#include "vzpkg/variables.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strvec.h"
#include "vzpkg/apt_sources.h"

/* Each may be set in vzpkg.conf and in the environment. */
static const struct {
	const char *name, *value;
} defaults[] = {
	{ "DEBIAN_MIRROR", "http://ftp.debian.org/debian" },
	{ "DEBIAN_SECURITY_MIRROR", "http://security.debian.org/debian-security" },
	{ "DEBIAN_ARCHIVE", "http://archive.debian.org/debian" },
	{ "DEBIAN_SECURITY_ARCHIVE", "http://archive.debian.org/debian-security" },
	{ "FEDORA_ARCHIVE", "https://archives.fedoraproject.org/pub/archive/fedora/linux" },
	{ "FEDORA_MIRROR", "https://dl.fedoraproject.org/pub/fedora/linux" },
	{ "CENTOS_VAULT", "https://vault.centos.org" },
	{ "CENTOS_STREAM_MIRROR", "https://mirror.stream.centos.org" },
	{ "OPENSUSE_MIRROR", "https://download.opensuse.org" },
};

enum { DEFAULT_COUNT = sizeof(defaults) / sizeof(defaults[0]) };

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);
	return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void set_from_apt(struct conf *variables, const char *apt_root)
{
	AUTO(apt_sources_release) struct apt_sources sources = APT_SOURCES_INIT;

	apt_sources_read(&sources, apt_root);
	if (sources.mirror.length)
		conf_set(variables, "DEBIAN_MIRROR", sources.mirror.text);
	if (sources.security.length)
		conf_set(variables, "DEBIAN_SECURITY_MIRROR", sources.security.text);
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

/* Red Hat's place for vz.conf is shared with everybody's: there is no vzpkg.conf in it. */
static char *config_folder(const struct host_config *host)
{
	const char *path = host->conf.path;
	if (!path || strcmp(path, "/etc/sysconfig/vz") == 0)
		return xstrdup("/etc/vz");
	const char *slash = strrchr(path, '/');
	return slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
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
		if (ends_with(path, ".conf") &&
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
