#include "vzpkg/install/install.h"

#include "vzpkg/install/change.h"
#include "vzpkg/install/clean.h"
#include "vzpkg/install/install_deb.h"
#include "vzpkg/install/install_rpm.h"
#include "vzpkg/install/session.h"

static int change(const struct install_job *job, struct error *err)
{
	bool rpm = job->template->format == PACKAGE_RPM;

	if ((rpm ? change_rpm : change_deb)(job, err) < 0)
		return -1;
	return clean_tree(job->tree, err);
}

int install_apply(const struct install_job *job, struct error *err)
{
	bool rpm = job->template->format == PACKAGE_RPM;

	if (job->difference)
		return change(job, err);
	if (template_script_run(NULL, job, SCRIPT_PRE_CACHE, err) < 0 ||
	    (rpm ? install_rpm : install_deb)(job, err) < 0)
		return -1;
	if (clean_tree(job->tree, err) < 0)
		return -1;
	return template_script_run(NULL, job, SCRIPT_POST_CACHE, err);
}
