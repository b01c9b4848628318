/*
 * What a VE has sent and was sent since the host was booted, over all its starts: the counters of its devices, and, of devices that are
 * gone, LOCKDIR/CTID.traffic.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/strvec.h"
#include "runtime/config/ve_state.h"
#include "runtime/net/traffic.h"

/* Also of a VE that does not run. */
int ve_traffic_read(const struct host_config *host, unsigned ctid, const struct ve_state *state,
		    struct traffic *ret, struct error *err);

/* For the holder of the VE's lock, before these devices go. May be repeated. */
int ve_traffic_keep(const struct host_config *host, unsigned ctid, const struct strvec *devices,
		    struct error *err);

/* Of a VE that is destroyed. */
void ve_traffic_forget(const struct host_config *host, unsigned ctid);
