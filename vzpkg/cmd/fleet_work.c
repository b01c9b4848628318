/*
 * The work in the VEs: several at a time, each by a process of its own.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "base/worker.h"
#include "vzpkg/application_host.h"
#include "vzpkg/cmd/fleet.h"
#include "vzpkg/cmd/fleet_files.h"
#include "vzpkg/cmd/fleet_record.h"
#include "vzpkg/cmd/fleet_watch.h"
#include "vzpkg/cmd/packages.h"
#include "vzpkg/fleet/apply.h"
#include "vzpkg/fleet/pressure.h"

/* A package manager is idle for longer than it works if a service is slow to start; each needs some memory. */
enum { JOBS_MOST = 64, VES_A_CPU = 8 };

struct work {
	struct fleet *fleet;
	struct fleet_task **tasks; /* those with something to be done, in order */
	size_t count;
	size_t running, ended, failed;
	size_t canary; /* so many come first */
	struct governor governor;
	struct fleet_watch watch;
};

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- in one VE ---------------------------------------------------------------------------------------------------- */

struct script_list {
	struct application_script *items;
	char **names;
	size_t count;
};

static void script_list_release(struct script_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i]);
	free(list->names);
	free(list->items);
}

/* An application that the VE has already is not installed once more; what one requires is not removed with it. */
static bool concerns(const struct fleet *fleet, const struct fleet_ve *ve,
		     const struct application *application)
{
	bool has = strvec_contains(&ve->applications, application->name);
	if (fleet->request->verb == CHANGE_ERASE)
		return has && fleet_names(fleet->request, application);
	return fleet->request->verb == CHANGE_INSTALL ? !has : has;
}

static void scripts_of(const struct fleet *fleet, const struct fleet_task *task,
		       enum template_script kind, struct script_list *ret)
{
	const struct application_set *set = &task->class->metadata->applications;

	ret->items = xcalloc(set->count + 1, sizeof(*ret->items));
	ret->names = xcalloc(set->count + 1, sizeof(*ret->names));
	for (size_t i = 0; i < set->count; i++) {
		const struct application *application = set->items[i];
		if (!application->scripts[kind] || !concerns(fleet, task->ve, application))
			continue;
		ret->names[ret->count] =
			xasprintf("%s/%s", application->name, template_script_name(kind));
		ret->items[ret->count] = (struct application_script){
			.name = ret->names[ret->count],
			.path = application->scripts[kind],
		};
		ret->count++;
	}
}

static const enum template_script before_kind[] = {
	[CHANGE_INSTALL] = SCRIPT_PRE_INSTALL,
	[CHANGE_UPDATE] = SCRIPT_PRE_UPDATE,
	[CHANGE_ERASE] = SCRIPT_PRE_REMOVE,
};
static const enum template_script after_kind[] = {
	[CHANGE_INSTALL] = SCRIPT_POST_INSTALL,
	[CHANGE_UPDATE] = SCRIPT_POST_UPDATE,
	[CHANGE_ERASE] = SCRIPT_POST_REMOVE,
};

static bool has_script(const struct application *application, enum template_script kind)
{
	return application->scripts[kind] || application->host_scripts[kind];
}

static bool has_scripts(const struct fleet *fleet, const struct fleet_task *task)
{
	const struct application_set *set = &task->class->metadata->applications;
	enum change_verb verb = fleet->request->verb;

	for (size_t i = 0; i < set->count; i++)
		if (concerns(fleet, task->ve, set->items[i]) &&
		    (has_script(set->items[i], before_kind[verb]) ||
		     has_script(set->items[i], after_kind[verb])))
			return true;
	return false;
}

bool fleet_has_work(const struct fleet *fleet, const struct fleet_task *task)
{
	return task->class->difference.count || task->class->notes.asked.count ||
	       (fleet->request->kind == FLEET_APPLICATIONS && has_scripts(fleet, task));
}

struct noting {
	struct journal *journal;
	unsigned ctid;
};

/* Without it a cut-off rpm would not be known to be one: that can be borne, and has no other to tell it to. */
static void note_manager(bool ended, void *data)
{
	const struct noting *noting = data;
	journal_note_manager(noting->journal, noting->ctid, ended, NULL);
}

static int apply(const struct fleet *fleet, const struct fleet_task *task, atomic_int *phase,
		 struct apply_result *result, struct error *err)
{
	const struct fleet_request *request = fleet->request;
	const struct app *app = fleet->app;
	struct noting noting = { fleet->journal, task->ve->ctid };
	AUTO(script_list_release) struct script_list before = { 0 }, after = { 0 };

