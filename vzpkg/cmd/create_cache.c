/*
 * vzpkg create-cache: template → metadata → plan → packages → tree in a temporary VE → tarball.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/background.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "image/pack.h"
#include "image/precompress.h"
#include "runtime/ve.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/cmd/build_lock.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/cmd/packages.h"
#include "vzpkg/cmd/technology.h"
#include "vzpkg/exit_code.h"
#include "vzpkg/install/guest.h"
#include "vzpkg/install/install.h"

static bool force, exit_code_wanted, gzip_single;
static const char *fs_type, *image_format;

static const struct option_row options[] = {
	{ "force", 'f', OPTION_FLAG, &force, NULL, "build it even if there is a cache" },
	{ "gzip-single", 0, OPTION_FLAG, &gzip_single, NULL,
	  "write one gzip member, for readers that see only the first" },
	{ "exit-code", 0, OPTION_FLAG, &exit_code_wanted, NULL,
	  "exit with 100 if there was nothing to do" },
	/* What libvzctl passes; one image format serves all. */
	{ "vefstype", 0, OPTION_STRING, &fs_type, "TYPE", NULL },
	{ "veimgfmt", 0, OPTION_STRING, &image_format, "FORMAT", NULL },
	{ NULL },
};

struct build {
	struct app *app;
	const struct template *template;
	struct app_plan solved;
	struct packages packages;
	struct workdir workdir;
	int tree; /* in the work folder */
	struct generation_draft draft;
	struct image_packed image;
	unsigned keep; /* generations */
	/* Of scripts; 0: install_apply() knows. */
	unsigned timeout_s, processes, memory_mb;
	int64_t epoch; /* no file time in the tarball is later than this, Unix seconds */
	bool epoch_given; /* by the caller, in SOURCE_DATE_EPOCH */
	struct member_cache *members; /* compressed while packages were configured */
	struct precompress precompress;
	struct background removal; /* of the tree that has been packed */
};

static void build_release(struct build *build)
{
	precompress_stop(&build->precompress);
	background_wait(&build->removal);
	member_cache_freep(&build->members);
	generation_abandon(&build->draft);
	if (build->tree >= 0)
		close(build->tree);
	workdir_remove(&build->workdir);
	packages_release(&build->packages);
	app_plan_release(&build->solved);
	image_packed_release(&build->image);
}

/* Bytes that the build will still take: what is to be downloaded is in the plan's sum in the worst
 * case, the tree, and a tarball that is never larger than the tree. */
static int check_space(const struct build *build, struct error *err)
{
	const struct plan *plan = build->solved.plan;
	uint64_t needed = plan->size + plan->installed_size + plan->installed_size / 2;
	uint64_t there = space_free(build->workdir.fd);
	if (there >= needed)
		return 0;
	error_set(err, ERROR_NO_SPACE,
		  "building %s takes about %" PRIu64 " MB in %s, and %" PRIu64 " MB are free",
		  build->template->text, needed >> 20, build->app->host.template_dir, there >> 20);
	return error_hint(err, "free some space, or set TEMPLATE in vz.conf to another disk");
}

/* SOURCE_DATE_EPOCH as https://reproducible-builds.org/specs/source-date-epoch/ defines it. */
static int read_epoch(struct build *build, struct error *err)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	char *end;

	if (!text || !*text)
		return 0;
	errno = 0;
	build->epoch = strtoll(text, &end, 10);
	build->epoch_given = true;
	if (errno || *end || build->epoch < 0)
		return error_set(err, ERROR_USAGE, "SOURCE_DATE_EPOCH is \"%s\" and not a number",
				 text);
	return 0;
}

/* While the packages are configured, one after the other, the other CPUs compress what is there. Without
 * that the build is slower, and that is all. */
static void unpacked(int64_t newest, void *data)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	struct build *build = data;
	int64_t epoch = build->epoch_given ? build->epoch : newest;

	if (cpu_count() < 2 || gzip_single)
		return;
	precompress_stop(&build->precompress);
	if ((!build->members && member_cache_new(build->workdir.fd, &build->members, &why) < 0) ||
	    member_cache_load(build->members, &why) < 0 ||
	    precompress_start(&build->precompress, build->tree, epoch, build->members, &why) < 0)
		report_detail(build->app->report, "%s", why.message);
}

static int install(struct build *build, struct error *err)
{
	int64_t newest = 0;
	struct install_job job = {
		.template = build->template,
		.plan = build->solved.plan,
		.store = build->packages.store,
		.keys = build->packages.keys,
		.newest = build->epoch_given ? build->epoch : build->packages.newest,
		.host = &build->app->host,
		.report = build->app->report,
		.tree = build->tree,
		.jobs = cpu_count(),
		.ret_epoch = &newest,
		.unpacked = unpacked,
		.data = build,
		.time_limit_s = build->timeout_s,
		.processes_max = build->processes,
		.memory_max = (uint64_t)build->memory_mb << 20,
	};
	if (install_apply(&job, err) < 0)
		return error_wrap(err, "installing %s", build->template->text);
	if (!build->epoch_given)
		build->epoch = newest;
	return interrupt_check(err);
}

static void remove_tree(void *data)
{
	const struct build *build = data;
	tree_remove(build->workdir.fd, "tree", NULL);
}

