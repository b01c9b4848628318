/* Whether a VE is up: whether its init has done all that it does when it starts. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "base/strvec.h"

struct ready {
	const char *init; /* what it is, as life/init_kind.h calls it */
	struct strvec failed; /* units of systemd; as the VE says it, so not to be shown as it is */
};

#define READY_INIT ((struct ready){ .failed = STRVEC_INIT })

/*
 * Waits until a VE that was started is up. ERROR_TIME_LIMIT if it is not within `limit_s` seconds, with what it is
 * waiting for; ERROR_NOT_RUNNING if it ended; both with the end of its console. ERROR_CHILD if its init says that it has
 * failed.
 */
int ready_wait(const struct host_config *host, unsigned ctid, unsigned limit_s,
	       struct report *report, struct ready *ret, struct error *err);
void ready_release(struct ready *ready);

/* ---- how inits show it; for ready.c and its test ------------------------------------------------------------ */

/* A child of init, by its command line as one text, is what runs the scripts of a boot. */
bool ready_is_boot_script(const char *command_line);

/* A command line of init as sysvinit writes it over its own, or what runlevel(8) prints, says that a runlevel has begun. */
bool ready_sysvinit_level(const char *command_line);
bool ready_runlevel(const char *printed);
