#include "vzpkg/app.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/application.h"
#include "vzpkg/cache/store.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/resolve/resolve.h"
#include "vzpkg/variables.h"

int app_open(struct app *app, struct error *err)
{
	if (host_config_load(&app->host, app->options.conf, err) < 0)
		return -1;
	if (variables_load(&app->variables, &app->host, "/", err) < 0)
		return -1;
	strvec_push(&app->roots, app->host.template_dir);
	strvec_push(&app->roots, app->host.data_dir);
	return 0;
}

void app_release(struct app *app)
{
	fetcher_freep(&app->fetcher);
	strvec_release(&app->roots);
	strvec_release(&app->options.repositories);
	conf_release(&app->variables);
	host_config_release(&app->host);
	if (app->pm >= 0)
		close(app->pm);
	*app = APP_INIT;
}

int app_need_root(const char *what, struct error *err)
{
	if (geteuid() == 0)
		return 0;
	error_set(err, ERROR_NOT_ROOT, "%s needs root", what);
	return error_hint(err, "run it with sudo");
}

struct template_source app_template_source(const struct app *app)
{
	const struct strvec *repositories = &app->options.repositories;
	return (struct template_source){
		.roots = app->roots,
		.variables = &app->variables,
		.repositories = repositories->count ? repositories : NULL,
	};
}

int app_template(const struct app *app, const char *name, struct template **ret, struct error *err)
{
	struct template_source source = app_template_source(app);
	return application_template_load(&source, name, ret, err);
}

int app_pm(struct app *app, struct error *err)
{
	if (app->pm >= 0)
		return app->pm;
	autofree char *path = xasprintf("%s/pm", app->host.template_dir);
	app->pm = dir_open(AT_FDCWD, path, true, 0755, err);
	return app->pm;
}

int app_number(const struct app *app, const char *key, unsigned otherwise, unsigned most,
	       unsigned *ret, struct error *err)
{
	const char *text = conf_get(&app->variables, key);
	char *end;

	*ret = otherwise;
	if (!text)
		return 0;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || *end || !value || value > most) {
		error_set(err, ERROR_PARSE, "%s is \"%s\" and not a number from 1 to %u", key, text,
			  most);
		error_subject(err, "%s", key);
		return error_hint(err, "correct it in vzpkg.conf");
	}
	*ret = (unsigned)value;
	return 0;
}

static int fetch_options(const struct app *app, struct fetch_options *options, struct error *err)
{
	*options = (struct fetch_options){
		.proxy = conf_get(&app->variables, "HTTP_PROXY"),
		.user_agent = "vzpkg/" VERSION,
	};
	if (app_number(app, "PARALLEL", 0, 64, &options->parallel, err) < 0 ||
	    app_number(app, "RETRIES", 0, 100, &options->retries, err) < 0 ||
	    app_number(app, "CONNECT_TIMEOUT", 0, 3600, &options->connect_timeout_s, err) < 0 ||
	    app_number(app, "STALL_TIMEOUT", 0, 3600, &options->stall_timeout_s, err) < 0)
		return -1;
	return 0;
}

int app_fetcher(struct app *app, struct fetcher **ret, struct error *err)
{
	if (!app->fetcher && !app->options.offline) {
		struct fetch_options options;
		if (fetch_options(app, &options, err) < 0)
			return -1;
		app->fetcher = fetcher_new(&options, err);
		if (!app->fetcher)
			return -1;
	}
	*ret = app->fetcher;
	return 0;
}

static int solve(struct app *app, const struct template *template, const struct strvec *packages,
		 struct app_plan *ret, struct error *err)
{
	AUTO(package_pool_freep) struct package_pool *pool = NULL;
	struct resolve_request request = {
		.packages = packages,
		.excluded = &template->excluded,
		.essential = true,
	};

	report_phase(app->report, "resolving packages", REPORT_ITEMS, 0, 5);
	if (metadata_load(ret->metadata, app->report, &pool, err) < 0)
		return -1;
	/* It may go on while the packages are downloaded. */
	ret->cache_writer = pool->cache_writer;
	pool->cache_writer = 0;
	return resolve(pool, &request, &ret->plan, err);
}

static int metadata_options(struct app *app, struct metadata_options *options, struct error *err)
{
	*options = (struct metadata_options){
		.pm = app_pm(app, err),
		.report = app->report,
		.offline = app->options.offline,
		.timeout_s = app->options.timeout_s,
	};
	return options->pm < 0 || app_fetcher(app, &options->fetcher, err) < 0 ? -1 : 0;
}

