/*
 * What a run over many VEs tells: a line or a record as each VE ends, and at the end all of it.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/config/ve_state.h"
#include "vzpkg/application_record.h"
#include "vzpkg/cmd/fleet.h"
#include "vzpkg/cmd/fleet_record.h"

/* ---- as each VE ends -------------------------------------------------------------------------------------------------- */

static void tell(const struct fleet *fleet, const struct fleet_task *task)
{
	AUTO(strbuf_release) struct strbuf line = STRBUF_INIT;

	if (fleet->unheard)
		return;
	if (fleet->json_lines) {
		autofree char *text = json_dumps(task->record, JSON_COMPACT);
		report_output(fleet->app->report, text);
		return;
	}
	if (fleet->app->options.json || (fleet->app->options.quiet && task->state != FLEET_FAILED))
		return;
	fleet_record_text(fleet, task, &line);
	report_output(fleet->app->report, line.text);
}

static int record(const struct app *app, unsigned ctid, const struct strvec *names, bool erase,
		  struct error *err)
{
	struct lock lock = LOCK_INIT;

	if (!app->options.skip_lock &&
	    ve_lock(&app->host, ctid, app->options.timeout_s, NULL, NULL, &lock, err) < 0)
		return -1;
	int ret = application_record(&app->host, ctid, erase ? NULL : names, erase ? names : NULL,
				     err);
	lock_release(&lock);
	return ret;
}

/* The VE's configuration says which applications it has. */
static int note_applications(const struct fleet *fleet, const struct fleet_task *task,
			     struct error *err)
{
	const struct fleet_request *request = fleet->request;
	const struct application_set *set =
		task->class ? &task->class->metadata->applications : NULL;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	bool erase = request->verb == CHANGE_ERASE;

	if (request->kind != FLEET_APPLICATIONS || request->verb == CHANGE_UPDATE || !set)
		return 0;
	for (size_t i = 0; i < set->count; i++) {
		const char *name = set->items[i]->name;
		if (strvec_contains(&task->ve->applications, name) == erase &&
		    (!erase || fleet_names(request, set->items[i])))
			strvec_push(&names, name);
	}
	return names.count ? record(fleet->app, task->ve->ctid, &names, erase, err) : 0;
}

int fleet_end(struct fleet *fleet, struct fleet_task *task, enum fleet_state state, json_t *record,
	      struct error *err)
{
	const struct fleet_repaired *repaired = fleet_repaired(fleet, task->ve->ctid);
	AUTO(error_clear) struct error why = ERROR_INIT;

	task->state = state;
	task->record = record;
	if (repaired && repaired->error.kind == ERROR_NONE)
		json_object_set_new(record, "repaired", json_true());
	else if (repaired && repaired->half_done)
		json_object_set_new(record, "half_done", json_true());
	if (state != FLEET_FAILED && note_applications(fleet, task, &why) < 0)
		report_warning(fleet->app->report, task->ve->title,
			       "%s: the applications are not recorded: %s", task->ve->title,
			       why.message);
	if (fleet->journal && journal_note_ended(fleet->journal, task->ve->ctid, record, err) < 0)
		return -1;
	tell(fleet, task);
	return 0;
}

void fleet_cut_off(struct fleet *fleet, struct fleet_task *task, json_t *record)
{
	task->state = FLEET_FAILED;
	task->record = record;
	tell(fleet, task);
}

/* ---- what is to be done ------------------------------------------------------------------------------------------------ */

static void class_text(const struct fleet_class *class, const struct fleet *fleet,
		       struct strbuf *text)
{
	strbuf_addf(text, "%zu VE%s of %s:", class->ves, class->ves == 1 ? "" : "s",
		    class->template->text);
	for (size_t i = 0, shown = 0; i < fleet->inventory.count; i++)
		if (fleet->tasks[i].class == class)
			strbuf_addf(text, "%s %s", shown++ ? "," : "", fleet->tasks[i].ve->title);
	strbuf_addc(text, '\n');
}

static void change_text(const struct fleet_class *class, const struct package_change *change,
			struct strbuf *text)
{
	const struct installed_package *before = change->before;
	const struct plan_package *after =
		change->kind == CHANGE_REMOVE ? NULL : &class->plan->packages[change->package];
	const char *what = !after ? "remove" : before ? "upgrade" : "install";

	strbuf_addf(text, "  %-8s %s", what, after ? after->name : change->before->name);
	if (before)
		strbuf_addf(text, " %s", before->version);
	if (after)
		strbuf_addf(text, "%s %s", before ? " ->" : "", after->version);
	if (after && after->automatic && !before)
		strbuf_adds(text, " (a dependency)");
	strbuf_addc(text, '\n');
}