	scripts_of(fleet, task, before_kind[request->verb], &before);
	scripts_of(fleet, task, after_kind[request->verb], &after);
	const struct apply_job job = {
		.host = &app->host,
		.ctid = task->ve->ctid,
		.template = task->class->template,
		.plan = task->class->plan,
		.difference = &task->class->difference,
		.share = fleet->files->share,
		.expected = task->class->set,
		.before = before.items,
		.before_count = before.count,
		.after = after.items,
		.after_count = after.count,
		.asked = &task->class->notes.asked,
		.erase_config = request->purge,
		.rollback = request->rollback,
		.former = task->class->former.items,
		.former_count = task->class->former.count,
		.time_limit_s = request->time_limit_s,
		.lock_timeout_s = app->options.timeout_s,
		.skip_lock = app->options.skip_lock,
		.phase = phase,
		.manager = note_manager,
		.data = &noting,
	};
	return apply_change(&job, result, err);
}

/* On the host: those that vzpkg.conf allows. */
static int run_host_scripts(const struct fleet *fleet, const struct fleet_task *task,
			    enum template_script kind, atomic_int *phase, struct error *err)
{
	const struct application_set *set = &task->class->metadata->applications;
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT;

	if (phase)
		atomic_store(phase, APPLY_SCRIPTS);
	for (size_t i = 0; i < set->count; i++) {
		const struct application_host_run run = {
			.application = set->items[i],
			.kind = kind,
			.ctid = task->ve->ctid,
			.ve_name = task->ve->name,
			.limit_s = fleet->request->time_limit_s,
		};
		if (concerns(fleet, task->ve, set->items[i]) &&
		    application_host_run(&run, &output, err) < 0)
			return -1;
	}
	return 0;
}

static int change(const struct fleet *fleet, const struct fleet_task *task, atomic_int *phase,
		  struct apply_result *result, struct error *err)
{
	enum change_verb verb = fleet->request->verb;

	/* Those before have run in the first attempt. */
	if ((!fleet->again && run_host_scripts(fleet, task, before_kind[verb], phase, err) < 0) ||
	    apply(fleet, task, phase, result, err) < 0)
		return -1;
	return run_host_scripts(fleet, task, after_kind[verb], phase, err);
}

/* In the child. What went wrong in a VE is the record's, and none of the child's own. */
static int work_in(size_t index, void *data, struct strbuf *result, struct error *err)
{
	const struct work *work = data;
	const struct fleet_task *task = work->tasks[index];
	AUTO(apply_result_release) struct apply_result applied = APPLY_RESULT_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;

	int status =
		change(work->fleet, task, fleet_watch_phase(&work->watch, index), &applied, &why);
	json_t *record = fleet_record(work->fleet, task, &applied, status < 0 ? &why : NULL);
	autofree char *text = json_dumps(record, JSON_COMPACT);
	json_decref(record);
	if (!text)
		return error_set(err, ERROR_INTERNAL, "the result cannot be written as JSON");
	strbuf_adds(result, text);
	return 0;
}

/* ---- all of them ----------------------------------------------------------------------------------------------------- */

static void show_progress(void *data)
{
	const struct work *work = data;
	const struct fleet_progress progress = {
		.tasks = work->tasks,
		.count = work->count,
		.running = work->running,
		.ended = work->ended,
		.failed = work->failed,
		.now_ms = now_ms(),
	};
	fleet_watch_show(&work->watch, &progress, work->fleet->app->report);
}

static void begun(size_t index, void *data)
{
	struct work *work = data;
	struct fleet_task *task = work->tasks[index];
	AUTO(error_clear) struct error why = ERROR_INIT;

	work->running++;
	task->begun_ms = now_ms();
	/* That it is not on disk costs a look at the VE more, if this run is killed. */
	if (journal_note_begun(work->fleet->journal, task->ve->ctid, task->class->journaled, &why) <
	    0)
		report_warning(work->fleet->app->report, NULL, "%s", why.message);
	show_progress(work);
}

/* It was not touched, and is tried once more when all others are done. */
static bool put_off(struct work *work, struct fleet_task *task, const json_t *record)
{
	const json_t *error = json_object_get(record, "error");
	const char *kind = json_string_value(json_object_get(error, "kind"));

	if (work->fleet->again || !kind || error_kind_parse(kind) != ERROR_CHANGED)
		return false;
	task->put_off = true;
	task->begun_ms = 0;
	return true;
}

