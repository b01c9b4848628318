/*
 * Before a run goes on: VEs in which it has not succeeded, and whose package managers may have left something half done.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/worker.h"
#include "runtime/access/look.h"
#include "vzpkg/cmd/fleet.h"
#include "vzpkg/cmd/fleet_files.h"
#include "vzpkg/cmd/packages.h"
#include "vzpkg/fleet/repair.h"

enum { NAMES_SHOWN = 5 };

struct patient {
	unsigned ctid;
	char *title;
	struct template *template;
	struct redo redo;
	bool cut_off; /* there is a redo */
	bool hopeless; /* it cannot be tried, and why is noted */
};

struct ward {
	struct fleet *fleet;
	struct fleet_repairs *repairs;
	struct patient *patients;
	size_t count, ended;
};

static void ward_release(struct ward *ward)
{
	for (size_t i = 0; i < ward->count; i++) {
		template_free(ward->patients[i].template);
		redo_release(&ward->patients[i].redo);
		free(ward->patients[i].title);
	}
	free(ward->patients);
}

void fleet_repairs_release(struct fleet_repairs *repairs)
{
	for (size_t i = 0; i < repairs->count; i++)
		error_clear(&repairs->items[i].error);
	free(repairs->items);
}

const struct fleet_repaired *fleet_repaired(const struct fleet *fleet, unsigned ctid)
{
	for (size_t i = 0; fleet->repairs && i < fleet->repairs->count; i++)
		if (fleet->repairs->items[i].ctid == ctid)
			return &fleet->repairs->items[i];
	return NULL;
}

/* Takes over the error, if any. */
static void note(const struct ward *ward, unsigned ctid, bool half_done, struct error *why)
{
	struct fleet_repairs *repairs = ward->repairs;
	struct fleet_repaired *repaired;

	repairs->items = xreallocarray(repairs->items, repairs->count + 1, sizeof(*repairs->items));
	repaired = &repairs->items[repairs->count++];
	*repaired = (struct fleet_repaired){ .ctid = ctid, .half_done = half_done };
	if (why)
		error_move(&repaired->error, why);
}

/* ---- who --------------------------------------------------------------------------------------------------------------- */

/* The files of what was cut off, as VEs see them. The journal has kept them in the store. */
static int bring(struct fleet *fleet, const struct patient *patient, struct error *err)
{
	AUTO(keyring_freep) struct keyring *keyring = NULL;
	AUTO(package_keys_freep) struct package_keys *keys = NULL;
	const struct plan *plan = patient->redo.plan;
	uint64_t bytes;

	if (!plan->count)
		return 0;
	if (fleet_open_files(fleet, err) < 0 ||
	    fleet_open_keys(fleet, patient->template, &keyring, &keys, err) < 0)
		return -1;
	if (store_missing(fleet->files->store, plan, &bytes)) {
		error_set(err, ERROR_INSTALL,
			  "its package manager was cut off, and package files that it was at are "
			  "not in the store any more");
		return error_hint(err, "repair VE %u by hand, and run the command again",
				  patient->ctid);
	}
	return share_add(fleet->files->share, plan, patient->template->format, keys, err);
}

static int look(struct fleet *fleet, unsigned ctid, struct patient *patient, struct error *err)
{
	const struct template_source source = app_template_source(fleet->app);
	AUTO(look_release) struct look look = LOOK_INIT;

	if (look_at(&fleet->app->host, ctid, &look, err) < 0)
		return -1;
	const char *name = look.config.ostemplate ?: "";
	name += *name == '.';
	patient->ctid = ctid;
	patient->title = look.config.name ? xasprintf("%u (%s)", ctid, look.config.name)
					  : xasprintf("%u", ctid);
	return application_template_load(&source, name, &patient->template, err);
}

static int take_redo(struct fleet *fleet, const json_t *begun, struct patient *patient,
		     struct error *err)
{
	if (!begun)
		return 0;
	patient->cut_off = true;
	return redo_parse(begun, &patient->redo, err) < 0 ? -1 : bring(fleet, patient, err);
}

/* What is wrong with a VE in which nothing was begun is said when it is looked at; and one that is gone needs no repair. */
static int take(struct ward *ward, unsigned ctid, struct error *err)
{
	struct patient *patient = &ward->patients[ward->count++];
	const json_t *begun = journal_cut_off(ward->fleet->journal, ctid);
	AUTO(error_clear) struct error why = ERROR_INIT;

	patient->redo = REDO_INIT;
	bool seen = look(ward->fleet, ctid, patient, &why) == 0;
	if (seen && take_redo(ward->fleet, begun, patient, &why) == 0)
		return 0;
	patient->hopeless = true;
	if (why.kind == ERROR_INTERRUPTED) {
		error_move(err, &why);
		return -1;
	}
	if (begun && why.kind != ERROR_NO_VE) {
		/* No later attempt can do better with a plan that cannot be read, or without its files. */
		bool later = !seen || (why.kind != ERROR_PARSE && why.kind != ERROR_INSTALL);
		note(ward, ctid, later, &why);
	}
	return 0;
}

