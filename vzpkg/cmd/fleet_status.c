/*
 * vzpkg status of VEs: which packages would "vzpkg update" bring to newer versions.
 */
#include <string.h>

#include "base/cleanup.h"
#include "runtime/config/ctid.h"
#include "vzpkg/cmd/fleet.h"
#include "vzpkg/cmd/fleet_status.h"
#include "vzpkg/exit_code.h"

enum { NAMES_SHOWN = 6 };

bool fleet_status_concerns(const struct app *app, const struct strvec *operands)
{
	unsigned ctid;

	if (!operands->count)
		return false;
	const char *word = operands->items[0];
	return strspn(word, "0123456789,-") == strlen(word) || strpbrk(word, "*?[,") ||
	       ctid_of_name(&app->host, word, &ctid);
}

static void newer_text(const struct fleet_class *class, struct strbuf *text)
{
	const struct difference *difference = &class->difference;

	strbuf_addf(text, "%zu package%s changed: ", difference->count,
		    difference->count == 1 ? " has" : "s have");
	for (size_t i = 0; i < difference->count && i < NAMES_SHOWN; i++) {
		const struct package_change *change = &difference->changes[i];
		strbuf_addf(text, "%s%s", i ? ", " : "",
			    change->kind == CHANGE_REMOVE
				    ? change->before->name
				    : class->plan->packages[change->package].name);
	}
	if (difference->count > NAMES_SHOWN)
		strbuf_addf(text, " and %zu more", difference->count - NAMES_SHOWN);
}

/* true if it is not up to date. */
static bool line(const struct fleet_task *task, struct strbuf *text)
{
	const struct fleet_class *class = task->class;
	const struct error *why = class ? fleet_class_error(class) : &task->ve->error;

	strbuf_addf(text, "%s: ", task->ve->title);
	if (why)
		strbuf_addf(text, "cannot be said: %s", why->message);
	else if (class->difference.count)
		newer_text(class, text);
	else
		strbuf_adds(text, "up to date");
	strbuf_addc(text, '\n');
	return !why && class->difference.count;
}

int fleet_status(struct app *app, const struct strvec *operands, struct command_result *ret,
		 struct error *err)
{
	AUTO(ve_selection_release) struct ve_selection selection = VE_SELECTION_INIT;
	AUTO(fleet_request_release) struct fleet_request request = FLEET_REQUEST_INIT;
	struct ve_words words = { .ves = *operands };
	AUTO(fleet_release)
	struct fleet fleet = {
		.app = app, .request = &request, .inventory = INVENTORY_INIT, .unheard = true
	};
	size_t outdated = 0;

	request.command = "status";
	request.verb = CHANGE_UPDATE;
	request.kind = FLEET_PACKAGES;
	if (app_need_root("status of a VE", err) < 0 ||
	    ve_select(&app->host, &words, &selection, err) < 0)
		return -1;
	int status = fleet_run(&fleet, &selection, true, ret, err);
	strbuf_truncate(&ret->text, 0);
	for (size_t i = 0; i < fleet.inventory.count && fleet.tasks; i++)
		outdated += line(&fleet.tasks[i], &ret->text);
	ret->status = outdated ? exit_code(ERROR_STALE) : 0;
	return status;
}
