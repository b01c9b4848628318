/* On which devices of the host the kernel answers for a VE's addresses (NEIGHBOUR_DEVS in vz.conf). */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"

/* For a VE whose device is there: brings the entries to what its addresses and the host's devices ask for; the state file is written before
 * anything is made. What somebody else has made is left alone. ERROR_PARSE; what cannot be made is a warning. */
int neighbours_attach(const struct host_config *host, const struct ve_config *config,
		      struct ve_state *state, struct report *report, struct error *err);

/* Takes those away that the state file has. */
int neighbours_remove(const struct ve_state *state, struct error *err);
