#include "vzpkg/cmd/refresh.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cmd/cache_build.h"
#include "vzpkg/cmd/manifest.h"

enum { CLEAN_EVERY = 7 }; /* refreshes, if REFRESH_CLEAN_EVERY does not say */

struct refresh {
	struct app *app;
	const struct template *template;
	json_t *manifest; /* of the current generation; NULL: there is none */
	struct installed installed;
	struct difference difference;
	char *clean_reason; /* why it is built from nothing; NULL: it is not */
	const struct refresh_options *options;
	json_t *row; /* the result */
	struct timespec begun;
	bool nothing_to_do;
};

static void refresh_release(struct refresh *refresh)
{
	json_decref(refresh->manifest);
	installed_release(&refresh->installed);
	difference_release(&refresh->difference);
	free(refresh->clean_reason);
}

/* ---- what is said ------------------------------------------------------------------------------------------- */

static double seconds_since(const struct timespec *begun)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begun->tv_sec) + (double)(now.tv_nsec - begun->tv_nsec) / 1e9;
}

static json_t *change_row(const struct package_change *change, const struct plan *plan)
{
	static const char *const words[] = {
		[CHANGE_ADD] = "added", [CHANGE_REPLACE] = "replaced", [CHANGE_REMOVE] = "removed"
	};
	json_t *row = json_pack("{s:s}", "change", words[change->kind]);

	if (change->before) {
		json_object_set_new(row, "name", json_string(change->before->name));
		json_object_set_new(row, "version_before", json_string(change->before->version));
	}
	if (change->kind != CHANGE_REMOVE) {
		const struct plan_package *now = &plan->packages[change->package];
		json_object_set_new(row, "name", json_string(now->name));
		json_object_set_new(row, "version", json_string(now->version));
		json_object_set_new(row, "size", json_integer((json_int_t)now->size));
	}
	return row;
}

static void say_changes(struct refresh *refresh, const struct plan *plan)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < refresh->difference.count; i++)
		json_array_append_new(rows, change_row(&refresh->difference.changes[i], plan));
	json_object_set_new(refresh->row, "changes", rows);
}

static void say(struct refresh *refresh, const char *status, const char *words)
{
	json_object_set_new(refresh->row, "status", json_string(status));
	json_object_set_new(refresh->row, "message", json_string(words));
}

/* Nothing is to be done. */
static int leave(struct refresh *refresh, const char *status, const char *words)
{
	say(refresh, status, words);
	refresh->nothing_to_do = true;
	return 0;
}

/* ---- what is to be done ------------------------------------------------------------------------------------------ */

static bool is_young(const struct refresh *refresh)
{
	int64_t age = refresh->options->max_age_s;
	autofree char *path = xasprintf("%s/cache/%s.tar.gz", refresh->app->host.template_dir,
					refresh->template->text);
	struct stat st;
	/* What is of the future says nothing. */
	return age && stat(path, &st) == 0 && st.st_mtim.tv_sec <= time(NULL) &&
	       time(NULL) - st.st_mtim.tv_sec < age;
}

/* Reasons not to go on from the tree that there is. */
static int judge(struct refresh *refresh, const struct plan *plan, struct error *err)
{
	const struct difference *difference = &refresh->difference;
	unsigned every;

	if (app_number(refresh->app, "REFRESH_CLEAN_EVERY", CLEAN_EVERY, 1000000, &every, err) < 0)
		return -1;
	if (refresh->options->clean)
		refresh->clean_reason = xstrdup("--clean");
	else if (!manifest_same_build(refresh->manifest))
		refresh->clean_reason = xstrdup("another version of vzpkg has built it");
	else if (!manifest_same_template(refresh->manifest, refresh->template))
		refresh->clean_reason =
			xstrdup("the template's lists, scripts or keys have changed");
	else if (!difference->count)
		refresh->clean_reason = xstrdup("--force");
	else if (manifest_refreshes(refresh->manifest) + 1 >= every)
		refresh->clean_reason =
			xasprintf("it is refresh number %u since the last one from nothing",
				  manifest_refreshes(refresh->manifest) + 1);
	for (size_t i = 0; !refresh->clean_reason && i < difference->count; i++) {
		const struct package_change *change = &difference->changes[i];
		bool essential = change->before && change->before->essential;
		if (change->kind != CHANGE_REMOVE)
			essential |= plan->packages[change->package].essential;
		if (essential)
			refresh->clean_reason = xasprintf(
				"%s is essential", change->kind == CHANGE_REMOVE
							   ? change->before->name
							   : plan->packages[change->package].name);
	}
	return 0;
}

