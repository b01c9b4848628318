#include "vzpkg/fleet/repair.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "vzpkg/fleet/repairer.h"

enum { NOTED_MAX = 1000 };

void repair_result_release(struct repair_result *result)
{
	strvec_release(&result->packages);
	*result = REPAIR_RESULT_INIT;
}

void repairer_note(struct repairer *repairer, const char *name)
{
	struct strvec *packages = &repairer->result->packages;
	autofree char *clean = text_clean(name);

	repairer->result->repaired = true;
	if (packages->count < NOTED_MAX && !strvec_contains(packages, clean))
		strvec_push(packages, clean);
}

void repairer_choose(struct repairer *repairer, const bool *wanted, struct difference *ret)
{
	const struct difference *all = &repairer->job->redo->difference;

	ret->changes = xcalloc(all->count + 1, sizeof(*ret->changes));
	for (size_t i = 0; i < all->count; i++)
		if (wanted[i])
			ret->changes[ret->count++] = all->changes[i];
}

int repair_packages(const struct repair_job *job, struct repair_result *ret, struct error *err)
{
	static const struct plan no_plan;
	static const struct difference nothing;
	struct apply_result applied = APPLY_RESULT_INIT;
	struct apply_job change = {
		.host = job->host,
		.ctid = job->ctid,
		.template = job->template,
		.plan = job->redo ? job->redo->plan : &no_plan,
		.difference = &nothing,
		.share = job->share,
		.erase_config = job->redo && job->redo->purge,
		.time_limit_s = job->time_limit_s,
		.lock_timeout_s = job->lock_timeout_s,
		.skip_lock = job->skip_lock,
	};
	AUTO(applier_release) struct applier applier = { .job = &change, .result = &applied };
	struct repairer repairer = {
		.job = job,
		.result = ret,
		.applier = &applier,
		.change = &change,
	};

	*ret = REPAIR_RESULT_INIT;
	/* rpm itself does not know what it has not come to. */
	if (job->template->format == PACKAGE_RPM && !job->redo)
		return 0;
	int status = applier_open(&applier, err);
	if (status == 0)
		status = job->template->format == PACKAGE_DEB ? repair_deb(&repairer, err)
							      : repair_rpm(&repairer, err);
	apply_result_release(&applied);
	if (status < 0)
		return -1;
	if (job->redo && job->manager)
		job->manager(true, job->data);
	return visit_close(steal_ptr(applier.visit), err);
}
