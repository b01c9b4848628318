#include "vzpkg/cmd/cache_build.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/worker.h"
#include "image/unpack.h"
#include "runtime/ve.h"
#include "vzpkg/cmd/gate.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/install/guest.h"
#include "vzpkg/install/install.h"

/* ---- before and after --------------------------------------------------------------------------------------- */

/* What runs that were killed have left. */
static int sweep(struct app *app, struct error *err)
{
	gate_sweep(app); /* of work folders that the next one counts */
	unsigned left = workdir_sweep(app->host.template_dir) + ve_sweep(app->host.lock_dir);
	if (left)
		report_info(app->report, "removed what %u interrupted run%s left", left,
			    left == 1 ? "" : "s");
	return generation_repair(app->host.template_dir, err);
}

int cache_build_lock(struct build_lock *lock, struct app *app, const struct template *template,
		     struct error *err)
{
	if (build_lock_take(lock, app, template->text, err) < 0)
		return -1;
	return sweep(app, err);
}

/* SOURCE_DATE_EPOCH as https://reproducible-builds.org/specs/source-date-epoch/ defines it. */
static int read_epoch(struct cache_build *build, struct error *err)
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

int cache_build_open(struct cache_build *build, struct app *app, const struct template *template,
		     struct error *err)
{
	build->app = app;
	build->template = template;
	if (!arch_runs_here(template->name.arch)) {
		error_set(err, ERROR_ARCH, "%s is for %s, which this host cannot run",
			  template->text, template->name.arch);
		return error_hint(err, "build it on a host of that architecture");
	}
	if (app_number(app, "KEEP_GENERATIONS", GENERATIONS_KEPT, 1000, &build->keep, err) < 0 ||
	    app_number(app, "SCRIPT_TIMEOUT", 0, 7 * 86400, &build->timeout_s, err) < 0 ||
	    app_number(app, "SCRIPT_PROCESSES", 0, 1 << 22, &build->processes, err) < 0 ||
	    app_number(app, "SCRIPT_MEMORY", 0, 1 << 24, &build->memory_mb, err) < 0)
		return -1;
	return read_epoch(build, err);
}

void cache_build_release(struct cache_build *build)
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
	strvec_release(&build->unowned);
}

int cache_build_failed(const struct app *app, struct error *err)
{
	const struct host_config *host = &app->host;

	bool disk = err->kind == ERROR_NO_SPACE || err->kind == ERROR_SYSTEM;
	if (!disk || strstr(err->message, host->template_dir) ||
	    strstr(err->message, host->lock_dir))
		return -1;
	return error_wrap(err, "in %s", host->template_dir);
}

/* ---- from nothing --------------------------------------------------------------------------------------------- */

/* Bytes that the build will still take: what is to be downloaded is in the plan's sum in the worst
 * case, the tree, and a tarball that is never larger than the tree. */
static int check_space(const struct cache_build *build, struct error *err)
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

typedef int precompress_starter(struct precompress *precompress, int tree, int64_t epoch,
				struct member_cache *cache, struct error *err);

/* Without that the build is slower, and that is all. */
static void compress_meanwhile(struct cache_build *build, int64_t newest,
			       precompress_starter *start)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	int64_t epoch = build->epoch_given ? build->epoch : newest;

	if (cpu_count() < 2 || build->gzip_single)
		return;
	precompress_stop(&build->precompress);
	if ((!build->members && member_cache_new(build->workdir.fd, &build->members, &why) < 0) ||
	    member_cache_load(build->members, &why) < 0 ||
	    start(&build->precompress, build->tree, epoch, build->members, &why) < 0)
		report_detail(build->app->report, "%s", why.message);
}

/* While the packages are configured, one after the other, the other CPUs compress what is there. */
static void unpacked(int64_t newest, void *data)
{
	compress_meanwhile(data, newest, precompress_start);
}

static void unpacking(int64_t newest, void *data)
{
	compress_meanwhile(data, newest, precompress_follow);
}

static struct install_job job_of(struct cache_build *build, int64_t *newest)
{
	return (struct install_job){
		.template = build->template,
		.plan = build->solved.plan,
		.store = build->packages.store,
		.keys = build->packages.keys,
		.newest = build->epoch_given ? build->epoch : build->packages.newest,
		.host = &build->app->host,
		.report = build->app->report,
		.tree = build->tree,
		.jobs = cpu_count(),
		.ret_epoch = newest,
		.time_limit_s = build->timeout_s,
		.processes_max = build->processes,
		.memory_max = (uint64_t)build->memory_mb << 20,
	};
}