/* ---- doing it ------------------------------------------------------------------------------------------------------ */

/* What a build from nothing may find better than a refresh. */
static bool is_worth_a_build(const struct error *why)
{
	return why->kind == ERROR_GATE || why->kind == ERROR_INSTALL || why->kind == ERROR_TRUST ||
	       why->kind == ERROR_TIME_LIMIT || why->kind == ERROR_BAD_TEMPLATE;
}

/* Without what a script has printed, which was shown. */
static char *first_line(const char *message)
{
	static const char printed[] = "; it printed:";
	size_t length = strcspn(message, "\n"), tail = sizeof(printed) - 1;

	if (length > tail && strncmp(message + length - tail, printed, tail) == 0)
		length -= tail;
	return xstrndup(message, length);
}

static int build_once(struct refresh *refresh, struct cache_build *build, struct error *err)
{
	build->gate = true;
	build->unowned_wanted = manifest_refreshes(refresh->manifest);
	int status = refresh->clean_reason ? cache_build_from_nothing(build, err)
					   : cache_build_from_before(build, refresh->manifest,
								     &refresh->difference, err);
	if (status < 0 || cache_build_pack(build, err) < 0)
		return -1;
	return cache_build_publish(build, err);
}

/* All but the plan is made anew. */
static int start_again(struct refresh *refresh, struct cache_build *build, const struct error *why,
		       struct error *err)
{
	struct app_plan solved = build->solved;

	if (why->kind == ERROR_GATE)
		report_info(refresh->app->report, "%s: a refresh is not enough: %s",
			    refresh->template->text, why->message);
	else
		report_warning(refresh->app->report, refresh->template->text,
			       "the refresh failed, and it is built from nothing: %s",
			       why->message);
	refresh->clean_reason = first_line(why->message);
	build->solved = APP_PLAN_INIT;
	cache_build_release(build);
	*build = CACHE_BUILD_INIT;
	build->solved = solved;
	return cache_build_open(build, refresh->app, refresh->template, err);
}

static void say_built(struct refresh *refresh, const struct cache_build *build)
{
	double seconds = seconds_since(&refresh->begun);
	autofree char *words =
		refresh->clean_reason
			? xasprintf("built from nothing (%s), %zu packages, %.1f s",
				    refresh->clean_reason, build->solved.plan->count, seconds)
			: xasprintf("refreshed, %zu packages changed, %.1f s",
				    refresh->difference.count, seconds);

	say(refresh, refresh->clean_reason ? "built" : "refreshed", words);
	if (refresh->clean_reason)
		json_object_set_new(refresh->row, "reason", json_string(refresh->clean_reason));
	say_changes(refresh, build->solved.plan);
}

/* What only one of the two sorted lists has. */
static json_t *only(const struct strvec *one, const struct strvec *other)
{
	json_t *paths = json_array();
	for (size_t i = 0; i < one->count; i++)
		if (!strvec_contains(other, one->items[i]))
			json_array_append_new(paths, json_string(one->items[i]));
	return paths;
}

/* What refreshes have left behind, or not made, since the last build from nothing. */
static void say_drift(struct refresh *refresh, const struct cache_build *build)
{
	AUTO(strvec_release) struct strvec before = STRVEC_INIT;

	manifest_unowned(refresh->manifest, &before);
	json_t *left = only(&before, &build->unowned), *missed = only(&build->unowned, &before);
	json_object_set_new(refresh->row, "drift",
			    json_pack("{s:o s:o}", "left", left, "missed", missed));
}

static int build_and_publish(struct refresh *refresh, struct cache_build *build, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	bool refreshing = !refresh->clean_reason;

	if (build_once(refresh, build, &why) < 0) {
		if (!refreshing || !is_worth_a_build(&why)) {
			error_move(err, &why);
			return -1;
		}
		if (start_again(refresh, build, &why, err) < 0 ||
		    build_once(refresh, build, err) < 0)
			return -1;
	}
	say_built(refresh, build);
	if (refresh->clean_reason && manifest_refreshes(refresh->manifest))
		say_drift(refresh, build);
	return 0;
}

