/*
 * What a bundle holds is believed no more than what a mirror sends: it is unpacked into a folder of its own, and gets from there into
 * TEMPLATE only when this host's own keys, or its own lock file, have spoken for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/worker.h"
#include "image/unpack.h"
#include "image/walk.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/cmd/build_lock.h"
#include "vzpkg/cmd/bundle.h"
#include "vzpkg/cmd/bundle_contents.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/cmd/packages.h"
#include "vzpkg/metadata/bundle.h"

enum { JSON_LIMIT = 16 << 20 };

struct import {
	struct app *app;
	const struct bundle_options *options;
	struct workdir workdir;
	int folder; /* the bundle, unpacked */
	int staging; /* what is taken of it, as metadata_stage() wants it */
	int pm; /* of that */
	struct bundle_contents contents;
	struct template *template;
	bool foreign; /* the template is the bundle's */
	struct app_plan solved;
	struct packages packages;
};

static void import_release(struct import *import)
{
	packages_release(&import->packages);
	app_plan_release(&import->solved);
	template_freep(&import->template);
	for (size_t i = 0; i < 3; i++) {
		int fd = (int[]){ import->pm, import->staging, import->folder }[i];
		if (fd >= 0)
			close(fd);
	}
	workdir_remove(&import->workdir);
	bundle_contents_release(&import->contents);
}

/* ---- unpacking ------------------------------------------------------------------------------------------- */

static int unpack_task(size_t index, void *data, struct strbuf *result, struct error *err)
{
	const struct import *import = data;
	struct image_unpacked unpacked = { 0 };
	const char *file = import->options->file;
	autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct image_unpack job = { .fd = fd, .name = file, .tree = import->folder };

	(void)index;
	(void)result;
	if (fd < 0)
		return error_errno(err, errno, "opening %s", file);
	if (image_unpack(&job, &unpacked, err) < 0)
		return -1;
	if (unpacked.nodes_dropped)
		return error_set(err, ERROR_BAD_TEMPLATE, "%s: it holds device nodes", file);
	return 0;
}

/* Unpacking changes the working folder. */
static int unpack(struct import *import, struct error *err)
{
	struct worker_job job = {
		.name = "unpacking the bundle",
		.jobs = 1,
		.count = 1,
		.task = unpack_task,
		.data = import,
	};
	if (workers_run(&job, err) == 0)
		return 0;
	if (err->kind != ERROR_BAD_TEMPLATE)
		return -1;
	err->kind = ERROR_PARSE;
	return error_hint(err, "the file was damaged, or is no bundle: fetch it again and compare "
			       "its check sum");
}

/* Nothing but what is verified: a cache of libsolv's or a home of GnuPG's would not be. */
static int take_parts(struct import *import, struct error *err)
{
	static const char *const parts[] = { "repositories", "pm/indexes", "pm/packages" };

	import->staging = dir_open(import->workdir.fd, "staging", true, 0755, err);
	if (import->staging < 0)
		return -1;
	import->pm = dir_open(import->staging, "pm", true, 0755, err);
	for (size_t i = 0; import->pm >= 0 && i < 3; i++)
		if (renameat(import->folder, parts[i], import->staging, parts[i]) < 0 &&
		    errno != ENOENT)
			return error_errno(err, errno, "taking %s out of the bundle", parts[i]);
	return import->pm < 0 ? -1 : 0;
}

static int open_bundle(struct import *import, struct error *err)
{
	if (workdir_create(&import->workdir, import->app->host.template_dir, "bundle", err) < 0)
		return -1;
	import->folder = dir_open(import->workdir.fd, "bundle", true, 0755, err);
	if (import->folder < 0)
		return -1;
	report_phase(import->app->report, "unpacking the bundle", REPORT_ITEMS, 0, 20);
	if (unpack(import, err) < 0 ||
	    bundle_contents_read(import->folder, import->options->file, &import->contents, err) <
		    0 ||
	    take_parts(import, err) < 0)
		return -1;
	report_phase_end(import->app->report);
	return 0;
}

/* ---- the template ---------------------------------------------------------------------------------------- */

