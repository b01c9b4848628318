#include "base/cleanup.h"
#include "runtime/area/template.h"
#include "runtime/life/life.h"

/* Of today's template of that name: whatever differs from it becomes the VE's own. */
static int find_layer(const struct life *life, const struct ve_config *config, struct layer *ret,
		      struct error *err)
{
	AUTO(template_found_release) struct template_found found = TEMPLATE_FOUND_INIT;
	if (!config->ostemplate) {
		error_set(err, ERROR_CONVERT, "%s does not say which template the VE is of",
			  config->conf.path);
		return error_hint(err, "add OSTEMPLATE to it");
	}
	if (template_find(life->host, config->ostemplate, false, life->report, &found, err) < 0)
		return -1;
	return layer_take(life->host, found.tarball, life->report, ret, err);
}

static int convert(const struct life *life, enum ve_layout layout, struct held *held,
		   struct error *err)
{
	AUTO(layer_release) struct layer layer = LAYER_INIT;
	struct disk_limits limits;
	if (ve_disk_limits(life->host, &held->config, &(struct disk_given){ 0 }, &limits, err) < 0)
		return -1;
	if (held->config.ids_shifted) {
		error_set(err, ERROR_CONVERT,
			  "the VE's files have its ids on disk, which an "
			  "overlay cannot have");
		return error_hint(err, "the file system of its private area has no mapped ids");
	}
	if (layout == VE_LAYOUT_OVERLAY && find_layer(life, &held->config, &layer, err) < 0)
		return -1;
	const struct rewrite rewrite = {
		.layout = layout,
		.layer = layout == VE_LAYOUT_OVERLAY ? &layer : NULL,
		.limits = &limits,
	};
	return rewrite_held(life, held, &rewrite, err);
}

int life_convert(const struct life *life, const char *layout, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	enum ve_layout wanted;
	if (ve_layout_parse(layout, &wanted, err) < 0 || held_take(life, true, &held, err) < 0 ||
	    check_at_rest(life, &held, err) < 0)
		return -1;
	if (held.config.layout == wanted) {
		report_warning(life->report, NULL, "the VE %u has the layout %s already",
			       life->ctid, layout);
		return 0;
	}
	if (convert(life, wanted, &held, err) == 0)
		return 0;
	if (err->kind == ERROR_SYSTEM)
		err->kind = ERROR_CONVERT;
	return error_wrap(err, "converting the VE %u", life->ctid);
}