static int would_do(struct refresh *refresh, const struct plan *plan)
{
	autofree char *words =
		refresh->clean_reason
			? xasprintf("would be built from nothing (%s)", refresh->clean_reason)
			: xasprintf("would be refreshed, %zu packages would change",
				    refresh->difference.count);
	say(refresh, refresh->clean_reason ? "would-be-built" : "would-be-refreshed", words);
	say_changes(refresh, plan);
	return 0;
}

/* Unless nothing is to be done. */
static int make_plan(struct refresh *refresh, struct cache_build *build, bool same,
		     struct error *err)
{
	struct app *app = refresh->app;
	const struct template *template = refresh->template;

	if (cache_build_open(build, app, template, err) < 0)
		return -1;
	if (app_locked(app, template))
		return app_plan(app, template, NULL, &build->solved, err);
	if (app_metadata(app, template, &build->solved.metadata, err) < 0)
		return -1;
	if (same && manifest_same_metadata(refresh->manifest, build->solved.metadata))
		return leave(refresh, "unchanged", "up to date");
	return app_solve(app, template, NULL, &build->solved, err);
}

static int refresh_stages(struct refresh *refresh, struct cache_build *build, struct error *err)
{
	bool same = !refresh->options->force && refresh->manifest &&
		    manifest_same_template(refresh->manifest, refresh->template);

	if (make_plan(refresh, build, same, err) < 0)
		return -1;
	if (refresh->nothing_to_do)
		return 0;
	if (same && manifest_same_plan(refresh->manifest, build->solved.plan))
		return leave(refresh, "unchanged",
			     app_locked(refresh->app, refresh->template)
				     ? "up to date: its lock file has not changed"
				     : "up to date: the repositories have changed, its packages "
				       "have not");
	if (!refresh->manifest) {
		refresh->clean_reason = xstrdup("it had no cache");
	} else {
		difference_make(&refresh->installed, build->solved.plan, &refresh->difference);
		if (judge(refresh, build->solved.plan, err) < 0)
			return -1;
	}
	return refresh->options->dry_run ? would_do(refresh, build->solved.plan)
					 : build_and_publish(refresh, build, err);
}

static int refresh_locked(struct refresh *refresh, struct error *err)
{
	AUTO(cache_build_release) struct cache_build build = CACHE_BUILD_INIT;
	const char *dir = refresh->app->host.template_dir, *name = refresh->template->text;

	if (generation_current(dir, name, NULL) &&
	    (generation_manifest(dir, name, 0, &refresh->manifest, err) < 0 ||
	     manifest_installed(refresh->manifest, &refresh->installed, err) < 0))
		return error_wrap(err, "the manifest of the cache that %s has", name);
	return refresh_stages(refresh, &build, err);
}

static int refresh_one(struct refresh *refresh, struct error *err)
{
	AUTO(build_lock_release) struct build_lock lock = BUILD_LOCK_INIT;
	struct app *app = refresh->app;

	if (generation_template_pinned(app->host.template_dir, refresh->template->text))
		return leave(refresh, "pinned", "pinned, and left as it is");
	if (is_young(refresh))
		return leave(refresh, "young", "younger than --max-age, and left as it is");
	if (cache_build_lock(&lock, app, refresh->template, err) < 0)
		return -1;
	return refresh_locked(refresh, err);
}

json_t *refresh_template(struct app *app, const struct template *template,
			 const struct refresh_options *options, struct error *err)
{
	AUTO(refresh_release)
	struct refresh refresh = {
		.app = app,
		.template = template,
		.options = options,
		.row = json_pack("{s:s}", "template", template->text),
	};
	clock_gettime(CLOCK_MONOTONIC, &refresh.begun);
	if (refresh_one(&refresh, err) == 0) {
		json_object_set_new(refresh.row, "seconds",
				    json_real(seconds_since(&refresh.begun)));
		return refresh.row;
	}
	cache_build_failed(app, err);
	json_decref(refresh.row);
	return NULL;
}
