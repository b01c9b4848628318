/* A VE's addresses: on the host, in its kernel device, in its own files. */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"

/* On the host, for a VE whose init is there: creates its device if it has addresses and none yet, sets routes. What it
 * makes is in the state file before it is made. ERROR_ADDRESS_USED, ERROR_NETWORK. */
int network_attach(const struct host_config *host, const struct ve_config *config,
		   struct ve_state *state, struct report *report, struct error *err);

/* While a VE is written to disk its device is down: what came for sockets that are not there would be refused, and end connections. Nothing is
 * done for one without a device. */
int network_down(const struct ve_state *state, struct error *err);
int network_up(const struct host_config *host, const struct ve_config *config,
	       struct ve_state *state, struct error *err);

/* A descriptor of the network namespace of a VE whose init is there. */
int network_namespace(const struct ve_state *state, struct error *err);
int network_namespace_of(const struct ve_process *init, struct error *err);

/* In the VE, as its root: lo, and venet0 if there are addresses. */
int network_configure_inside(const struct ve_config *config, struct error *err);

/* In the VE, as its root: its own files. ERROR_GUEST. */
int network_write_guest(const struct ve_config *config, struct error *err);

/* ERROR_ADDRESS_USED if an address in `from`… is the host's, or another VE's that runs. `device` is this VE's own, or NULL. */
int network_check_free(const struct address *addresses, size_t count, const char *device,
		       struct error *err);
