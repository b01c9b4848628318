/*
 * Scripts of application templates that run on the host (pre-install-hn …). They are root there, so vzpkg.conf has to allow them; what
 * they learn of a VE is its number and its name, and never a path into it, where its tenant could have put anything.
 */
#pragma once

#include "base/error.h"
#include "base/strbuf.h"
#include "vzpkg/application.h"

struct application_host_run {
	const struct application *application;
	enum template_script kind;
	unsigned ctid;
	const char *ve_name; /* NULL: none */
	unsigned limit_s; /* 0: 1800 */
};

/*
 * Runs it, if there is one and it is allowed, with PATH, VEID and NAME as its environment and "/" as its folder; appends what it
 * prints to `output`. ERROR_INSTALL if it fails, with the end of what it printed; ERROR_TIME_LIMIT; ERROR_EXEC.
 */
int application_host_run(const struct application_host_run *run, struct strbuf *output,
			 struct error *err);
