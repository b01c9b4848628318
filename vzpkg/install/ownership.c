#include "vzpkg/install/ownership.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/install/dpkg_overrides.h"
#include "vzpkg/install/real_path.h"

enum { LIST_LIMIT = 64 << 20 };

struct reader {
	struct real_paths real;
	struct ownership *ownership;
};

static void add(struct reader *reader, const char *path, const char *package)
{
	struct ownership *ownership = reader->ownership;
	autofree char *real = real_path(&reader->real, path);

	if (!*real)
		return;
	ownership->paths = xgrow(ownership->paths, ownership->count, &ownership->capacity,
				 sizeof(*ownership->paths));
	ownership->paths[ownership->count++] = (struct owned_path){
		.path = steal_ptr(real),
		.package = xstrdup(package),
	};
}

/* ---- dpkg ------------------------------------------------------------------------------------------------- */

static int read_list(struct reader *reader, int info, const char *name, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *package = xstrndup(name, strcspn(name, ":"));
	size_t length = strlen(package);
	char *rest;

	if (length > 5 && strcmp(package + length - 5, ".list") == 0)
		package[length - 5] = '\0';
	autoclose int fd = open_in_root(info, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, errno, "opening dpkg's %s", name);
	if (file_read_fd(fd, name, LIST_LIMIT, &text, err) < 0)
		return -1;
	for (char *line = strtok_r(text.text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		add(reader, line, package);
	return 0;
}

static int read_dpkg(struct reader *reader, struct error *err)
{
	AUTO(dpkg_overrides_release) struct dpkg_overrides overrides = DPKG_OVERRIDES_INIT;
	int fd = open_in_root(reader->real.tree, "var/lib/dpkg/info", O_RDONLY | O_DIRECTORY, 0);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return error_errno(err, errno, "opening dpkg's info in the tree");
	while ((entry = readdir(dir)))
		if (fnmatch("*.list", entry->d_name, 0) == 0 &&
		    read_list(reader, dirfd(dir), entry->d_name, err) < 0)
			return -1;
	if (dpkg_overrides_read(&overrides, reader->real.tree, err) < 0)
		return -1;
	for (size_t i = 0; i < overrides.diversion_count; i++)
		add(reader, overrides.diversions[i].to, "dpkg-divert");
	return 0;
}

/* ---- rpm -------------------------------------------------------------------------------------------------- */

static void rpm_line(const char *line, void *data)
{
	const char *slash = strstr(line, " /");
	if (!slash)
		return;
	autofree char *package = xstrndup(line, (size_t)(slash - line));
	add(data, slash + 1, package);
}

static int read_rpm(struct session *session, struct reader *reader, struct error *err)
{
	static const char *const argv[] = { "rpm", "-qa", "--qf", "[%{=NAME} %{FILENAMES}\\n]",
					    NULL };
	struct program program = {
		.what = "listing the files of packages",
		.argv = argv,
		.script = -1,
		.input = -1,
		.line = rpm_line,
		.data = reader,
	};
	return session_run(session, &program, err);
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct owned_path *)a)->path, ((const struct owned_path *)b)->path);
}

int ownership_read(struct session *session, struct ownership *ret, struct error *err)
{
	struct reader reader = { .ownership = ret };
	bool rpm = session->job->template->format == PACKAGE_RPM;

	real_paths_open(&reader.real, session->job->tree);
	int status = rpm ? read_rpm(session, &reader, err) : read_dpkg(&reader, err);
	real_paths_release(&reader.real);
	if (status < 0)
		return -1;
	if (ret->count)
		qsort(ret->paths, ret->count, sizeof(*ret->paths), by_path);
	return 0;
}

void ownership_release(struct ownership *ownership)
{
	for (size_t i = 0; i < ownership->count; i++) {
		free(ownership->paths[i].path);
		free(ownership->paths[i].package);
	}
	free(ownership->paths);
	*ownership = OWNERSHIP_INIT;
}

const char *ownership_find(const struct ownership *ownership, const char *path)
{
	struct owned_path key = { .path = (char *)path };
	const struct owned_path *found = ownership->count
						 ? bsearch(&key, ownership->paths, ownership->count,
							   sizeof(*ownership->paths), by_path)
						 : NULL;
	return found ? found->package : NULL;
}

/* ---- what is nobody's ----------------------------------------------------------------------------------------- */

static const char *const kept_by_tools[] = {
	/* package managers */
	"var/lib/dpkg/*", "var/lib/rpm/*", "usr/lib/sysimage/*", "var/lib/apt/*", "var/lib/yum/*",
	"var/lib/dnf/*", "var/lib/ucf/*",
	/* links that follow from what is installed */
	"etc/alternatives/*", "var/lib/alternatives/*", "var/lib/systemd/deb-systemd-*",
	"etc/rc?.d/*", "etc/rc.d/rc?.d/*",
	/* made anew when they are missing */
	"var/cache/*", "*/__pycache__", "*/__pycache__/*", "*.pyc", "etc/ld.so.cache", "var/log/*",
	"var/tmp/*", "tmp/*", "run/*", "etc/*-", /* passwd-, group- */
};

bool ownership_is_kept(const char *path)
{
	for (size_t i = 0; i < sizeof(kept_by_tools) / sizeof(kept_by_tools[0]); i++)
		if (fnmatch(kept_by_tools[i], path, 0) == 0)
			return true;
	return false;
}

void ownership_unowned(const struct ownership *ownership, const struct walk *walk,
		       struct strvec *ret)
{
	for (size_t i = 0; i < walk->count; i++) {
		const char *path = walk->entries[i].path;
		if (*path && !ownership_find(ownership, path) && !ownership_is_kept(path))
			strvec_push(ret, path);
	}
	strvec_sort(ret);
}