static int pack(struct build *build, struct error *err)
{
	struct report *report = build->app->report;
	struct image_pack image = {
		.tree = build->tree,
		.epoch = build->epoch,
		.threads = cpu_count(),
		.single_member = gzip_single,
		.cache = build->members,
		.precompress = &build->precompress,
		.report = report,
	};
	autofree char *file = xasprintf("%s.tar.gz", build->template->text);

	report_phase(report, "packing", REPORT_BYTES, 0, 15);
	if (image_pack(&image, build->draft.fd, file, &build->image, err) < 0)
		return -1;
	if (build->image.nodes_dropped)
		report_warning(report, file, "%" PRIu64 " device nodes or sockets were left out",
			       build->image.nodes_dropped);
	/* Without that child it goes afterwards. */
	background_start(&build->removal, remove_tree, build, NULL);
	report_phase(report, "reading back", REPORT_BYTES, 0, 4);
	if (image_verify(build->draft.fd, file, &build->image, image.threads, report, err) < 0)
		return -1;
	report_phase_end(report);
	return interrupt_check(err);
}

static int publish(struct build *build, struct error *err)
{
	char hex[DIGEST_MAX * 2 + 1];
	json_t *manifest = manifest_make(build->template, build->solved.metadata,
					 build->solved.plan, &build->image, build->epoch);
	int ret = generation_publish(&build->draft, manifest, digest_hex(&build->image.gzip, hex),
				     build->keep, err);
	json_decref(manifest);
	return ret;
}

/* The stages, each of which is one function of one layer. */
static int build_stages(struct build *build, struct error *err)
{
	struct app *app = build->app;
	const char *dir = app->host.template_dir;

	if (read_epoch(build, err) < 0 ||
	    app_plan(app, build->template, NULL, &build->solved, err) < 0 ||
	    guest_check_kernel(build->solved.plan, "/proc/self/maps", err) < 0 ||
	    workdir_create(&build->workdir, dir, build->template->text, err) < 0 ||
	    check_space(build, err) < 0 ||
	    packages_fill(app, build->template, &build->solved, cpu_count(), &build->packages,
			  err) < 0)
		return -1;

	build->tree = dir_open(build->workdir.fd, "tree", true, 0755, err);
	if (build->tree < 0 || install(build, err) < 0)
		return -1;
	if (generation_begin(&build->draft, dir, build->template->text, err) < 0 ||
	    pack(build, err) < 0)
		return -1;
	return publish(build, err);
}

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

static int build_cache(struct app *app, const struct template *template, struct error *err)
{
	AUTO(build_release)
	struct build build = {
		.app = app,
		.template = template,
		.packages = PACKAGES_INIT,
		.workdir = WORKDIR_INIT,
		.tree = -1,
		.draft = GENERATION_DRAFT_INIT,
	};
	if (app_number(app, "KEEP_GENERATIONS", GENERATIONS_KEPT, 1000, &build.keep, err) < 0 ||
	    app_number(app, "SCRIPT_TIMEOUT", 0, 7 * 86400, &build.timeout_s, err) < 0 ||
	    app_number(app, "SCRIPT_PROCESSES", 0, 1 << 22, &build.processes, err) < 0 ||
	    app_number(app, "SCRIPT_MEMORY", 0, 1 << 24, &build.memory_mb, err) < 0)
		return -1;
	return build_stages(&build, err);
}

/* What runs that were killed have left. */
static int sweep(struct app *app, struct error *err)
{
	unsigned left = workdir_sweep(app->host.template_dir) + ve_sweep(app->host.lock_dir);
	if (left)
		report_info(app->report, "removed what %u interrupted run%s left", left,
			    left == 1 ? "" : "s");
	return generation_repair(app->host.template_dir, err);
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
	if (build_lock_take(lock, app, template->text, err) < 0 || sweep(app, err) < 0)
		return -1;
	ino_t now = cache_identity(app, template);
	*done = now && (!force || (lock->waited && now != before));
	return 0;
}

static int create(struct app *app, const struct strvec *operands, struct command_result *ret,
		  struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(build_lock_release) struct build_lock lock = BUILD_LOCK_INIT;
	bool done;

	if (technology_check(fs_type, image_format, err) < 0 ||
	    app_need_root("create-cache", err) < 0 ||
	    app_template(app, operands->items[0], &template, err) < 0)
		return -1;
	if (!arch_runs_here(template->name.arch)) {
		error_set(err, ERROR_ARCH, "%s is for %s, which this host cannot run",
			  template->text, template->name.arch);
		return error_hint(err, "build it on a host of that architecture");
	}
	if (lock_or_done(app, template, &lock, &done, err) < 0)
		return -1;
	if (done) {
		report_info(app->report, "%s has a cache already; --force builds it anew",
			    template->text);
		ret->status = exit_code_wanted ? EXIT_NOTHING_TO_DO : 0;
	} else if (build_cache(app, template, err) < 0) {
		return -1;
	}
	result_fill(app, template, done ? "present" : "built", ret);
	return 0;
}

/* Files in messages are mostly named from TEMPLATE on, and whose disk is full wants to know which disk. */
static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	const struct host_config *host = &app->host;

	if (create(app, operands, ret, err) == 0)
		return 0;
	bool disk = err->kind == ERROR_NO_SPACE || err->kind == ERROR_SYSTEM;
	if (!disk || strstr(err->message, host->template_dir) ||
	    strstr(err->message, host->lock_dir))
		return -1;
	return error_wrap(err, "in %s", host->template_dir);
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
