/*
 * After a run that was killed while a VE's package manager was at work.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "vzpkg/template.h"

struct repair_job {
	const struct host_config *host;
	unsigned ctid;
	const struct template *template;
	unsigned time_limit_s; /* for its package manager */
	unsigned lock_timeout_s;
};

/*
 * Lets dpkg finish what it had begun ("dpkg --configure -a"). What it was unpacking and was not there before goes away again, for the run to install it
 * once more; a package that was being replaced stays half-installed, and whoever reads the VE says so. rpm needs nothing: what its transaction did before is done, and the next one does the
 * rest. ERROR_INSTALL with the end of what was printed.
 */
int repair_packages(const struct repair_job *job, struct error *err);