int app_metadata(struct app *app, const struct template *template, struct metadata **ret,
		 struct error *err)
{
	struct metadata_options options;

	if (metadata_options(app, &options, err) < 0)
		return -1;
	report_phase(app->report, "reading repositories", REPORT_BYTES, 0, 10);
	return metadata_sync(template, &options, ret, err);
}

int app_solve(struct app *app, const struct template *template, const struct strvec *more,
	      struct app_plan *ret, struct error *err)
{
	AUTO(strvec_release) struct strvec packages = STRVEC_INIT;

	for (size_t i = 0; i < template->packages.count; i++)
		strvec_push(&packages, template->packages.items[i]);
	for (size_t i = 0; more && i < more->count; i++)
		strvec_push(&packages, more->items[i]);
	if (solve(app, template, &packages, ret, err) < 0)
		return -1;
	report_phase_end(app->report);
	return 0;
}

/* ---- plans of lock files ---------------------------------------------------------------------------- */

/* The lock file that counts, to be freed; NULL: none does. */
static char *lock_file(const struct app *app, const struct template *template,
		       const struct strvec *more)
{
	if (app->unlocked || (more && more->count))
		return NULL;
	if (app->locked)
		return xstrdup(app->locked);
	char *path = lockfile_path(app->host.template_dir, template->text);
	if (faccessat(AT_FDCWD, path, F_OK, 0) == 0)
		return path;
	free(path);
	return NULL;
}

static int check_template(struct app *app, const struct template *template,
			  const struct lockfile *lockfile, struct error *err)
{
	if (strcmp(lockfile->template, template->text) != 0) {
		error_set(err, ERROR_USAGE, "%s is the lock file of %s, and not of %s",
			  lockfile->path, lockfile->template, template->text);
		return error_hint(err, "\"vzpkg lock %s -o FILE\" writes one", template->text);
	}
	/* Other repositories are what --repository is for. */
	if (!digest_equal(&lockfile->template_digest, &template->digest) &&
	    !app->options.repositories.count)
		report_warning(app->report, lockfile->path,
			       "the lists, scripts, keys or repositories of %s are not what they "
			       "were when it was locked: the packages are those of the lock file, "
			       "but the rest may differ",
			       template->text);
	return 0;
}

/* Where what is not there can be had. */
static int locate(struct app *app, const struct template *template, struct lockfile *lockfile,
		  struct error *err)
{
	AUTO(store_freep) struct store *store = NULL;
	AUTO(metadata_freep) struct metadata *now = NULL;
	struct metadata_options options;
	uint64_t bytes;

	if (metadata_options(app, &options, err) < 0 || store_open(options.pm, &store, err) < 0)
		return -1;
	if (options.offline || !store_missing(store, lockfile->plan, &bytes))
		return 0;
	report_phase(app->report, "locating repositories", REPORT_BYTES, 0, 1);
	if (metadata_locate(template, &options, &now, err) < 0)
		return -1;
	lockfile_locate(lockfile, now);
	return 0;
}

static int locked_plan(struct app *app, const struct template *template, const char *path,
		       struct app_plan *ret, struct error *err)
{
	if (lockfile_read(path, &ret->lockfile, err) < 0 ||
	    check_template(app, template, ret->lockfile, err) < 0)
		return -1;
	report_info(app->report, "%s goes by the lock file %s", template->text, path);
	if (locate(app, template, ret->lockfile, err) < 0)
		return -1;
	report_phase_end(app->report);
	ret->plan = steal_ptr(ret->lockfile->plan);
	ret->metadata = ret->lockfile->metadata;
	return 0;
}

bool app_locked(const struct app *app, const struct template *template)
{
	autofree char *path = lock_file(app, template, NULL);
	return path;
}

int app_plan(struct app *app, const struct template *template, const struct strvec *more,
	     struct app_plan *ret, struct error *err)
{
	autofree char *locked = lock_file(app, template, more);

	if (locked)
		return locked_plan(app, template, locked, ret, err);
	if (app_metadata(app, template, &ret->metadata, err) < 0)
		return -1;
	return app_solve(app, template, more, ret, err);
}

void app_plan_release(struct app_plan *plan)
{
	cache_writer_wait(&plan->cache_writer);
	plan_freep(&plan->plan);
	if (!plan->lockfile) /* whose it is */
		metadata_free(plan->metadata);
	plan->metadata = NULL;
	lockfile_freep(&plan->lockfile);
}