static json_t *class_json(const struct fleet *fleet, const struct fleet_class *class)
{
	const struct error *why = fleet_class_error(class);
	json_t *ves = json_array();

	for (size_t i = 0; i < fleet->inventory.count; i++)
		if (fleet->tasks[i].class == class)
			json_array_append_new(ves, json_integer(fleet->tasks[i].ve->ctid));
	json_t *row = json_pack("{s:s s:o s:o}", "template", class->template->text, "ves", ves,
				"packages", class->plan ? fleet_changes(class) : json_array());
	if (why)
		json_object_set_new(row, "error", json_string(why->message));
	return row;
}

static json_t *classes_json(const struct fleet *fleet)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < fleet->class_count; i++)
		json_array_append_new(rows, class_json(fleet, &fleet->classes[i]));
	return rows;
}

static json_t *counters_json(const struct fleet *fleet)
{
	struct share_counters counters = { 0 };

	fleet_count_share(fleet, &counters);
	return json_pack(
		"{s:I s:I s:I s:I s:I s:I s:I s:I}", "ves", (json_int_t)fleet->inventory.count,
		"sets_read", (json_int_t)fleet->inventory.sets_read, "classes",
		(json_int_t)fleet->class_count, "solves", (json_int_t)fleet->solves, "packages",
		(json_int_t)fleet->packages, "package_bytes", (json_int_t)fleet->package_bytes,
		"downloaded_bytes", (json_int_t)fleet->missing_bytes, "decompressions",
		(json_int_t)counters.decompressions);
}

static size_t count_state(const struct fleet *fleet, enum fleet_state state)
{
	size_t count = 0;
	for (size_t i = 0; i < fleet->inventory.count; i++)
		count += fleet->tasks[i].state == state;
	return count;
}

void fleet_preview(const struct fleet *fleet, struct command_result *ret)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < fleet->class_count; i++) {
		const struct fleet_class *class = &fleet->classes[i];
		class_text(class, fleet, &ret->text);
		const struct error *why = fleet_class_error(class);
		if (why)
			strbuf_addf(&ret->text, "  cannot be done: %s\n", why->message);
		for (size_t c = 0; c < class->difference.count; c++)
			change_text(class, &class->difference.changes[c], &ret->text);
		for (size_t n = 0; n < class->notes.kept.count; n++)
			strbuf_addf(&ret->text, "  stays    %s\n", class->notes.kept.items[n]);
		if (!why && !class->difference.count)
			strbuf_adds(&ret->text, "  nothing to do\n");
	}
	for (size_t i = 0; i < fleet->inventory.count; i++)
		json_array_append_new(
			rows, fleet->tasks[i].record
				      ? json_incref(fleet->tasks[i].record)
				      : fleet_record_plain(&fleet->tasks[i], FLEET_WAITING, NULL));
	ret->json = json_pack("{s:b s:o s:o s:o}", "dry_run", 1, "ves", rows, "classes",
			      classes_json(fleet), "counters", counters_json(fleet));
}

/* ---- at the end --------------------------------------------------------------------------------------------------------- */

void fleet_result(const struct fleet *fleet, struct command_result *ret)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < fleet->inventory.count; i++) {
		const struct fleet_task *task = &fleet->tasks[i];
		json_array_append_new(rows, task->record
						    ? json_incref(task->record)
						    : fleet_record_plain(task, task->state, NULL));
	}
	ret->json = json_pack("{s:b s:o s:o s:o s:I s:I s:I s:I s:b}", "dry_run", 0, "ves", rows,
			      "classes", classes_json(fleet), "counters", counters_json(fleet),
			      "changed", (json_int_t)count_state(fleet, FLEET_CHANGED), "unchanged",
			      (json_int_t)count_state(fleet, FLEET_UNCHANGED), "failed",
			      (json_int_t)count_state(fleet, FLEET_FAILED), "not_begun",
			      (json_int_t)count_state(fleet, FLEET_WAITING), "resumable",
			      fleet->resumable);
	if (fleet->inventory.count == 1 || fleet->json_lines)
		return;
	strbuf_addf(&ret->text, "%zu VEs: %zu changed, %zu unchanged, %zu failed",
		    fleet->inventory.count, count_state(fleet, FLEET_CHANGED),
		    count_state(fleet, FLEET_UNCHANGED), count_state(fleet, FLEET_FAILED));
	if (count_state(fleet, FLEET_WAITING))
		strbuf_addf(&ret->text, ", %zu not begun", count_state(fleet, FLEET_WAITING));
	strbuf_addc(&ret->text, '\n');
}
