#include "vzpkg/cmd/refresh_report.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/exit_code.h"
#include "vzpkg/fetch/ping.h"

#define LOCK_NAME "update-cache.lock"

enum { SUCCESS_TIME, FAILURE_TIME, STATUS, DURATION, CHANGED, PACKAGES, SIZE };

static const struct metric table[] = {
	[SUCCESS_TIME] = { "vzpkg_refresh_last_success_timestamp_seconds",
			   "When the cache was last seen to be up to date, or brought there." },
	[FAILURE_TIME] = { "vzpkg_refresh_last_failure_timestamp_seconds",
			   "When a refresh of the cache last failed." },
	[STATUS] = { "vzpkg_refresh_exit_status",
		     "Exit status of the last refresh, 0 for success; see vzpkg(8)." },
	[DURATION] = { "vzpkg_refresh_duration_seconds",
		       "How long the last refresh that succeeded took." },
	[CHANGED] = { "vzpkg_refresh_packages_changed", "Packages that the last refresh changed." },
	[PACKAGES] = { "vzpkg_cache_packages", "Packages in the cache." },
	[SIZE] = { "vzpkg_cache_size_bytes", "Size of the cache's tarball." },
	{ NULL },
};

/* ---- the monitoring service ---------------------------------------------------------------------------------- */

static void ping(const struct refresh_report *report, const char *what, const char *text)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	const struct app *app = report->app;
	if (!report->healthcheck || app->options.offline)
		return;
	size_t length = strlen(report->healthcheck);
	while (length && report->healthcheck[length - 1] == '/')
		length--;
	autofree char *url = xasprintf("%.*s%s", (int)length, report->healthcheck, what);
	if (ping_url(url, text, conf_get(&app->variables, "HTTP_PROXY"), &why) < 0)
		report_warning(app->report, report->healthcheck,
			       "the monitoring service was not told: %s", why.message);
}

/* ---------------------------------------------------------------------------------------------------------------- */

int refresh_report_begin(struct refresh_report *report, struct app *app, const char *metrics_file,
			 const char *healthcheck, struct error *err)
{
	report->app = app;
	report->metrics_file = metrics_file ?: conf_get(&app->variables, "METRICS_FILE");
	report->healthcheck = healthcheck ?: conf_get(&app->variables, "HEALTHCHECK_URL");
	report->metrics.table = table;
	report->metrics.label = "template";
	if (report->healthcheck && strncmp(report->healthcheck, "http://", 7) != 0 &&
	    strncmp(report->healthcheck, "https://", 8) != 0)
		return error_set(err, ERROR_URL, "--healthcheck: %s is no http or https address",
				 report->healthcheck);
	if (report->metrics_file)
		metrics_load(&report->metrics, report->metrics_file);
	ping(report, "/start", "");
	return 0;
}

int refresh_report_alone(struct refresh_report *report, const struct app *app, struct error *err)
{
	autofree char *path = xasprintf("%s/tmp", app->host.template_dir);
	report->lock_dir = dir_open(AT_FDCWD, path, true, 0755, err);
	if (report->lock_dir < 0)
		return -1;
	if (lock_take(&report->lock, report->lock_dir, LOCK_NAME, LOCK_EXCLUSIVE, 0, NULL, NULL,
		      err) == 0)
		return 0;
	return err->kind == ERROR_LOCKED ? error_wrap(err, "another run refreshes all caches") : -1;
}

void refresh_report_template(struct refresh_report *report, const struct refresh_outcome *outcome)
{
	const char *name = outcome->template;
	struct metrics *metrics = &report->metrics;
	const struct error *err = outcome->err;
	json_t *manifest = NULL;

	if (err)
		strbuf_addf(&report->failures, "%s: %s\n", name, err->message);
	metrics_set(metrics, name, err ? FAILURE_TIME : SUCCESS_TIME, (double)time(NULL));
	metrics_set(metrics, name, STATUS, err ? exit_code(err->kind) : 0);
	if (!err)
		metrics_set(metrics, name, DURATION, outcome->seconds);
	metrics_set(metrics, name, CHANGED, (double)outcome->changed);
	if (generation_current(report->app->host.template_dir, name, &manifest) && manifest) {
		const json_t *image = json_object_get(manifest, "image");
		metrics_set(metrics, name, PACKAGES,
			    (double)json_array_size(json_object_get(manifest, "packages")));
		metrics_set(metrics, name, SIZE,
			    (double)json_integer_value(json_object_get(image, "gzip_size")));
	}
	json_decref(manifest);
}

/* Else a template that was removed would be one that is not refreshed, for ever. */
static void forget(struct refresh_report *report)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	if (report->all && generation_names(report->app->host.template_dir, &names, NULL) == 0)
		metrics_retain(&report->metrics, &names);
}

void refresh_report_end(struct refresh_report *report, const struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	forget(report);
	if (report->metrics_file && metrics_save(&report->metrics, report->metrics_file, &why) < 0)
		report_warning(report->app->report, report->metrics_file,
			       "the metrics are not written: %s", why.message);
	if (!err) {
		ping(report, "", "");
		return;
	}
	if (!report->failures.length)
		strbuf_addf(&report->failures, "%s\n", err->message);
	autofree char *text = text_clean(report->failures.text);
	ping(report, "/fail", text);
}

void refresh_report_release(struct refresh_report *report)
{
	if (report->lock.fd >= 0)
		lock_remove(&report->lock, report->lock_dir, LOCK_NAME);
	if (report->lock_dir >= 0)
		close(report->lock_dir);
	metrics_release(&report->metrics);
	strbuf_release(&report->failures);
	*report = REFRESH_REPORT_INIT;
}
