/*
 * vzpkg remove-cache: drops a template's tarball, its manifest and all its generations.
 */
#include "base/cleanup.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cache/store.h"
#include "vzpkg/cmd/build_lock.h"
#include "vzpkg/cmd/command.h"

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(store_freep) struct store *store = NULL;
	AUTO(build_lock_release) struct build_lock lock = BUILD_LOCK_INIT;

	if (app_need_root("remove-cache", err) < 0 ||
	    app_template(app, operands->items[0], &template, err) < 0 ||
	    build_lock_take(&lock, app, template->text, err) < 0)
		return -1;
	if (generation_remove(app->host.template_dir, template->text, err) < 0) {
		if (err->kind == ERROR_NOT_CACHED)
			error_hint(err, "\"vzpkg list --cached\" shows what there is");
		return -1;
	}
	/* With the next gc its packages go, too. */
	if (store_open(app_pm(app, err), &store, err) < 0 ||
	    store_keep_no_more(store, template->text, err) < 0)
		return -1;
	report_info(app->report, "removed the cache of %s", template->text);
	ret->json = json_pack("{s:s s:s}", "template", template->text, "status", "removed");
	return 0;
}

const struct command command_remove_cache = {
	.name = "remove-cache",
	.operands = "TEMPLATE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "Removes an OS template's cache",
	.run = run,
};
