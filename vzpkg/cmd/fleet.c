#include "vzpkg/cmd/fleet.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "vzpkg/cmd/fleet_files.h"
#include "vzpkg/cmd/fleet_former.h"
#include "vzpkg/cmd/fleet_look.h"
#include "vzpkg/cmd/fleet_record.h"
#include "vzpkg/fleet/redo.h"
#include "vzpkg/exit_code.h"

void fleet_release(struct fleet *fleet)
{
	fleet_files_freep(&fleet->files);
	for (size_t i = 0; i < fleet->class_count; i++) {
		plan_freep(&fleet->classes[i].plan);
		difference_release(&fleet->classes[i].difference);
		change_notes_release(&fleet->classes[i].notes);
		fleet_former_release(&fleet->classes[i].former);
		error_clear(&fleet->classes[i].error);
	}
	for (size_t i = 0; i < fleet->metadata_count; i++) {
		application_set_release(&fleet->metadata[i].applications);
		template_free(fleet->metadata[i].merged);
		error_clear(&fleet->metadata[i].error);
	}
	for (size_t i = 0; fleet->tasks && i < fleet->inventory.count; i++)
		json_decref(fleet->tasks[i].record);
	for (size_t i = 0; i < fleet->local_count; i++)
		local_package_release(&fleet->local[i]);
	free(fleet->local);
	free(fleet->classes);
	free(fleet->metadata);
	free(fleet->tasks);
	inventory_release(&fleet->inventory);
	journal_freep(&fleet->journal);
}

void fleet_count_share(const struct fleet *fleet, struct share_counters *ret)
{
	if (fleet->files && fleet->files->share)
		share_count(fleet->files->share, ret);
}

static int fail_task(struct fleet *fleet, struct fleet_task *task, const struct error *why,
		     struct error *err)
{
	return fleet_end(fleet, task, FLEET_FAILED, fleet_record_plain(task, FLEET_FAILED, why),
			 err);
}

/* Why it cannot be worked in; NULL if it can. */
static const struct error *wrong_with(const struct fleet *fleet, const struct fleet_ve *ve)
{
	const struct fleet_repaired *repaired = fleet_repaired(fleet, ve->ctid);

	if (repaired && repaired->error.kind != ERROR_NONE)
		return &repaired->error;
	return ve->error.kind == ERROR_NONE ? NULL : &ve->error;
}

int fleet_take(struct fleet *fleet, const struct ve_selection *selection, struct error *err)
{
	if (fleet_look_at(fleet->app, selection, &fleet->inventory, err) < 0)
		return -1;
	fleet->tasks = xcalloc(fleet->inventory.count + 1, sizeof(*fleet->tasks));
	for (size_t i = 0; i < fleet->inventory.count; i++)
		fleet->tasks[i].ve = &fleet->inventory.ves[i];
	for (size_t i = 0; i < fleet->inventory.count; i++) {
		const struct error *why = wrong_with(fleet, &fleet->inventory.ves[i]);
		if (why && fail_task(fleet, &fleet->tasks[i], why, err) < 0)
			return -1;
	}
	return 0;
}

/* VEs in which nothing can be done. */
static int settle_failed(struct fleet *fleet, struct error *err)
{
	for (size_t i = 0; i < fleet->inventory.count; i++) {
		struct fleet_task *task = &fleet->tasks[i];
		const struct error *why =
			task->state == FLEET_WAITING ? fleet_class_error(task->class) : NULL;
		if (why && fail_task(fleet, task, why, err) < 0)
			return -1;
	}
	return 0;
}

/* … or is to be done. */
static int settle(struct fleet *fleet, struct error *err)
{
	if (settle_failed(fleet, err) < 0)
		return -1;
	for (size_t i = 0; i < fleet->inventory.count; i++) {
		struct fleet_task *task = &fleet->tasks[i];
		if (task->state == FLEET_WAITING && !fleet_has_work(fleet, task) &&
		    fleet_end(fleet, task, FLEET_UNCHANGED,
			      fleet_record_plain(task, FLEET_UNCHANGED, NULL), err) < 0)
			return -1;
	}
	return 0;
}

static size_t waiting(const struct fleet *fleet, unsigned *ctids)
{
	size_t count = 0;

	for (size_t i = 0; i < fleet->inventory.count; i++) {
		if (fleet->tasks[i].state != FLEET_WAITING)
			continue;
		if (ctids)
			ctids[count] = fleet->tasks[i].ve->ctid;
		count++;
	}
	return count;
}

/* ---- the whole --------------------------------------------------------------------------------------------------------- */

static void announce(const struct fleet *fleet)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%zu VE%s, %zu class%s", fleet->inventory.count,
		    fleet->inventory.count == 1 ? "" : "s", fleet->class_count,
		    fleet->class_count == 1 ? "" : "es");
	if (fleet->packages)
		strbuf_addf(&text, ", %zu package%s, %.1f MB once (%.1f MB to be downloaded)",
			    fleet->packages, fleet->packages == 1 ? "" : "s",
			    (double)fleet->package_bytes / 1e6, (double)fleet->missing_bytes / 1e6);
	report_info(fleet->app->report, "%s", text.text);
}

