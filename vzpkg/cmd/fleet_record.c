#include "vzpkg/cmd/fleet_record.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "vzpkg/exit_code.h"

enum { SERVICES_SHOWN = 4 };

const char *fleet_state_name(enum fleet_state state)
{
	static const char *const names[FLEET_STATES] = {
		[FLEET_WAITING] = "not-begun",
		[FLEET_UNCHANGED] = "unchanged",
		[FLEET_CHANGED] = "changed",
		[FLEET_FAILED] = "failed",
	};
	return names[state];
}

static json_t *change_row(const struct fleet_class *class, const struct package_change *change)
{
	const struct installed_package *before = change->before;
	const struct plan_package *after =
		change->kind == CHANGE_REMOVE ? NULL : &class->plan->packages[change->package];

	return json_pack("{s:s s:s s:s? s:s? s:b}", "name",
			 after ? after->name : change->before->name, "arch",
			 after ? after->arch : change->before->arch, "from",
			 before ? before->version : NULL, "to", after ? after->version : NULL,
			 "automatic", after && after->automatic);
}

json_t *fleet_changes(const struct fleet_class *class)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < class->difference.count; i++)
		json_array_append_new(rows, change_row(class, &class->difference.changes[i]));
	return rows;
}

static json_t *error_row(const struct error *err)
{
	autofree char *message = text_clean(err->message ?: "");
	return json_pack("{s:i s:s s:s? s:s s:s?}", "code", exit_code(err->kind), "kind",
			 error_kind_name(err->kind), "subject", err->subject, "message", message,
			 "hint", err->hint);
}

json_t *fleet_record_plain(const struct fleet_task *task, enum fleet_state state,
			   const struct error *err)
{
	const struct fleet_ve *ve = task->ve;
	json_t *record =
		json_pack("{s:o s:s? s:s s:s? s:s s:o}", "ve",
			  ve->ctid ? json_integer(ve->ctid) : json_null(), "name", ve->name,
			  "title", ve->title, "template", ve->template ? ve->template->text : NULL,
			  "state", fleet_state_name(state), "packages", json_array());
	if (err)
		json_object_set_new(record, "error", error_row(err));
	return record;
}

static json_t *strings(const struct strvec *vec)
{
	json_t *array = json_array();
	for (size_t i = 0; i < vec->count; i++)
		json_array_append_new(array, json_string(vec->items[i]));
	return array;
}

json_t *fleet_record(const struct fleet *fleet, const struct fleet_task *task,
		     const struct apply_result *applied, const struct error *err)
{
	json_t *record = fleet_record_plain(task, err ? FLEET_FAILED : FLEET_CHANGED, err);

	if (!err)
		json_object_set_new(record, "packages", fleet_changes(task->class));
	json_object_set_new(record, "running", json_boolean(applied->ran));
	json_object_set_new(record, "restart", strings(&applied->restart));
	if (err && applied->half_done)
		json_object_set_new(record, "half_done", json_true());
	if (err && fleet->request->rollback && applied->changed) {
		json_object_set_new(record, "undone", json_boolean(applied->undone));
		json_object_set_new(record, "not_undone", strings(&applied->not_undone));
	}
	if (err && applied->unfinished.count)
		json_object_set_new(record, "unfinished", strings(&applied->unfinished));
	if (err && applied->output && *applied->output)
		json_object_set_new(record, "output", json_string(applied->output));
	return record;
}

/* ---- for people ----------------------------------------------------------------------------------------------------- */

static void count_text(size_t count, const char *what, struct strbuf *text)
{
	if (count)
		strbuf_addf(text, "%s%zu %s", text->length ? ", " : "", count, what);
}

/* "2 installed, 1 upgraded" */
static void changes_text(const json_t *packages, struct strbuf *text)
{
	AUTO(strbuf_release) struct strbuf counts = STRBUF_INIT;
	size_t added = 0, replaced = 0, removed = 0;

	for (size_t i = 0; i < json_array_size(packages); i++) {
		const json_t *row = json_array_get(packages, i);
		bool before = json_is_string(json_object_get(row, "from"));
		bool after = json_is_string(json_object_get(row, "to"));
		added += after && !before;
		replaced += after && before;
		removed += !after;
	}
	count_text(added, "installed", &counts);
	count_text(replaced, "upgraded", &counts);
	count_text(removed, "removed", &counts);
	strbuf_adds(text, counts.length ? counts.text : "done");
}

static void restart_text(const json_t *services, struct strbuf *text)
{
	size_t count = json_array_size(services);

	for (size_t i = 0; i < count && i < SERVICES_SHOWN; i++)
		strbuf_addf(text, "%s%s", i ? ", " : "; to be restarted: ",
			    json_string_value(json_array_get(services, i)));
	if (count > SERVICES_SHOWN)
		strbuf_addf(text, " and %zu more", count - SERVICES_SHOWN);
}

/* "; taken back to what it was", "; not taken back: …" */
static void undone_text(const json_t *record, struct strbuf *text)
{
	const json_t *left = json_object_get(record, "not_undone");

	if (json_is_true(json_object_get(record, "undone"))) {
		strbuf_adds(text, "; taken back to what it was");
		return;
	}
	for (size_t i = 0; i < json_array_size(left); i++)
		strbuf_addf(text, "%s%s", i ? "; " : "; not taken back: ",
			    json_string_value(json_array_get(left, i)));
}

static void error_text(const json_t *record, const json_t *error, struct strbuf *text)
{
	const char *hint = json_string_value(json_object_get(error, "hint"));

	strbuf_addf(text, "failed: %s%s%s%s", json_string_value(json_object_get(error, "message")),
		    hint ? " (" : "", hint ?: "", hint ? ")" : "");
	if (json_object_get(record, "undone"))
		undone_text(record, text);
}

void fleet_record_text(const struct fleet *fleet, const struct fleet_task *task,
		       struct strbuf *text)
{
	const json_t *record = task->record;
	const json_t *error = json_object_get(record, "error");
	const json_t *seconds = json_object_get(record, "seconds");

	(void)fleet;
	strbuf_addf(text, "%s: ", task->ve->title);
	if (error)
		error_text(record, error, text);
	else if (task->state == FLEET_UNCHANGED)
		strbuf_adds(text, json_is_true(json_object_get(record, "repaired"))
					  ? "what was half done is finished"
					  : "nothing to do");
	else
		changes_text(json_object_get(record, "packages"), text);
	if (seconds)
		strbuf_addf(text, ", %.1f s", json_real_value(seconds));
	if (!error)
		restart_text(json_object_get(record, "restart"), text);
}
