/*
 * vzpkg diff: which packages of two caches, or generations of one, differ. From their manifests alone.
 */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/generation_operand.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/cmd/package_changes.h"

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(generation_operand_release) struct generation_operand a = GENERATION_OPERAND_INIT;
	AUTO(generation_operand_release) struct generation_operand b = GENERATION_OPERAND_INIT;
	AUTO(manifest_release) json_t *before = NULL, *after = NULL;
	enum package_format format;

	if (generation_operand_parse(app, operands->items[0], &a, err) < 0 ||
	    generation_operand_parse(app, operands->items[1], &b, err) < 0 ||
	    generation_operand_manifest(app, &a, &before, err) < 0 ||
	    generation_operand_manifest(app, &b, &after, err) < 0 ||
	    manifest_format(before, a.name, &format, err) < 0)
		return -1;
	AUTO(manifest_release)
	json_t *changes = package_changes(json_object_get(before, "packages"),
					  json_object_get(after, "packages"), format);
	autofree char *from = generation_operand_text(&a), *to = generation_operand_text(&b);

	package_changes_text(changes, NULL, &ret->text);
	ret->json = json_pack("{s:s s:s s:o}", "from", from, "to", to, "changes",
			      package_changes_json(changes));
	return 0;
}

const struct command command_diff = {
	.name = "diff",
	.operands = "TEMPLATE[@N] TEMPLATE[@N]",
	.operands_min = 2,
	.operands_max = 2,
	.summary = "Shows which packages of two caches or generations differ",
	.run = run,
};