static int install(struct cache_build *build, const struct install_job *job, const int64_t *newest,
		   struct error *err)
{
	if (install_apply(job, err) < 0)
		return job->difference ? -1
				       : error_wrap(err, "installing %s", build->template->text);
	if (!build->epoch_given)
		build->epoch = *newest;
	return interrupt_check(err);
}

static int begin(struct cache_build *build, struct error *err)
{
	if (guest_check_kernel(build->solved.plan, "/proc/self/maps", err) < 0 ||
	    workdir_create(&build->workdir, build->app->host.template_dir, build->template->text,
			   err) < 0)
		return -1;
	build->tree = dir_open(build->workdir.fd, "tree", true, 0755, err);
	return build->tree < 0 ? -1 : check_space(build, err);
}

int cache_build_from_nothing(struct cache_build *build, struct error *err)
{
	int64_t newest = 0;

	/* What planning has taken and left would be copied for each process that is started. */
	malloc_trim(0);
	if (begin(build, err) < 0 || packages_fill(build->app, build->template, &build->solved,
						   cpu_count(), &build->packages, err) < 0)
		return -1;
	struct install_job job = job_of(build, &newest);
	job.unpacked = unpacked;
	job.unpacking = unpacking;
	job.data = build;
	job.ret_unowned = build->unowned_wanted ? &build->unowned : NULL;
	return install(build, &job, &newest, err);
}

/* ---- from the generation before ---------------------------------------------------------------------------------- */

/* Of packages that stay nothing is needed. */
static int fill_changed(struct cache_build *build, const struct difference *difference,
			struct error *err)
{
	struct plan *plan = build->solved.plan, part = *plan;
	struct app_plan solved = { .metadata = build->solved.metadata, .plan = &part };
	autofree size_t *places = xcalloc(difference->count + 1, sizeof(*places));

	part.packages = xcalloc(difference->count + 1, sizeof(*part.packages));
	part.count = 0;
	part.size = 0;
	for (size_t i = 0; i < difference->count; i++) {
		if (difference->changes[i].kind == CHANGE_REMOVE)
			continue;
		places[part.count] = difference->changes[i].package;
		part.packages[part.count] = plan->packages[places[part.count]];
		part.size += part.packages[part.count++].size;
	}
	int ret = packages_fill(build->app, build->template, &solved, cpu_count(), &build->packages,
				err);
	/* Who has signed them was found out meanwhile. */
	for (size_t i = 0; i < part.count; i++)
		memcpy(plan->packages[places[i]].signer, part.packages[i].signer,
		       sizeof(part.packages[i].signer));
	free(part.packages);
	return ret;
}

struct unpacking {
	struct cache_build *build;
	const char *file;
	int fd;
};

/* In a child, as unpacking has a thread. */
static int unpack_task(size_t index, void *data, struct strbuf *result, struct error *err)
{
	const struct unpacking *unpacking = data;
	struct image_unpacked unpacked_image;
	const struct image_unpack job = {
		.fd = unpacking->fd,
		.name = unpacking->file,
		.tree = unpacking->build->tree,
		.cache = unpacking->build->members,
	};
	(void)index;
	if (image_unpack(&job, &unpacked_image, err) < 0)
		return -1;
	strbuf_add(result, &unpacked_image.digest, sizeof(unpacked_image.digest));
	return 0;
}

static int unpack_done(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct digest *digest = &((struct unpacking *)data)->build->image.gzip;
	(void)index;
	if (size != sizeof(*digest))
		return error_set(err, ERROR_INTERNAL, "a worker's answer cannot be read");
	memcpy(digest, result, sizeof(*digest));
	return 0;
}

static int unpack_before(struct cache_build *build, const json_t *manifest, struct error *err)
{
	autofree char *file = xasprintf("cache/%s.tar.gz", build->template->text);
	autofree char *path = xasprintf("%s/%s", build->app->host.template_dir, file);
	autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct unpacking unpacking = { .build = build, .file = file, .fd = fd };
	struct worker_job job = {
		.name = "unpacking the template",
		.jobs = 1,
		.count = 1,
		.task = unpack_task,
		.done = unpack_done,
		.data = &unpacking,
	};
	char hex[DIGEST_MAX * 2 + 1];

	report_phase(build->app->report, "unpacking the template", REPORT_ITEMS, 0, 15);
	if (fd < 0)
		return error_errno(err, errno, "opening %s", path);
	if ((build->members || member_cache_new(build->workdir.fd, &build->members, err) == 0) &&
	    workers_run(&job, err) == 0 &&
	    strcmp(digest_hex(&build->image.gzip, hex), manifest_gzip(manifest)) == 0)
		return 0;
	if (err->kind != ERROR_NONE)
		return -1;
	error_set(err, ERROR_TRUST, "%s is not the file that its manifest is of", path);
	error_subject(err, "%s", path);
	return error_hint(err, "build it anew: vzpkg create-cache --force %s",
			  build->template->text);
}

