/*
 * VEs that have changed meanwhile, in a second attempt.
 */
#include "base/cleanup.h"
#include "vzpkg/cmd/fleet.h"

static void select_again(const struct fleet *fleet, struct ve_selection *ret)
{
	for (size_t i = 0; i < fleet->inventory.count; i++)
		if (fleet->tasks[i].put_off)
			ve_selection_add(ret, fleet->tasks[i].ve->ctid, NULL);
}

/* What is left of what is asked for: the canaries are over, and some VEs may have failed. */
static struct fleet_request rest_of_request(const struct fleet *fleet)
{
	struct fleet_request request = *fleet->request;

	request.canary = request.canary_percent = 0;
	for (size_t i = 0; i < fleet->inventory.count; i++)
		if (fleet->tasks[i].state == FLEET_FAILED && request.failures_max)
			request.failures_max--;
	return request;
}

/* Each record belongs to the VE, whatever attempt has written it. */
static void take_over(struct fleet *fleet, const struct fleet *again)
{
	for (size_t i = 0, next = 0; again->tasks && i < fleet->inventory.count; i++) {
		if (!fleet->tasks[i].put_off || next == again->inventory.count)
			continue;
		fleet->tasks[i].state = again->tasks[next].state;
		fleet->tasks[i].record = json_incref(again->tasks[next].record);
		next++;
	}
	fleet->solves += again->solves;
	fleet->stopped |= again->stopped;
}

int fleet_again(struct fleet *fleet, struct error *err)
{
	AUTO(ve_selection_release) struct ve_selection selection = VE_SELECTION_INIT;
	struct fleet_request request = rest_of_request(fleet); /* its texts are the other one's */
	AUTO(fleet_release)
	struct fleet again = {
		.app = fleet->app,
		.request = &request,
		.inventory = INVENTORY_INIT,
		.unheard = fleet->unheard,
		.json_lines = fleet->json_lines,
		.repairs = fleet->repairs,
		.again = true,
	};

	select_again(fleet, &selection);
	if (!selection.count || fleet->stopped)
		return 0;
	report_info(fleet->app->report, "%zu VE%s changed meanwhile: once more", selection.count,
		    selection.count == 1 ? " has" : "s have");
	again.journal = fleet->journal;
	int ret = fleet_open_local(&again, err);
	if (ret == 0)
		ret = fleet_take(&again, &selection, err);
	if (ret == 0)
		ret = fleet_plan(&again, err);
	if (ret == 0)
		ret = fleet_attempt(&again, err);
	take_over(fleet, &again);
	again.journal = NULL; /* it is the other one's */
	return ret;
}
