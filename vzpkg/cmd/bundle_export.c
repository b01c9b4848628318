#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/worker.h"
#include "image/tar_tree.h"
#include "image/walk.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/cmd/bundle.h"
#include "vzpkg/cmd/packages.h"
#include "vzpkg/metadata/bundle.h"

struct export
{
	struct app *app;
	const struct template *template;
	const struct bundle_options *options;
	struct app_plan solved;
	struct packages packages;
	struct workdir workdir;
	int folder; /* what becomes the tar */
};

static void export_release(struct export *export)
{
	if (export->folder >= 0)
		close(export->folder);
	workdir_remove(&export->workdir);
	packages_release(&export->packages);
	app_plan_release(&export->solved);
}

/* ---- the template's files ------------------------------------------------------------------------------ */

/* Administrators may have linked them together in any way: what counts is what is read. */
static int copy_file(int from_dir, const char *from, int to_dir, const char *to, mode_t mode,
		     struct error *err)
{
	const char *slash = strrchr(to, '/');
	autofree char *folder = xstrndup(to, (size_t)(slash - to));
	autoclose int made = dir_open(to_dir, folder, true, 0755, err);
	autoclose int in = openat(from_dir, from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (made < 0)
		return -1;
	if (in < 0)
		return error_errno(err, errno, "reading %s", from);
	/* At one level, what is in TEMPLATE came first, and wins. */
	autoclose int out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (out < 0 && errno == EEXIST)
		return 0;
	if (out < 0)
		return error_errno(err, errno, "writing %s", to);
	return file_copy_fd(in, out, to, err);
}

static int copy_level(int root, const char *level, int folder, struct error *err)
{
	AUTO(walk_release) struct walk walk = WALK_INIT;
	autofree char *config = xasprintf("%s/config", level);
	autoclose int from = openat(root, config, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "reading %s", config);
	if (walk_tree(from, NULL, NULL, &walk, err) < 0)
		return -1;
	for (size_t i = 0; i < walk.count; i++) {
		const struct walk_entry *entry = &walk.entries[i];
		autofree char *to = xasprintf("template/%s/%s", config, entry->path);
		struct stat st;
		if (fstatat(from, *entry->path ? entry->path : ".", &st, 0) == 0 &&
		    S_ISREG(st.st_mode) &&
		    copy_file(from, entry->path, folder, to, st.st_mode & 0100 ? 0755 : 0644, err) <
			    0)
			return -1;
	}
	return 0;
}

static int add_template(const struct export *export, struct error *err)
{
	const struct template_name *name = &export->template->name;
	autofree char *release = xasprintf("%s/%s", name->os, name->release);
	autofree char *arch = xasprintf("%s/%s", release, name->arch);
	const char *levels[] = { name->os, release, arch };

	for (size_t i = 0; i < export->app->roots.count; i++) {
		autoclose int root =
			open(export->app->roots.items[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		for (size_t l = 0; root >= 0 && l < 3; l++)
			if (copy_level(root, levels[l], export->folder, err) < 0)
				return -1;
	}
	return 0;
}

/* ---- the rest ------------------------------------------------------------------------------------------ */

static int write_json(int folder, const char *name, json_t *json, struct error *err)
{
	autofree char *text = json_dumps(json, JSON_INDENT(1));
	autofree char *line = xasprintf("%s\n", text);

	json_decref(json);
	return file_write_atomic(folder, name, 0644, line, strlen(line), err);
}

static int add_metadata(const struct export *export, struct error *err)
{
	const struct app_plan *solved = &export->solved;

	if (!solved->lockfile)
		return metadata_export(solved->metadata, export->folder,
				       export->app->options.timeout_s, err);
	return write_json(export->folder, "lock.json",
			  lockfile_make(export->template, solved->metadata, solved->plan), err);
}

static int add_cache(const struct export *export, struct error *err)
{
	const char *name = export->template->text;
	static const char *const suffixes[] = { ".tar.gz", ".manifest.json", ".tar.gz.sha256" };
	autofree char *path = xasprintf("%s/cache", export->app->host.template_dir);

	if (!generation_current(export->app->host.template_dir, name, NULL)) {
		error_set(err, ERROR_NOT_CACHED, "%s has no cache", name);
		return error_hint(err, "\"vzpkg create-cache %s\" builds it; or leave --cache out",
				  name);
	}
	autoclose int cache = dir_open(AT_FDCWD, path, false, 0, err);
	for (size_t i = 0; cache >= 0 && i < 3; i++) {
		autofree char *from = xasprintf("%s%s", name, suffixes[i]);
		autofree char *to = xasprintf("cache/%s", from);
		if (file_link_or_copy(cache, from, export->folder, to, err) < 0)
			return -1;
	}
	return cache < 0 ? -1 : 0;
}

static json_t *repositories(const struct metadata *metadata)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < metadata->repository_count; i++)
		json_array_append_new(rows,
				      json_pack("{s:s s:I}", "repository",
						metadata->repositories[i].source->text, "date",
						(json_int_t)metadata->repositories[i].date));
	return rows;
}

static int add_contents(const struct export *export, struct error *err)
{
	char hex[DIGEST_MAX * 2 + 1];
	const struct app_plan *solved = &export->solved;

	return write_json(export->folder, "bundle.json",
			  json_pack("{s:i s:s s:{s:s s:s} s:o s:I s:I s:b s:b}", "schema", 1,
				    "kind", "bundle", "template", "name", export->template->text,
				    "sha256", digest_hex(&export->template->digest, hex),
				    "repositories", repositories(solved->metadata), "packages",
				    (json_int_t)solved->plan->count, "size",
				    (json_int_t)solved->plan->size, "locked",
				    solved->lockfile != NULL, "cache", export->options->cache),
			  err);
}

static int stage(struct export *export, struct error *err)
{
	const struct plan *plan = export->solved.plan;

	if (workdir_create(&export->workdir, export->app->host.template_dir, export->template->text,
			   err) < 0)
		return -1;
	export->folder = dir_open(export->workdir.fd, "bundle", true, 0755, err);
	autoclose int packages =
		export->folder < 0 ? -1 : dir_open(export->folder, "pm/packages", true, 0755, err);
	if (packages < 0 || add_template(export, err) < 0 || add_metadata(export, err) < 0 ||
	    store_export(export->packages.store, plan, packages, err) < 0 ||
	    (export->options->cache && add_cache(export, err) < 0))
		return -1;
	return add_contents(export, err);
}

static int64_t newest(const struct metadata *metadata)
{
	int64_t date = 0;

	for (size_t i = 0; i < metadata->repository_count; i++)
		if (metadata->repositories[i].date > date)
			date = metadata->repositories[i].date;
	return date;
}

static int write_tar(const struct export *export, struct error *err)
{
	const char *file = export->options->file;
	autofree char *temporary = xasprintf("%s.part", file);
	autoclose int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_errno(err, errno, "writing %s", temporary);
	report_phase(export->app->report, "writing the bundle", REPORT_BYTES, 0, 20);
	if (tar_tree(export->folder, newest(export->solved.metadata), fd, file, export->app->report,
		     err) == 0) {
		if (fsync(fd) == 0 && rename(temporary, file) == 0)
			return 0;
		error_errno(err, errno, "writing %s", file);
	}
	unlink(temporary);
	return -1;
}

int bundle_export(struct app *app, const struct bundle_options *options, const char *template,
		  struct command_result *ret, struct error *err)
{
	AUTO(template_freep) struct template *loaded = NULL;
	AUTO(export_release)
	struct export export = {
		.app = app,
		.options = options,
		.solved = APP_PLAN_INIT,
		.packages = PACKAGES_INIT,
		.workdir = WORKDIR_INIT,
		.folder = -1,
	};
	struct stat st;

	if (app_template(app, template, &loaded, err) < 0)
		return -1;
	export.template = loaded;
	if (app_plan(app, loaded, NULL, &export.solved, err) < 0 ||
	    packages_fill_verified(app, loaded, &export.solved, cpu_count(), &export.packages,
				   err) < 0 ||
	    stage(&export, err) < 0 || write_tar(&export, err) < 0)
		return -1;
	report_phase_end(app->report);
	json_int_t size = stat(options->file, &st) < 0 ? 0 : st.st_size;
	strbuf_addf(&ret->text, "%s\n", options->file);
	ret->json = json_pack("{s:s s:s s:I s:I s:b s:b}", "template", loaded->text, "path",
			      options->file, "size", size, "packages",
			      (json_int_t) export.solved.plan->count, "locked",
			      export.solved.lockfile != NULL, "cache", options->cache);
	return 0;
}
