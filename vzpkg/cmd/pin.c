/*
 * vzpkg pin, unpin: a template that no refresh is to touch, or a generation that is never collected.
 */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/generation_operand.h"

static int set(struct app *app, const char *word, bool pinned, json_t *rows, struct error *err)
{
	AUTO(generation_operand_release)
	struct generation_operand operand = GENERATION_OPERAND_INIT;

	if (generation_operand_parse(app, word, &operand, err) < 0)
		return -1;
	int changed =
		generation_pin(app->host.template_dir, operand.name, operand.number, pinned, err);
	if (changed < 0)
		return -1;
	autofree char *text = generation_operand_text(&operand);
	if (!changed)
		report_info(app->report, "%s is %s already", text,
			    pinned ? "pinned" : "not pinned");
	else if (operand.number)
		report_info(app->report,
			    pinned ? "%s is kept from now on" : "%s is kept no longer than others",
			    text);
	else
		report_info(app->report,
			    pinned ? "%s is not refreshed from now on"
				   : "%s is refreshed again from now on",
			    text);
	json_t *row = json_pack("{s:s s:b s:b}", "template", operand.name, "pinned", pinned,
				"changed", changed);
	if (operand.number)
		json_object_set_new(row, "generation", json_integer(operand.number));
	json_array_append_new(rows, row);
	return 0;
}

static int set_all(struct app *app, const struct strvec *operands, bool pinned,
		   struct command_result *ret, struct error *err)
{
	if (app_need_root(pinned ? "pin" : "unpin", err) < 0)
		return -1;
	ret->json = json_array();
	for (size_t i = 0; i < operands->count; i++)
		if (set(app, operands->items[i], pinned, ret->json, err) < 0)
			return -1;
	return 0;
}

static int pin(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	return set_all(app, operands, true, ret, err);
}

static int unpin(struct app *app, const struct strvec *operands, struct command_result *ret,
		 struct error *err)
{
	return set_all(app, operands, false, ret, err);
}

const struct command command_pin = {
	.name = "pin",
	.operands = "TEMPLATE[@N]…",
	.operands_min = 1,
	.operands_max = 1000,
	.summary = "Keeps a template from being refreshed, or a generation from being collected",
	.run = pin,
};

const struct command command_unpin = {
	.name = "unpin",
	.operands = "TEMPLATE[@N]…",
	.operands_min = 1,
	.operands_max = 1000,
	.summary = "Takes the pin of a template or of a generation away",
	.run = unpin,
};
