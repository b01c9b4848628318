#include "vzpkg/fleet/repair.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "runtime/access/visit.h"

enum { LINES = 5 };

static const char lock[] = "/var/lib/dpkg/lock-frontend";

static int configure(struct visit *visit, const struct repair_job *job, struct error *err)
{
	static const char *const argv[] = {
		"dpkg", "--configure", "-a", "--force-confdef", "--force-confold", NULL
	};
	static const char *const env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
					   "/sbin:/bin",
					   "HOME=/root",
					   "TERM=dumb",
					   "LANG=C.UTF-8",
					   "DEBIAN_FRONTEND=noninteractive",
					   "DPKG_FRONTEND_LOCKED=1",
					   NULL };
	const struct ve_command command = {
		.argv = argv,
		.env = env,
		.script = -1,
		.input = -1,
		.time_limit_s = job->time_limit_s,
	};
	struct ve_result result = { 0 };

	int ret = visit_run(visit, &command, &result, err);
	if (ret == 0 && result.status != 0) {
		autofree char *tail = text_tail(result.output, LINES);
		autofree char *clean = text_clean(tail);
		ret = error_set(err, ERROR_INSTALL, "dpkg --configure -a failed%s", clean);
	}
	free(result.output);
	return ret;
}

int repair_packages(const struct repair_job *job, struct error *err)
{
	const struct visit_spec spec = {
		.host = job->host,
		.ctid = job->ctid,
		.timeout_s = job->lock_timeout_s,
	};
	AUTO(visit_freep) struct visit *visit = NULL;

	if (job->template->format != PACKAGE_DEB)
		return 0;
	if (visit_open(&spec, &visit, err) < 0 ||
	    visit_hold(visit, lock, job->lock_timeout_s, err) < 0 || configure(visit, job, err) < 0)
		return -1;
	return visit_close(steal_ptr(visit), err);
}
