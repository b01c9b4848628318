#include "vzpkg/metadata/yumdb.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "vzpkg/metadata/installed_read.h"
#include "vzpkg/metadata/rpm_reasons.h"

enum {
	FOLDERS_MAX = 1000, /* of first letters */
	ENTRIES_MAX = 2 * INSTALLED_PACKAGES_MAX, /* in one of those; yum leaves some behind */
	REASON_MAX = 100, /* bytes */
	ID_LENGTH = 40,
};

char *yumdb_package(const char *name, const char *version, const char *arch)
{
	const char *colon = strchr(version, ':');

	return xasprintf("%s-%s-%s", name, colon ? colon + 1 : version, arch);
}

const char *yumdb_package_of(const char *entry)
{
	return strspn(entry, "0123456789abcdef") == ID_LENGTH && entry[ID_LENGTH] == '-'
		       ? entry + ID_LENGTH + 1
		       : NULL;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Names without a "/", as readdir(3) gives them. What is no folder has none. */
static int list_folder(int tree, const char *path, size_t limit, struct strvec *ret,
		       struct error *err)
{
	int fd = open_type_in_root(tree, path, S_IFDIR);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (fd >= 0 && !dir)
		close(fd);
	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		if (ret->count == limit)
			return installed_broken(err, path, "it has more than %zu entries", limit);
		strvec_push(ret, entry->d_name);
	}
	return 0;
}

static void take_entry(int tree, const char *folder, const char *entry, struct rpm_reasons *ret)
{
	AUTO(strbuf_release) struct strbuf reason = STRBUF_INIT;
	autofree char *path = xasprintf("%s/%s/reason", folder, entry);
	const char *package = yumdb_package_of(entry);
	autoclose int fd = package ? open_type_in_root(tree, path, S_IFREG) : -1;

	/* It may be just being replaced, or be anything: then nothing is known of the package. */
	if (fd < 0 || file_read_fd(fd, path, REASON_MAX, &reason, NULL) < 0)
		return;
	if (strcmp(reason.text, YUMDB_DEPENDENCY) == 0)
		strvec_push(&ret->dependencies, package);
	else if (strcmp(reason.text, YUMDB_ASKED) == 0)
		strvec_push(&ret->asked, package);
}

int yumdb_read(int tree, struct rpm_reasons *ret, struct error *err)
{
	AUTO(strvec_release) struct strvec letters = STRVEC_INIT;

	if (list_folder(tree, YUMDB, FOLDERS_MAX, &letters, err) < 0)
		return -1;
	for (size_t i = 0; i < letters.count; i++) {
		AUTO(strvec_release) struct strvec entries = STRVEC_INIT;
		autofree char *folder = xasprintf(YUMDB "/%s", letters.items[i]);
		if (list_folder(tree, folder, ENTRIES_MAX, &entries, err) < 0)
			return -1;
		for (size_t e = 0; e < entries.count; e++)
			take_entry(tree, folder, entries.items[e], ret);
	}
	return 0;
}
