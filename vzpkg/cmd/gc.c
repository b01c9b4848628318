/*
 * vzpkg gc: removes what nobody needs any more: generations, package files, layers.
 */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/area/layer_collect.h"
#include "runtime/ve.h"
#include "vzpkg/cache/collect.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/cmd/command.h"

static bool dry_run;

static const struct option_row options[] = {
	{ "dry-run", 'n', OPTION_FLAG, &dry_run, NULL, "show what would go, and remove nothing" },
	{ NULL },
};

static const char *const kinds[] = { "generation", "package", "partial", "damaged", "layer" };

enum { KIND_COUNT = sizeof(kinds) / sizeof(*kinds) };

struct gc {
	struct app *app;
	struct command_result *result;
	json_t *rows;
	size_t counts[KIND_COUNT];
	uint64_t bytes;
};

static void collected(const char *kind, const char *name, uint64_t size, void *data)
{
	struct gc *gc = data;
	for (size_t i = 0; i < KIND_COUNT; i++)
		gc->counts[i] += strcmp(kinds[i], kind) == 0;
	gc->bytes += size;
	/* Files by the thousand are for those who ask. */
	if (dry_run || gc->app->options.verbose || strcmp(kind, "generation") == 0)
		strbuf_addf(&gc->result->text, "%-10s  %s\n", kind, name);
	json_array_append_new(gc->rows, json_pack("{s:s s:s s:I}", "kind", kind, "name", name,
						  "size", (json_int_t)size));
}

static void layer_collected(const char *digest, void *data)
{
	struct gc *gc = data;
	strbuf_addf(&gc->result->text, "%-10s  %s\n", "layer", digest);
	json_array_append_new(gc->rows,
			      json_pack("{s:s s:s s:n}", "kind", "layer", "name", digest, "size"));
	gc->counts[KIND_COUNT - 1]++;
}

static void summary(struct gc *gc)
{
	strbuf_addf(&gc->result->text,
		    "%zu generations, %zu packages, %zu layers%s: %.1f MB beside the layers\n",
		    gc->counts[0], gc->counts[1], gc->counts[KIND_COUNT - 1],
		    dry_run ? " would go" : "", (double)gc->bytes / 1e6);
	gc->result->json = json_pack("{s:b s:I s:o}", "dry_run", dry_run, "size",
				     (json_int_t)gc->bytes, "removed", gc->rows);
}

static int incomplete(const struct gc *gc, const struct collect *collect, struct error *err)
{
	for (size_t i = 0; i < collect->damaged.count; i++)
		report_warning(gc->app->report, NULL, "%s", collect->damaged.items[i]);
	error_set(err, ERROR_PARTIAL,
		  "%zu manifests or lock files cannot be read: the package files and layers were "
		  "left alone",
		  collect->damaged.count);
	return error_hint(err, "build those templates anew, or remove their caches; write the lock "
			       "files anew, or remove them; then run it again");
}

static int collect_layers(struct gc *gc, const struct collect *collect, struct error *err)
{
	const struct layer_collect layers = {
		.host = &gc->app->host,
		.needed = &collect->layers,
		.dry_run = dry_run,
		.collected = layer_collected,
		.data = gc,
	};
	return layer_collect(&layers, err);
}

/* Later stages do not lose what the earlier ones have found. */
static int stages(struct gc *gc, struct collect *collect, struct error *err)
{
	const struct host_config *host = &gc->app->host;

	if (!dry_run) {
		workdir_sweep(host->template_dir);
		ve_sweep(host->lock_dir);
	}
	if ((!dry_run && generation_repair(host->template_dir, err) < 0) ||
	    collect_generations(collect, err) < 0 || collect_packages(collect, err) < 0)
		return -1;
	if (collect->damaged.count)
		return incomplete(gc, collect, err);
	return collect_layers(gc, collect, err);
}

static void waiting(const char *holder, void *data)
{
	report_info(data, "waiting for %s", holder);
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	AUTO(collect_release)
	struct collect collect = {
		.template_dir = app->host.template_dir,
		.timeout_s = app->options.timeout_s,
		.dry_run = dry_run,
		.collected = collected,
	};
	struct gc gc = { .app = app, .result = ret };
	(void)operands;

	if (app_need_root("gc", err) < 0 ||
	    app_number(app, "KEEP_GENERATIONS", GENERATIONS_KEPT, 1000, &collect.keep, err) < 0)
		return -1;
	collect.pm = app_pm(app, err);
	if (collect.pm < 0 || lock_take(&lock, collect.pm, "gc.lock", LOCK_EXCLUSIVE,
					app->options.timeout_s, waiting, app->report, err) < 0)
		return -1;
	collect.data = &gc;
	gc.rows = json_array();
	int status = stages(&gc, &collect, err);
	summary(&gc);
	return status;
}

const struct command command_gc = {
	.name = "gc",
	.operands = "",
	.summary = "Removes generations, package files and layers that nobody needs any more",
	.options = options,
	.run = run,
};
