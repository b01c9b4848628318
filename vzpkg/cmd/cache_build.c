#include "vzpkg/cmd/cache_build.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/worker.h"
#include "image/check.h"
#include "image/copy.h"
#include "image/settle.h"
#include "image/unpack.h"
#include "runtime/area/layer.h"
#include "runtime/ve.h"
#include "vzpkg/cmd/gate.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/install/guest.h"
#include "vzpkg/install/install.h"

#define TREE "tree" /* in the work folder */

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
	workers_stop(&build->meanwhile);
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

static int new_tree(struct cache_build *build, struct error *err)
{
	build->tree = dir_open(build->workdir.fd, TREE, true, 0755, err);
	return build->tree < 0 ? -1 : 0;
}

static int begin(struct cache_build *build, struct error *err)
{
	if (guest_check_kernel(build->solved.plan, "/proc/self/maps", err) < 0 ||
	    workdir_create(&build->workdir, build->app->host.template_dir, build->template->text,
			   err) < 0)
		return -1;
	return new_tree(build, err) < 0 ? -1 : check_space(build, err);
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

/* Of the file that is current. */
struct before {
	struct cache_build *build;
	const json_t *manifest;
	char *file, *path; /* from TEMPLATE on, and absolute */
	int fd;
	struct layer layer; /* of it, unless it has none */
	struct digest digest;
};

static void before_release(struct before *before)
{
	free(before->file);
	free(before->path);
	if (before->fd >= 0)
		close(before->fd);
	layer_release(&before->layer);
}

static int take_digest(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct digest *digest = &((struct before *)data)->digest;
	(void)index;
	if (size != sizeof(*digest))
		return error_set(err, ERROR_INTERNAL, "a worker's answer cannot be read");
	memcpy(digest, result, sizeof(*digest));
	return 0;
}

/* In a child, as unpacking has a thread. */
static int unpack_task(size_t index, void *data, struct strbuf *result, struct error *err)
{
	const struct before *before = data;
	struct image_unpacked unpacked_image;
	const struct image_unpack job = {
		.fd = before->fd,
		.name = before->file,
		.tree = before->build->tree,
		.cache = before->build->members,
	};
	(void)index;
	if (image_unpack(&job, &unpacked_image, err) < 0)
		return -1;
	strbuf_add(result, &unpacked_image.digest, sizeof(unpacked_image.digest));
	return 0;
}

static int check_task(size_t index, void *data, struct strbuf *result, struct error *err)
{
	const struct before *before = data;
	struct digest digest;
	const struct image_check check = {
		.fd = before->fd,
		.name = before->file,
		.tree = before->layer.dir,
		.epoch = manifest_epoch(before->manifest),
		.cache = before->build->members,
	};
	(void)index;
	if (image_check(&check, &digest, err) < 0)
		return -1;
	strbuf_add(result, &digest, sizeof(digest));
	return 0;
}

static int check_digest(const struct before *before, struct error *err)
{
	char hex[DIGEST_MAX * 2 + 1];

	if (strcmp(digest_hex(&before->digest, hex), manifest_gzip(before->manifest)) == 0)
		return 0;
	error_set(err, ERROR_TRUST, "%s is not the file that its manifest is of", before->path);
	error_subject(err, "%s", before->path);
	return error_hint(err, "build it anew: vzpkg create-cache --force %s",
			  before->build->template->text);
}

static int unpack_before(struct before *before, struct error *err)
{
	const struct worker_job job = {
		.name = "unpacking the template",
		.jobs = 1,
		.count = 1,
		.task = unpack_task,
		.done = take_digest,
		.data = before,
	};

	report_phase(before->build->app->report, "unpacking the template", REPORT_ITEMS, 0, 15);
	return workers_run(&job, err) < 0 ? -1 : check_digest(before, err);
}

/*
 * Its layer is there: that is copied. Whether it is still what the tarball holds is found out while one package after the other is upgraded, and the
 * tarball's members are remembered meanwhile, which packing would have to compress else. 0 if that does not work here.
 */
static int copy_before(struct before *before, struct error *err)
{
	struct cache_build *build = before->build;
	AUTO(error_clear) struct error why = ERROR_INIT;
	const struct worker_job job = {
		.name = "comparing the template with its layer",
		.jobs = 1,
		.count = 1,
		.task = check_task,
		.done = take_digest,
		.data = before,
	};

	if (!manifest_has_members(before->manifest) ||
	    layer_open(&build->app->host, manifest_gzip(before->manifest), &before->layer, NULL) <
		    0)
		return 0;
	report_phase(build->app->report, "copying the template", REPORT_ITEMS, 0, 4);
	if (tree_copy(before->layer.dir, build->tree, cpu_count(), &why) == 0)
		return workers_begin(&job, &build->meanwhile, err) < 0 ? -1 : 1;
	if (interrupt_check(err) < 0)
		return -1;
	report_detail(build->app->report, "%s", why.message);
	close(steal_fd(&build->tree));
	return tree_remove(build->workdir.fd, TREE, err) < 0 ? -1 : new_tree(build, err);
}

static int take_before(struct before *before, struct error *err)
{
	struct cache_build *build = before->build;

	before->file = xasprintf("cache/%s.tar.gz", build->template->text);
	before->path = xasprintf("%s/%s", build->app->host.template_dir, before->file);
	before->fd = open(before->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (before->fd < 0)
		return error_errno(err, errno, "opening %s", before->path);
	if (!build->members && member_cache_new(build->workdir.fd, &build->members, err) < 0)
		return -1;
	int copied = copy_before(before, err);
	return copied != 0 ? copied : unpack_before(before, err);
}

/* One of the two has changed since. */
static int blame_one(struct before *before, struct error *why, struct error *err)
{
	if (why->kind == ERROR_TRUST && lseek(before->fd, 0, SEEK_SET) == 0 &&
	    digest_fd(DIGEST_SHA256, before->fd, before->file, &before->digest, NULL) == 0 &&
	    check_digest(before, err) < 0)
		return -1;
	error_move(err, why);
	return error_wrap(err, "the layer %s/layer/%s", before->build->app->host.template_dir,
			  before->layer.digest);
}

/* What has been copied was what it should be. */
static int confirm_before(struct before *before, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (!before->build->meanwhile)
		return 0;
	if (workers_end(&before->build->meanwhile, &why) < 0)
		return blame_one(before, &why, err);
	return check_digest(before, err);
}

static int apply(struct cache_build *build, const json_t *manifest,
		 const struct difference *difference, struct error *err)
{
	autofree char *packages = xasprintf("%s/packages", build->workdir.path);
	autoclose int folder = dir_open(build->workdir.fd, "packages", true, 0755, err);
	int64_t newest = 0;

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

int cache_build_from_before(struct cache_build *build, const json_t *manifest,
			    const struct difference *difference, struct error *err)
{
	AUTO(before_release)
	struct before before = {
		.build = build, .manifest = manifest, .fd = -1, .layer = LAYER_INIT
	};
	int ret = begin(build, err) < 0 || fill_changed(build, difference, err) < 0 ||
				  take_before(&before, err) < 0 ||
				  apply(build, manifest, difference, err) < 0
			  ? -1
			  : confirm_before(&before, err);
	/* Whose data goes now. */
	workers_stop(&build->meanwhile);
	return ret;
}

/* ---- packing ---------------------------------------------------------------------------------------------------- */

static void remove_tree(void *data)
{
	const struct cache_build *build = data;
	tree_remove(build->workdir.fd, TREE, NULL);
}

static struct image_pack packing(struct cache_build *build)
{
	return (struct image_pack){
		.tree = build->tree,
		.epoch = build->epoch,
		.threads = cpu_count(),
		.single_member = build->gzip_single,
		.cache = build->members,
	};
}

static void packed(struct cache_build *build, const char *file)
{
	if (build->image.nodes_dropped)
		report_warning(build->app->report, file,
			       "%" PRIu64 " device nodes or sockets were left out",
			       build->image.nodes_dropped);
	/* Without that child it goes afterwards. */
	if (!build->tried)
		background_start(&build->removal, remove_tree, build, NULL);
}

static int pack(struct cache_build *build, const char *file, struct error *err)
{
	struct report *report = build->app->report;
	struct image_pack image = packing(build);

	image.precompress = &build->precompress;
	image.report = report;
	report_phase(report, "packing", REPORT_BYTES, 0, 15);
	if (image_pack(&image, build->draft.fd, file, &build->image, err) < 0)
		return -1;
	packed(build, file);
	report_phase_end(report);
	return interrupt_check(err);
}

/* ---- packing while the tree is tried -------------------------------------------------------------------------------- */

/* In a child, as packing has threads, and a VE is started meanwhile. */
static int pack_task(size_t index, void *data, struct strbuf *result, struct error *err)
{
	struct cache_build *build = data;
	struct image_packed *image = &build->image;
	autofree char *file = xasprintf("%s.tar.gz", build->template->text);
	const struct image_pack job = packing(build);

	(void)index;
	if (image_pack(&job, build->draft.fd, file, image, err) < 0 ||
	    image_verify(build->draft.fd, file, image, cpu_count(), NULL, err) < 0)
		return -1;
	strbuf_add(result, image, sizeof(*image));
	strbuf_add(result, image->member_sizes, image->members * sizeof(*image->member_sizes));
	return 0;
}

static int pack_done(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct image_packed *image = &((struct cache_build *)data)->image;

	(void)index;
	if (size < sizeof(*image))
		return error_set(err, ERROR_INTERNAL, "a worker's answer cannot be read");
	memcpy(image, result, sizeof(*image));
	image->member_sizes = xmemdup(result + sizeof(*image), size - sizeof(*image));
	image->member_unpacked = NULL; /* of the child */
	return 0;
}

/* The gate does not have to wait for the tarball, if the tree can be made what would be unpacked of it. */
static int try_meanwhile(struct cache_build *build, struct error *err)
{
	const struct image_packed unknown = IMAGE_PACKED_INIT;
	bool settled;

	if (tree_settle(build->tree, build->epoch, &settled, err) < 0)
		return -1;
	if (!settled)
		return 0;
	json_t *manifest = manifest_make(build->template, build->solved.metadata,
					 build->solved.plan, &unknown, build->epoch);
	const struct gate gate = {
		.app = build->app,
		.template = build->template,
		.workdir = &build->workdir,
		.draft = &build->draft,
		.manifest = manifest,
	};
	int ret = gate_try_tree(&gate, TREE, &build->tried, err);
	json_decref(manifest);
	return ret;
}

static int pack_and_try(struct cache_build *build, const char *file, struct error *err)
{
	const struct worker_job job = {
		.name = "packing",
		.jobs = 1,
		.count = 1,
		.task = pack_task,
		.done = pack_done,
		.data = build,
	};

	precompress_stop(&build->precompress);
	if (workers_begin(&job, &build->meanwhile, err) < 0 || try_meanwhile(build, err) < 0)
		return -1;
	report_phase(build->app->report, "packing", REPORT_ITEMS, 0, 3);
	if (workers_end(&build->meanwhile, err) < 0)
		return -1;
	packed(build, file);
	report_phase_end(build->app->report);
	return interrupt_check(err);
}

int cache_build_pack(struct cache_build *build, struct error *err)
{
	autofree char *file = xasprintf("%s.tar.gz", build->template->text);

	if (generation_begin(&build->draft, build->app->host.template_dir, build->template->text,
			     err) < 0)
		return -1;
	build->draft.incremental = build->refreshes;
	malloc_trim(0); /* what planning and verifying have taken and left */
	return build->gate && !build->gzip_single ? pack_and_try(build, file, err)
						  : pack(build, file, err);
}

/* ---- publishing -------------------------------------------------------------------------------------------------- */

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

/* What was packed while the tree was tried was read back, too. Else the gate has read all of it, if it has unpacked a layer whose digest is the
 * tarball's. */
static int prove(struct cache_build *build, const struct gate *gate, struct error *err)
{
	if (!build->gate)
		return read_back(build, err);
	if (build->tried)
		return gate_compare(gate, err);
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
