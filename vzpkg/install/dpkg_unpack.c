#include "vzpkg/install/dpkg_unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/worker.h"
#include "vzpkg/install/deb_archive.h"
#include "vzpkg/install/deb_unpack.h"

enum { CONFIG_LIMIT = 1 << 20 };

/* ---- the configuration ----------------------------------------------------------------------------- */

static bool has_filter_line(const char *text)
{
	for (const char *line = text; *line;) {
		line += strspn(line, " \t");
		if (strncmp(line, "path-exclude", 12) == 0 ||
		    strncmp(line, "path-include", 12) == 0)
			return true;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return false;
}

static int file_has_filters(int dir, const char *name, bool *ret, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autoclose int fd = open_in_root(dir, name, O_RDONLY | O_NONBLOCK, 0);

	if (fd < 0)
		return 0;
	if (file_read_fd(fd, name, CONFIG_LIMIT, &text, err) < 0)
		return -1;
	*ret |= has_filter_line(text.text);
	return 0;
}

int dpkg_has_filters(int tree, bool *ret, struct error *err)
{
	int fd = open_in_root(tree, "etc/dpkg/dpkg.cfg.d", O_RDONLY | O_DIRECTORY, 0);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	*ret = false;
	if (file_has_filters(tree, "etc/dpkg/dpkg.cfg", ret, err) < 0)
		return -1;
	while (dir && (entry = readdir(dir))) {
		autofree char *path = xasprintf("etc/dpkg/dpkg.cfg.d/%s", entry->d_name);
		if (entry->d_name[0] != '.' && file_has_filters(tree, path, ret, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- what is in the packages -------------------------------------------------------------------------- */

struct scan {
	const struct install_job *job;
	const size_t *packages;
	int64_t newest;
};

static int scan_data(struct deb_archive *deb, const struct plan_package *package, const char *name,
		     int64_t *newest, struct error *err)
{
	struct archive *tar = deb_archive_data(deb, err);
	struct archive_entry *entry;
	uint64_t bytes = 0;
	int status = -1;

	while (tar && (status = deb_tar_next(deb, tar, &entry, err)) > 0) {
		bytes += (uint64_t)archive_entry_size(entry);
		if (bytes > deb_bytes_limit(package))
			return deb_bad(name, err, "it is larger than it says");
		if (archive_entry_filetype(entry) == AE_IFREG &&
		    archive_entry_mtime(entry) > *newest)
			*newest = archive_entry_mtime(entry);
	}
	return status;
}

static int scan_task(size_t index, void *data, struct strbuf *result, struct error *err)
{
	const struct scan *scan = data;
	const struct plan_package *package = &scan->job->plan->packages[scan->packages[index]];
	AUTO(deb_archive_freep) struct deb_archive *deb = NULL;
	autofree char *name = xasprintf("%s %s", package->name, package->version);
	int64_t newest = 0;

	autoclose int fd = store_package_open(scan->job->store, package, err);
	if (fd < 0 || deb_archive_open(fd, name, &deb, err) < 0)
		return -1;
	if (!deb_archive_control(deb, err) || scan_data(deb, package, name, &newest, err) < 0)
		return -1;
	strbuf_add(result, &newest, sizeof(newest));
	return 0;
}

static int scan_done(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct scan *scan = data;
	int64_t newest;

	(void)index;
	if (size != sizeof(newest))
		return error_set(err, ERROR_INTERNAL, "a worker's answer cannot be read");
	memcpy(&newest, result, sizeof(newest));
	if (newest > scan->newest)
		scan->newest = newest;
	return 0;
}

/* ---- dpkg ------------------------------------------------------------------------------------------------- */

static void show_line(const char *line, void *data)
{
	const struct install_job *job = data;
	report_detail(job->report, "%s", line);
}

/* The package comes as standard input: dpkg opens it anew by the link's name, so that nothing of the store
 * need be shown inside. The VE's root can read it, and is not its owner. */
static int unpack_one(struct session *session, const struct plan_package *package,
		      struct error *err)
{
	static const char *const argv[] = { "dpkg",     "--log=/dev/null", "--force-confold",
					    "--unpack", "/dev/stdin",      NULL };
	autoclose int deb = store_package_open(session->job->store, package, err);
	autofree char *what = xasprintf("unpacking %s %s", package->name, package->version);
	struct program program = {
		.what = what,
		.argv = argv,
		.script = -1,
		.input = deb,
		.line = show_line,
		.data = (void *)session->job,
	};

	if (deb < 0)
		return -1;
	if (session_run(session, &program, err) < 0)
		return error_subject(err, "%s", package->name);
	return 0;
}

int dpkg_unpack(struct session *session, const size_t *packages, size_t count, int64_t *newest,
		struct error *err)
{
	struct scan scan = { .job = session->job, .packages = packages, .newest = *newest };
	struct worker_job scanning = {
		.name = "looking into packages",
		.jobs = session->job->jobs ?: 1,
		.count = count,
		.batches = true,
		.task = scan_task,
		.done = scan_done,
		.data = &scan,
	};

	uint64_t done = 0;

	if (workers_run(&scanning, err) < 0)
		return -1;
	*newest = scan.newest;
	for (size_t i = 0; i < count; i++) {
		const struct plan_package *package = &session->job->plan->packages[packages[i]];
		if (unpack_one(session, package, err) < 0)
			return -1;
		done += package->size;
		report_progress(session->job->report, done, package->name);
	}
	return 0;
}