static int no_template(const struct import *import, struct error *err)
{
	error_set(err, ERROR_NO_TEMPLATE,
		  "%s is for the template %s, which this host does not have: there are no keys to "
		  "verify it with",
		  import->options->file, import->contents.template);
	error_subject(err, "%s", import->contents.template);
	return error_hint(err, "if you trust whoever made the bundle, --with-template takes the "
			       "template, with the keys in it, from there");
}

/* What this host has at a level of its own stays, and counts for all templates below it. */
static void drop_known_levels(const struct import *import)
{
	autoclosedir DIR *os = NULL;
	int top = openat(import->folder, "template", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;

	os = top < 0 ? NULL : fdopendir(top);
	while (os && (entry = readdir(os))) {
		if (entry->d_name[0] == '.')
			continue;
		autofree char *config = xasprintf("%s/config", entry->d_name);
		for (size_t i = 0; i < import->app->roots.count; i++) {
			autofree char *path =
				xasprintf("%s/%s", import->app->roots.items[i], config);
			if (access(path, F_OK) == 0)
				tree_remove(top, config, NULL);
		}
	}
}

static int load_foreign(struct import *import, struct error *err)
{
	autofree char *root = xasprintf("%s/bundle/template", import->workdir.path);

	drop_known_levels(import);
	strvec_push(&import->app->roots, root);
	if (app_template(import->app, import->contents.template, &import->template, err) < 0)
		return -1;
	import->foreign = true;
	for (size_t i = 0; i < import->template->trust_count; i++)
		report_warning(import->app->report, import->contents.template,
			       "the bundle's own key %s is trusted from now on: compare it with "
			       "what the distribution publishes",
			       import->template->trust[i].fingerprint);
	return 0;
}

static int find_template(struct import *import, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (app_template(import->app, import->contents.template, &import->template, &why) == 0)
		return 0;
	if (why.kind != ERROR_NO_TEMPLATE) {
		error_move(err, &why);
		return -1;
	}
	return import->options->with_template ? load_foreign(import, err)
					      : no_template(import, err);
}

static int adopt_level(const struct import *import, const char *level, struct error *err)
{
	AUTO(walk_release) struct walk walk = WALK_INIT;
	autofree char *config = xasprintf("%s/config", level);
	autofree char *staged = xasprintf("template/%s", config);
	autoclose int from =
		openat(import->folder, staged, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autofree char *path = xasprintf("%s/%s", import->app->host.template_dir, config);

	if (from < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "reading %s", staged);
	autoclose int to = dir_open(AT_FDCWD, path, true, 0755, err);
	if (to < 0 || walk_tree(from, NULL, NULL, &walk, err) < 0)
		return -1;
	for (size_t i = 0; i < walk.count; i++)
		if (S_ISREG(walk.entries[i].mode) &&
		    file_link_or_copy(from, walk.entries[i].path, to, walk.entries[i].path, err) <
			    0)
			return -1;
	return 0;
}

static int adopt_template(const struct import *import, struct error *err)
{
	const struct template_name *name = &import->template->name;
	autofree char *release = xasprintf("%s/%s", name->os, name->release);
	autofree char *arch = xasprintf("%s/%s", release, name->arch);

	if (!import->foreign)
		return 0;
	return adopt_level(import, name->os, err) < 0 || adopt_level(import, release, err) < 0 ||
			       adopt_level(import, arch, err) < 0
		       ? -1
		       : 0;
}

/* ---- verifying --------------------------------------------------------------------------------------------- */

/* Their metadata goes by the places of the lines. */
static int check_repositories(const struct import *import, struct error *err)
{
	const struct template *template = import->template;
	const struct strvec *lines = &import->contents.repositories;
	AUTO(strbuf_release) struct strbuf theirs = STRBUF_INIT, wanted = STRBUF_INIT;
	bool same = lines->count == template->repository_count;

	for (size_t i = 0; i < lines->count; i++) {
		const char *text = lines->items[i];
		same = same && strcmp(text, template->repositories[i].text) == 0;
		strbuf_addf(&theirs, "\n  %s", text);
		strbuf_addf(&wanted, " --repository '%s'", text);
	}
	if (same)
		return 0;
	error_set(err, ERROR_USAGE, "%s is of other repositories than those of %s on this host:%s",
		  import->options->file, template->text, theirs.text);
	error_subject(err, "%s", template->text);
	return error_hint(err, "give its repositories here and when the template is built:%s",
			  wanted.text);
}

/* Of packages that a lock file names, only that file says that they are the right ones, and this one came with them. */
static int check_lock(const struct import *import, struct error *err)
{
	struct app *app = import->app;
	autofree char *own = lockfile_path(app->host.template_dir, import->template->text);

	if (!import->contents.locked && !app->locked) {
		app->unlocked = true;
		return check_repositories(import, err);
	}
	if (app->locked || access(own, F_OK) == 0)
		return 0;
	error_set(err, ERROR_TRUST,
		  "%s was made by a lock file, which no key has signed, and this host has none for "
		  "%s",
		  import->options->file, import->template->text);
	error_subject(err, "%s", import->template->text);
	return error_hint(err,
			  "take it out (tar -xOf %s ./lock.json >FILE), compare it with that of "
			  "the other host, and give it with --locked FILE",
			  import->options->file);
}

/* The hints that come with these are for who has a mirror, and name the folder that is removed with us. */
static int not_verified(const struct import *import, struct error *err)
{
	const char *hint = NULL;

	if (err->kind == ERROR_ROLLBACK)
		hint = "this host has seen newer metadata: make the bundle of what the "
		       "repositories have now";
	else if (err->kind == ERROR_FETCH || err->kind == ERROR_NO_METADATA)
		hint = "the bundle is not complete, or was made for other lists or repositories "
		       "than the template has on this host: compare them, then make it anew";
	if (hint) {
		free(steal_ptr(err->hint));
		error_hint(err, "%s", hint);
	}
	return error_wrap(err, "verifying %s", import->options->file);
}

/* The plan of what is in the bundle, as if that were all there is. */
static int verify(struct import *import, struct error *err)
{
	struct app *app = import->app;
	int pm = app_pm(app, err);
	bool offline = app->options.offline;

	if (pm < 0 || check_lock(import, err) < 0 ||
	    metadata_stage(import->template, import->staging, pm, err) < 0)
		return -1;
	app->pm = import->pm;
	app->options.offline = true;
	int result = app_plan(app, import->template, NULL, &import->solved, err);
	if (result == 0)
		result = packages_fill_verified(app, import->template, &import->solved, cpu_count(),
						&import->packages, err);
	app->pm = pm;
	app->options.offline = offline;
	report_phase_end(app->report);
	return result < 0 ? not_verified(import, err) : 0;
}

static int adopt(const struct import *import, struct error *err)
{
	AUTO(store_freep) struct store *store = NULL;
	struct app *app = import->app;

	if (store_open(app->pm, &store, err) < 0 ||
	    store_adopt(store, import->packages.store, import->solved.plan, err) < 0 ||
	    store_keep(store, import->contents.template, import->solved.plan, err) < 0)
		return -1;
	if (!import->solved.lockfile && metadata_adopt(import->solved.metadata, import->pm, app->pm,
						       app->options.timeout_s, err) < 0)
		return -1;
	return adopt_template(import, err);
}

/* ---- the cache --------------------------------------------------------------------------------------------- */

static int bad_cache(const struct import *import, const char *why, struct error *err)
{
	error_set(err, ERROR_TRUST, "the cache in %s %s", import->options->file, why);
	error_subject(err, "%s", import->contents.template);
	return error_hint(err,
			  "the file was damaged or changed: fetch it again, or leave --cache out "
			  "and build it here");
}

static bool is_digest_of(const json_t *image, const struct digest *digest)
{
	char hex[DIGEST_MAX * 2 + 1];
	const char *said = json_string_value(json_object_get(image, "gzip_sha256"));
	return said && strcmp(said, digest_hex(digest, hex)) == 0;
}

static int publish_cache(const struct import *import, int tarball, const json_t *manifest,
			 const struct digest *digest, struct error *err)
{
	AUTO(build_lock_release) struct build_lock lock = BUILD_LOCK_INIT;
	AUTO(generation_abandon) struct generation_draft draft = GENERATION_DRAFT_INIT;
	struct app *app = import->app;
	const char *dir = app->host.template_dir, *name = import->template->text;
	char hex[DIGEST_MAX * 2 + 1];
	struct digest written;
	unsigned keep;

	if (app_number(app, "KEEP_GENERATIONS", GENERATIONS_KEPT, 1000, &keep, err) < 0 ||
	    build_lock_take(&lock, app, name, err) < 0 ||
	    generation_begin(&draft, dir, name, err) < 0)
		return -1;
	if (lseek(tarball, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "reading the cache of %s", name);
	if (file_copy_fd(tarball, draft.fd, name, err) < 0)
		return -1;
	if (fsync(draft.fd) < 0 || lseek(draft.fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "writing the cache of %s", name);
	if (digest_fd(DIGEST_SHA256, draft.fd, name, &written, err) < 0)
		return -1;
	if (!digest_equal(&written, digest))
		return error_set(err, ERROR_SYSTEM, "the cache of %s was read back otherwise",
				 name);
	draft.incremental = manifest_refreshes(manifest);
	return generation_publish(&draft, manifest, digest_hex(digest, hex), keep, err);
}

static int take_cache(const struct import *import, int tarball, const json_t *manifest,
		      struct error *err)
{
	const json_t *image = json_object_get(manifest, "image");
	struct digest digest;

	if (generation_manifest_check(manifest, "its manifest", import->template->text, err) < 0)
		return error_wrap(err, "the cache in %s", import->options->file);
	if (digest_fd(DIGEST_SHA256, tarball, import->contents.template, &digest, err) < 0)
		return -1;
	if (!is_digest_of(image, &digest))
		return bad_cache(import, "is not what its manifest is of", err);
	return publish_cache(import, tarball, manifest, &digest, err);
}

static int import_cache(const struct import *import, struct error *err)
{
	autofree char *tarball = xasprintf("cache/%s.tar.gz", import->contents.template);
	autofree char *json = xasprintf("cache/%s.manifest.json", import->contents.template);
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC;

	if (!import->options->cache) {
		if (import->contents.has_cache)
			report_info(import->app->report,
				    "the cache in the bundle is left out: no signature speaks for "
				    "it; --cache takes it");
		return 0;
	}
	if (!import->contents.has_cache) {
		error_set(err, ERROR_NOT_CACHED, "%s holds no cache", import->options->file);
		return error_hint(err,
				  "\"vzpkg --offline create-cache %s\" builds it of what was "
				  "taken in, or \"vzpkg bundle --cache\" puts it in",
				  import->contents.template);
	}
	autoclose int fd = openat(import->folder, tarball, flags);
	if (fd < 0 || file_read(import->folder, json, JSON_LIMIT, &text, NULL) < 0)
		return bad_cache(import, "is not whole", err);
	json_t *manifest = json_loadb(text.text, text.length, JSON_REJECT_DUPLICATES, NULL);
	report_phase(import->app->report, "publishing the cache", REPORT_ITEMS, 0, 10);
	int result = take_cache(import, fd, manifest, err);
	report_phase_end(import->app->report);
	json_decref(manifest);
	return result;
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

int bundle_import(struct app *app, const struct bundle_options *options, struct command_result *ret,
		  struct error *err)
{
	AUTO(import_release)
	struct import import = {
		.app = app,
		.options = options,
		.workdir = WORKDIR_INIT,
		.folder = -1,
		.staging = -1,
		.pm = -1,
		.contents = BUNDLE_CONTENTS_INIT,
		.solved = APP_PLAN_INIT,
		.packages = PACKAGES_INIT,
	};

	if (app_need_root("bundle --import", err) < 0 || open_bundle(&import, err) < 0 ||
	    find_template(&import, err) < 0 || verify(&import, err) < 0 ||
	    adopt(&import, err) < 0 || import_cache(&import, err) < 0)
		return -1;
	strbuf_addf(&ret->text, "%s: %zu packages of %.1f MB are here and verified\n",
		    import.template->text, import.solved.plan->count,
		    (double)import.solved.plan->size / 1e6);
	ret->json = json_pack("{s:s s:I s:I s:b s:b}", "template", import.template->text,
			      "packages", (json_int_t)import.solved.plan->count, "size",
			      (json_int_t)import.solved.plan->size, "locked",
			      import.solved.lockfile != NULL, "cache", options->cache);
	return 0;
}
