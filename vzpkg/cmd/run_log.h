/*
 * The log: a line for each command that has changed something or tried to, with its result. LOG_FILE of vzpkg.conf; by
 * default /var/log/vzpkg.log on a host whose configuration is in the usual place, and none for another one.
 * It is opened for each line, so that it can be rotated at any time.
 */
#pragma once

#include "base/error.h"
#include "vzpkg/app.h"

struct run_log {
	const char *command; /* its name */
	const struct strvec *operands;
	int status; /* exit status */
	double seconds;
	const struct error *err; /* NULL for a success */
};

/* Says nothing of what cannot be written: the log is not what anybody came for. */
void run_log(const struct app *app, const struct run_log *run);