static int take_all(struct ward *ward, struct error *err)
{
	const struct journal *journal = ward->fleet->journal;

	ward->patients = xcalloc(journal_count(journal) + 1, sizeof(*ward->patients));
	for (size_t i = 0; i < journal_count(journal); i++) {
		unsigned ctid = journal_ve(journal, i);
		enum journal_state state = journal_state(journal, ctid);
		if ((state == JOURNAL_BEGUN || state == JOURNAL_FAILED) &&
		    take(ward, ctid, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- what was done ----------------------------------------------------------------------------------------------------- */

struct noting {
	struct journal *journal;
	unsigned ctid;
};

/* Were it not noted, the next run would look once more. */
static void note_manager(bool ended, void *data)
{
	const struct noting *noting = data;
	journal_note_manager(noting->journal, noting->ctid, ended, NULL);
}

/* "tool, slow and 3 more"; nothing if there was nothing to be done. */
static void describe(const struct repair_result *result, struct strbuf *text)
{
	const struct strvec *names = &result->packages;

	if (result->repaired && !names->count)
		strbuf_adds(text, "its package manager's list");
	for (size_t i = 0; i < names->count && i < NAMES_SHOWN; i++)
		strbuf_addf(text, "%s%s", i ? ", " : "", names->items[i]);
	if (names->count > NAMES_SHOWN)
		strbuf_addf(text, " and %zu more", names->count - NAMES_SHOWN);
}

/* In the child. */
static int repair(size_t index, void *data, struct strbuf *text, struct error *err)
{
	const struct ward *ward = data;
	const struct fleet *fleet = ward->fleet;
	const struct patient *patient = &ward->patients[index];
	struct noting noting = { fleet->journal, patient->ctid };
	AUTO(repair_result_release) struct repair_result result = REPAIR_RESULT_INIT;
	const struct repair_job job = {
		.host = &fleet->app->host,
		.ctid = patient->ctid,
		.template = patient->template,
		.redo = patient->cut_off ? &patient->redo : NULL,
		.share = fleet->files ? fleet->files->share : NULL,
		.time_limit_s = fleet->request->time_limit_s,
		.lock_timeout_s = fleet->app->options.timeout_s,
		.skip_lock = fleet->app->options.skip_lock,
		.manager = note_manager,
		.data = &noting,
	};

	if (patient->hopeless)
		return 0;
	if (repair_packages(&job, &result, err) < 0)
		return error_wrap(err, "finishing what was half done");
	describe(&result, text);
	return 0;
}

static int done(size_t index, void *data, const char *text, size_t size, struct error *err)
{
	struct ward *ward = data;
	const struct patient *patient = &ward->patients[index];

	(void)err;
	report_progress(ward->fleet->app->report, ++ward->ended, patient->title);
	if (!size)
		return 0;
	report_info(ward->fleet->app->report, "%s: what was half done is finished: %.*s",
		    patient->title, (int)size, text);
	note(ward, patient->ctid, false, NULL);
	return 0;
}

static int failed(size_t index, void *data, const struct error *why, struct error *err)
{
	struct ward *ward = data;
	const struct patient *patient = &ward->patients[index];
	struct error copy = ERROR_INIT;

	(void)err;
	report_progress(ward->fleet->app->report, ++ward->ended, patient->title);
	error_set(&copy, why->kind, "%s", why->message);
	if (why->subject)
		error_subject(&copy, "%s", why->subject);
	if (why->hint)
		error_hint(&copy, "%s", why->hint);
	note(ward, patient->ctid, patient->cut_off, &copy);
	return 0;
}

int fleet_repair(struct fleet *fleet, struct fleet_repairs *ret, struct error *err)
{
	AUTO(ward_release) struct ward ward = { .fleet = fleet, .repairs = ret };
	struct worker_job job = {
		.name = "repairing VEs",
		.jobs = fleet->request->jobs ?: cpu_count(),
		.task = repair,
		.done = done,
		.failed = failed,
		.finish_started = true,
		.data = &ward,
	};

	fleet->repairs = ret;
	if (take_all(&ward, err) < 0)
		return -1;
	job.count = ward.count;
	if (!ward.count)
		return 0;
	report_phase(fleet->app->report, job.name, REPORT_ITEMS, ward.count, 5);
	int status = workers_run(&job, err);
	report_phase_end(fleet->app->report);
	return status;
}
