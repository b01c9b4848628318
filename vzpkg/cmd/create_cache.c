/*
 * vzpkg create-cache: template → metadata → plan → packages → tree in a temporary VE → tarball.
 */
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cmd/cache_again.h"
#include "vzpkg/cmd/cache_build.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/technology.h"
#include "vzpkg/exit_code.h"

static bool force, exit_code_wanted, gzip_single, gate_wanted, check_reproducible;
static const char *locked, *fs_type, *image_format;

static const struct option_row options[] = {
	{ "force", 'f', OPTION_FLAG, &force, NULL, "build it even if there is a cache" },
	{ "locked", 0, OPTION_STRING, &locked, "FILE",
	  "build what this lock file names; without it, what the template's own does, if it has "
	  "one" },
	{ "gzip-single", 0, OPTION_FLAG, &gzip_single, NULL,
	  "write one gzip member, for readers that see only the first" },
	{ "gate", 0, OPTION_FLAG, &gate_wanted, NULL,
	  "publish it only if it works in a throw-away VE" },
	{ "check-reproducible", 0, OPTION_FLAG, &check_reproducible, NULL,
	  "build it twice, under other conditions; publish it only if both are the same" },
	{ "exit-code", 0, OPTION_FLAG, &exit_code_wanted, NULL,
	  "exit with 100 if there was nothing to do" },
	/* What libvzctl passes; one image format serves all. */
	{ "vefstype", 0, OPTION_STRING, &fs_type, "TYPE", NULL },
	{ "veimgfmt", 0, OPTION_STRING, &image_format, "FORMAT", NULL },
	{ NULL },
};

static void result_fill(const struct app *app, const struct template *template, const char *status,
			struct command_result *ret)
{
	autofree char *path =
		xasprintf("%s/cache/%s.tar.gz", app->host.template_dir, template->text);
	json_t *manifest = NULL;

	generation_current(app->host.template_dir, template->text, &manifest);
	json_t *image = json_object_get(manifest, "image");
	ret->json = json_pack("{s:s s:s s:s s:O? s:I s:o}", "template", template->text, "status",
			      status, "path", path, "image", image, "packages",
			      (json_int_t)json_array_size(json_object_get(manifest, "packages")),
			      "phases", report_timing(app->report));
	strbuf_addf(&ret->text, "%s\n", path);
	json_decref(manifest);
}

/* The stages, each of which is one function of one layer. */
static int build_cache(struct app *app, const struct template *template, struct command_result *ret,
		       struct error *err)
{
	AUTO(cache_build_release) struct cache_build build = CACHE_BUILD_INIT;

	build.gzip_single = gzip_single;
	build.gate = gate_wanted;
	if (cache_build_open(&build, app, template, err) < 0 ||
	    app_plan(app, template, NULL, &build.solved, err) < 0 ||
	    cache_build_from_nothing(&build, err) < 0 || cache_build_pack(&build, err) < 0)
		return -1;
	if (check_reproducible && cache_build_again(&build, &ret->json, err) < 0)
		return -1;
	return cache_build_publish(&build, err);
}

/* Which file the cache is now; 0 if there is none. Every build makes another. */
static ino_t cache_identity(const struct app *app, const struct template *template)
{
	autofree char *path =
		xasprintf("%s/cache/%s.tar.gz", app->host.template_dir, template->text);
	struct stat st;
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

/* Who comes second to a build that goes on finds the work done, with --force too. */
static int lock_or_done(struct app *app, const struct template *template, struct build_lock *lock,
			bool *done, struct error *err)
{
	ino_t before = cache_identity(app, template);
	if (cache_build_lock(lock, app, template, err) < 0)
		return -1;
	ino_t now = cache_identity(app, template);
	*done = now && !check_reproducible && (!force || (lock->waited && now != before));
	return 0;
}

static int create(struct app *app, const struct strvec *operands, struct command_result *ret,
		  struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(build_lock_release) struct build_lock lock = BUILD_LOCK_INIT;
	bool done;

	app->locked = locked;
	if (technology_check(fs_type, image_format, err) < 0 ||
	    app_need_root("create-cache", err) < 0 ||
	    app_template(app, operands->items[0], &template, err) < 0)
		return -1;
	if (lock_or_done(app, template, &lock, &done, err) < 0)
		return -1;
	if (done) {
		report_info(app->report, "%s has a cache already; --force builds it anew",
			    template->text);
		ret->status = exit_code_wanted ? EXIT_NOTHING_TO_DO : 0;
	} else if (build_cache(app, template, ret, err) < 0) {
		return -1;
	}
	result_fill(app, template, done ? "present" : "built", ret);
	return 0;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	return create(app, operands, ret, err) < 0 ? cache_build_failed(app, err) : 0;
}

const struct command command_create_cache = {
	.name = "create-cache",
	.operands = "TEMPLATE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "Builds an OS template's cache in a temporary VE",
	.options = options,
	.run = run,
};