/* One's failure is its own; that some failed is said at the end. */
static int verdict(const struct fleet *fleet, struct error *err)
{
	size_t failed = 0, left = waiting(fleet, NULL);
	const json_t *last = NULL;

	for (size_t i = 0; i < fleet->inventory.count; i++)
		if (fleet->tasks[i].state == FLEET_FAILED) {
			last = json_object_get(fleet->tasks[i].record, "error");
			failed++;
		}
	if (!failed)
		return 0;
	if (fleet->inventory.count == 1) {
		const char *hint = json_string_value(json_object_get(last, "hint"));
		error_set(err, error_kind_parse(json_string_value(json_object_get(last, "kind"))),
			  "%s: %s", fleet->tasks[0].ve->title,
			  json_string_value(json_object_get(last, "message")));
		error_subject(err, "%s", fleet->tasks[0].ve->title);
		return hint ? error_hint(err, "%s", hint) : -1;
	}
	error_set(err, ERROR_PARTIAL, "%zu of %zu VEs failed%s", failed, fleet->inventory.count,
		  left ? ", and the rest was left as it was" : "");
	if (fleet->resumable)
		return error_hint(err, "\"vzpkg resume\" goes on with those that have not "
				       "succeeded");
	return error_hint(err, "what went wrong with each is said above");
}

static int begin_journal(struct fleet *fleet, struct error *err)
{
	autofree unsigned *ctids = xcalloc(fleet->inventory.count + 1, sizeof(*ctids));
	size_t count = waiting(fleet, ctids);

	if (fleet->journal)
		return 0;
	return journal_begin(fleet->app->host.template_dir, fleet_request_json(fleet->request),
			     ctids, count, &fleet->journal, err);
}

/* What a VE may be left with half of, if this run is killed. */
static int note_plans(struct fleet *fleet, struct error *err)
{
	for (size_t i = 0; i < fleet->class_count; i++) {
		struct fleet_class *class = &fleet->classes[i];
		if (fleet_class_error(class) || !class->difference.count)
			continue;
		json_t *plan = redo_json(class->plan, &class->difference, fleet->request->purge);
		if (journal_note_plan(fleet->journal, plan, &class->journaled, err) < 0)
			return -1;
	}
	return 0;
}

int fleet_attempt(struct fleet *fleet, struct error *err)
{
	if (settle(fleet, err) < 0)
		return -1;
	if (!waiting(fleet, NULL))
		return 0;
	announce(fleet);
	if (fleet_fetch(fleet, err) < 0 || settle(fleet, err) < 0 ||
	    begin_journal(fleet, err) < 0 || note_plans(fleet, err) < 0)
		return -1;
	return fleet_work(fleet, err);
}

static void say_what_is_left(const struct fleet *fleet, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	size_t left = waiting(fleet, NULL), half = 0;

	for (size_t i = 0; i < fleet->inventory.count; i++)
		half += json_is_true(json_object_get(fleet->tasks[i].record, "half_done"));
	if (left)
		strbuf_addf(&text, "%zu VE%s left as %s", left, left == 1 ? " was" : "s were",
			    left == 1 ? "it was" : "they were");
	if (half)
		strbuf_addf(&text, "%s%zu VE%s may be half done", left ? ", and " : "", half,
			    half == 1 ? "" : "s");
	error_hint(err, "%s%s\"vzpkg resume\" goes on", text.text, text.length ? ": " : "");
}

static int work(struct fleet *fleet, struct error *err)
{
	int ret = fleet_attempt(fleet, err);

	if (ret == 0)
		ret = fleet_again(fleet, err);
	if (fleet->journal)
		fleet->resumable = journal_close(steal_ptr(fleet->journal));
	if (ret < 0 && err->kind == ERROR_INTERRUPTED && fleet->resumable)
		say_what_is_left(fleet, err);
	return ret;
}

int fleet_run(struct fleet *fleet, const struct ve_selection *selection, bool dry_run,
	      struct command_result *ret, struct error *err)
{
	if (fleet_open_local(fleet, err) < 0 || fleet_take(fleet, selection, err) < 0 ||
	    fleet_plan(fleet, err) < 0)
		return -1;
	if (dry_run) {
		/* Why something cannot be done stands in the table, once for all VEs of a class. */
		fleet->unheard = true;
		int failed = settle_failed(fleet, err);
		fleet_preview(fleet, ret);
		return failed < 0 ? -1 : verdict(fleet, err);
	}
	int status = work(fleet, err);
	fleet_result(fleet, ret);
	return status < 0 ? -1 : verdict(fleet, err);
}