static int end(struct work *work, struct fleet_task *task, json_t *record, struct error *err)
{
	double seconds = (double)(now_ms() - task->begun_ms) / 1000;
	bool failed = json_object_get(record, "error") != NULL;

	work->running--;
	work->ended++;
	if (put_off(work, task, record)) {
		json_decref(record);
		return 0;
	}
	json_object_set_new(record, "seconds", json_real(seconds));
	work->failed += failed;
	if (fleet_end(work->fleet, task, failed ? FLEET_FAILED : FLEET_CHANGED, record, err) < 0)
		return -1;
	show_progress(work);
	return 0;
}

static int done(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct work *work = data;
	json_t *record = json_loadb(result, size, 0, NULL);

	if (!record)
		return error_set(err, ERROR_INTERNAL, "a result cannot be read");
	return end(work, work->tasks[index], record, err);
}

/* The child itself could not go on, or was killed. */
static int failed(size_t index, void *data, const struct error *why, struct error *err)
{
	struct work *work = data;
	struct fleet_task *task = work->tasks[index];
	const struct apply_result unknown = { .half_done = true };

	return end(work, task, fleet_record(work->fleet, task, &unknown, why), err);
}

/* Nobody waits any longer for those that are at work. */
static void cut_off(struct work *work, const struct error *interrupt)
{
	const struct apply_result unknown = { .half_done = true };

	for (size_t i = 0; i < work->count; i++) {
		struct fleet_task *task = work->tasks[i];
		AUTO(error_clear) struct error why = ERROR_INIT;
		if (!task->begun_ms || task->state != FLEET_WAITING)
			continue;
		error_set(&why, interrupt->kind, "%s; it may be half done", interrupt->message);
		error_hint(&why, "\"vzpkg resume\" finishes it");
		fleet_cut_off(work->fleet, task, fleet_record(work->fleet, task, &unknown, &why));
	}
}

static bool too_many_failed(const struct work *work)
{
	const struct fleet_request *request = work->fleet->request;

	return (work->canary && work->failed && work->ended <= work->canary) ||
	       (request->failures_limited && work->failed > request->failures_max);
}

/* The canaries are waited for, and then the others are as many as the host bears. */
static unsigned allowed(void *data)
{
	struct work *work = data;

	if (work->fleet->stopped || too_many_failed(work)) {
		work->fleet->stopped = true;
		return 0;
	}
	unsigned most = work->fleet->request->jobs ?: governor_ask(&work->governor, work->running);
	if (work->ended < work->canary) {
		size_t left = work->canary - work->ended;
		return left < most ? (unsigned)left : most;
	}
	return most;
}

static void take_tasks(struct work *work)
{
	struct fleet *fleet = work->fleet;

	work->tasks = xcalloc(fleet->inventory.count + 1, sizeof(*work->tasks));
	for (size_t i = 0; i < fleet->inventory.count; i++)
		if (fleet->tasks[i].state == FLEET_WAITING)
			work->tasks[work->count++] = &fleet->tasks[i];
}

static size_t canaries(const struct work *work)
{
	const struct fleet_request *request = work->fleet->request;
	size_t wanted = request->canary;

	if (request->canary_percent)
		wanted = (work->count * request->canary_percent + 99) / 100;
	return wanted < work->count ? wanted : work->count;
}

static int run(struct work *work, struct error *err)
{
	static const char *const phases[] = {
		[CHANGE_INSTALL] = "installing in VEs",
		[CHANGE_UPDATE] = "updating VEs",
		[CHANGE_ERASE] = "removing from VEs",
	};
	const struct fleet_request *request = work->fleet->request;
	const char *phase = phases[request->verb];
	struct worker_job job = {
		.name = phase,
		.jobs = request->jobs ?: JOBS_MOST,
		.count = work->count,
		.task = work_in,
		.done = done,
		.failed = failed,
		.started = begun,
		.allowed = allowed,
		.waiting = show_progress,
		.finish_started = true,
		.data = work,
	};

	work->canary = canaries(work);
	governor_init(&work->governor, cpu_count(), VES_A_CPU * cpu_count());
	report_phase(work->fleet->app->report, phase, REPORT_ITEMS, work->count, 70);
	int ret = workers_run(&job, err);
	if (ret < 0 && err->kind == ERROR_INTERRUPTED)
		cut_off(work, err);
	report_phase_end(work->fleet->app->report);
	return ret;
}

int fleet_work(struct fleet *fleet, struct error *err)
{
	struct work work = { .fleet = fleet };

	take_tasks(&work);
	fleet_watch_open(&work.watch, work.count);
	int ret = work.count ? run(&work, err) : 0;
	fleet_watch_close(&work.watch);
	free(work.tasks);
	return ret;
}
