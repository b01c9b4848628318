/* The limits of a VE's traffic (NETRATE), on the host. */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"

/* For a VE whose devices are there: limits all of them, or not any more; the state file is written before anything is made. ERROR_NETWORK, … */
int rates_attach(const struct host_config *host, const struct ve_config *config,
		 struct ve_state *state, struct error *err);

/* Takes away what is left when the VE's devices are gone. */
int rates_remove(const struct ve_state *state, struct error *err);
