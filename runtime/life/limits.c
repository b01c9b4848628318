#include "runtime/life/limits.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "runtime/cgroup.h"
#include "runtime/config/ve_state.h"
#include "runtime/resource/disk.h"
#include "runtime/resource/limit.h"

/* The VE's own files, and those that it shares. */
static void find_disks(const struct life *life, const struct held *held, struct strvec *disks)
{
	autofree char *layers = xasprintf("%s/layer", life->host->template_dir);
	disk_add(disks, held->config.private_area);
	if (held->config.layer)
		disk_add(disks, layers);
}

static void warn_missing(const struct life *life, const struct strvec *missing)
{
	AUTO(strbuf_release) struct strbuf names = STRBUF_INIT;
	for (size_t i = 0; i < missing->count; i++)
		strbuf_addf(&names, "%s%s", i ? ", " : "", missing->items[i]);
	if (missing->count)
		report_warning(
			life->report, NULL,
			"VE %u: on this host nothing limits %s: the control group controller "
			"for it is missing, or a disk of the VE's",
			life->ctid, names.text);
}

static void record(struct held *held, const struct resources *resources)
{
	free(held->state.resources);
	held->state.resources = resources_text(resources);
}

int limits_load(const struct life *life, const struct held *held, struct resources *ret,
		struct error *err)
{
	if (resources_load(life->host, &held->config.conf, ret, err) < 0)
		return -1;
	return resources_check_host(ret, err);
}

int limits_begin(const struct life *life, struct held *held, const struct resources *resources,
		 struct error *err)
{
	AUTO(strvec_release) struct strvec disks = STRVEC_INIT, missing = STRVEC_INIT;
	const struct limit_target target = { &held->state.groups, &disks };
	record(held, resources);
	find_disks(life, held, &disks);
	if (limit_apply(&target, resources, NULL, err) < 0)
		return -1;
	limit_missing(&target, resources, &missing);
	warn_missing(life, &missing);
	return 0;
}

/* ---- set ------------------------------------------------------------------------------------------------ */

static int load_wanted(const struct life *life, const struct held *held, const struct conf *changes,
		       bool reset, const struct resources *now, struct resources *ret,
		       struct error *err)
{
	if (!reset)
		resources_copy(ret, now);
	else if (resources_load(life->host, &held->config.conf, ret, err) < 0)
		return -1;
	if (resources_give(ret, changes, err) < 0)
		return -1;
	return resources_check_host(ret, err);
}

bool limits_are_in(const struct conf *changes)
{
	for (int i = 0; i < RESOURCE_COUNT; i++)
		if (conf_get(changes, resource_table[i].key))
			return true;
	return false;
}

int limits_check(const struct conf *changes, struct error *err)
{
	AUTO(resources_release) struct resources wanted = RESOURCES_INIT;
	if (resources_give(&wanted, changes, err) < 0)
		return -1;
	return resources_check_host(&wanted, err);
}

/* Warns of what was given, and not of what was said before. */
static int change(const struct life *life, struct held *held, const struct conf *changes,
		  const struct resources *now, const struct resources *wanted, int init,
		  struct error *err)
{
	AUTO(resources_release) struct resources given = RESOURCES_INIT;
	AUTO(strvec_release) struct strvec disks = STRVEC_INIT, missing = STRVEC_INIT;
	const struct limit_target target = { &held->state.groups, &disks };
	find_disks(life, held, &disks);
	if (limit_apply(&target, wanted, now, err) < 0 ||
	    limit_lower(&held->state.groups, init, wanted, err) < 0) {
		limit_apply(&target, now, wanted, NULL);
		return -1;
	}
	resources_give(&given, changes, NULL);
	limit_missing(&target, &given, &missing);
	warn_missing(life, &missing);
	return 0;
}

/* A VE that an older vzctl has started has no record: then it has none of these limits. */
int limits_change(const struct life *life, struct held *held, const struct conf *changes,
		  bool reset, struct error *err)
{
	AUTO(resources_release) struct resources now = RESOURCES_INIT, wanted = RESOURCES_INIT;
	autoclose int init = ve_process_open(&held->state.init);
	if (init < 0)
		return error_set(err, ERROR_NOT_RUNNING, "the VE %u has ended", life->ctid);
	if (cgroup_check(&held->state.groups, err) < 0 ||
	    resources_parse(held->state.resources ?: "", &now, err) < 0 ||
	    load_wanted(life, held, changes, reset, &now, &wanted, err) < 0 ||
	    change(life, held, changes, &now, &wanted, init, err) < 0)
		return -1;
	record(held, &wanted);
	return ve_state_save(life->host, life->ctid, &held->state, err);
}

void limits_explain(const struct life *life, const struct conf *given)
{
	for (int i = 0; given && i < RESOURCE_COUNT; i++)
		if (resource_table[i].note && conf_get(given, resource_table[i].key))
			report_info(life->report, "%s %s", resource_table[i].name,
				    resource_table[i].note);
}