int cache_build_from_before(struct cache_build *build, const json_t *manifest,
			    const struct difference *difference, struct error *err)
{
	autofree char *packages = NULL;
	int64_t newest = 0;

	if (begin(build, err) < 0 || fill_changed(build, difference, err) < 0 ||
	    unpack_before(build, manifest, err) < 0)
		return -1;
	packages = xasprintf("%s/packages", build->workdir.path);
	autoclose int folder = dir_open(build->workdir.fd, "packages", true, 0755, err);
	if (folder < 0)
		return -1;
	struct install_job job = job_of(build, &newest);
	job.difference = difference;
	job.before_epoch = manifest_epoch(manifest);
	job.packages = packages;
	job.ret_unowned = &build->unowned;
	build->refreshes = manifest_refreshes(manifest) + 1;
	return install(build, &job, &newest, err);
}

/* ---- packing ---------------------------------------------------------------------------------------------------- */

static void remove_tree(void *data)
{
	const struct cache_build *build = data;
	tree_remove(build->workdir.fd, "tree", NULL);
}

static int read_back(struct cache_build *build, struct error *err)
{
	struct report *report = build->app->report;
	autofree char *file = xasprintf("%s.tar.gz", build->template->text);

	report_phase(report, "reading back", REPORT_BYTES, 0, 4);
	if (image_verify(build->draft.fd, file, &build->image, cpu_count(), report, err) < 0)
		return -1;
	report_phase_end(report);
	return interrupt_check(err);
}

int cache_build_pack(struct cache_build *build, struct error *err)
{
	struct report *report = build->app->report;
	struct image_pack image = {
		.tree = build->tree,
		.epoch = build->epoch,
		.threads = cpu_count(),
		.single_member = build->gzip_single,
		.cache = build->members,
		.precompress = &build->precompress,
		.report = report,
	};
	autofree char *file = xasprintf("%s.tar.gz", build->template->text);

	if (generation_begin(&build->draft, build->app->host.template_dir, build->template->text,
			     err) < 0)
		return -1;
	build->draft.incremental = build->refreshes;
	malloc_trim(0); /* what planning and verifying have taken and left */
	report_phase(report, "packing", REPORT_BYTES, 0, 15);
	if (image_pack(&image, build->draft.fd, file, &build->image, err) < 0)
		return -1;
	if (build->image.nodes_dropped)
		report_warning(report, file, "%" PRIu64 " device nodes or sockets were left out",
			       build->image.nodes_dropped);
	/* Without that child it goes afterwards. */
	background_start(&build->removal, remove_tree, build, NULL);
	report_phase_end(report);
	return interrupt_check(err);
}

/* The gate has read all of it, if it has unpacked a layer whose digest is the tarball's. */
static int prove(struct cache_build *build, const struct gate *gate, struct error *err)
{
	if (!build->gate)
		return read_back(build, err);
	if (gate_run(gate, err) < 0)
		return -1;
	return gate_has_read_all(gate) ? 0 : read_back(build, err);
}

int cache_build_publish(struct cache_build *build, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	char hex[DIGEST_MAX * 2 + 1];
	json_t *manifest = manifest_make(build->template, build->solved.metadata,
					 build->solved.plan, &build->image, build->epoch);
	manifest_note_refresh(manifest, build->refreshes, &build->unowned);
	const struct gate gate = {
		.app = build->app,
		.template = build->template,
		.workdir = &build->workdir,
		.draft = &build->draft,
		.manifest = manifest,
	};
	int ret = prove(build, &gate, err);
	if (ret == 0)
		ret = generation_publish(&build->draft, manifest,
					 digest_hex(&build->image.gzip, hex), build->keep, err);
	if (ret == 0 && build->gate && gate_keep_layer(&gate, &why) < 0)
		report_detail(build->app->report, "%s", why.message);
	json_decref(manifest);
	return ret;
}
