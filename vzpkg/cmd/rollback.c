/*
 * vzpkg rollback: an earlier generation becomes the cache again.
 */
#include "base/cleanup.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/generation_operand.h"

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(generation_operand_release)
	struct generation_operand operand = GENERATION_OPERAND_INIT;
	const char *dir = app->host.template_dir;
	unsigned from, to;

	if (app_need_root("rollback", err) < 0 ||
	    generation_operand_parse(app, operands->items[0], &operand, err) < 0 ||
	    generation_rollback(dir, operand.name, operand.number, &from, &to, err) < 0)
		return -1;
	if (from == to)
		report_info(app->report, "generation %u of %s is the current one already", to,
			    operand.name);
	else
		report_info(app->report, "%s is generation %u again, and was %u", operand.name, to,
			    from);
	if (from != to && !generation_template_pinned(dir, operand.name))
		report_info(app->report,
			    "the next refresh makes a newer one; \"vzpkg pin %s\" prevents that",
			    operand.name);
	ret->json = json_pack("{s:s s:i s:i}", "template", operand.name, "from", (int)from, "to",
			      (int)to);
	return 0;
}

const struct command command_rollback = {
	.name = "rollback",
	.operands = "TEMPLATE[@N]",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "Makes the generation before the current one, or that one, the cache again",
	.run = run,
};
