/* A VE's bridged interfaces (NETIF), on the host. ERROR_VETH unless said otherwise. */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"
#include "runtime/life/life.h"

/* For a VE whose init is there: makes those that its configuration has and the state file has not, and the other way round; the state
 * file is written before each. What cannot be changed in place is made anew. Nothing is begun if a bridge is missing or a name is taken. */
int interfaces_attach(const struct host_config *host, const struct ve_config *config,
		      struct ve_state *state, struct report *report, struct error *err);

/* For a VE that does not run: ERROR_VETH if a name is taken, a warning if a bridge is not there (yet). */
int interfaces_check(const struct ve_config *config, struct report *report, struct error *err);

/* What "set" asks for, as a line NETIF in `changes`. ERROR_VALUE, ERROR_VETH. */
int interfaces_plan(const struct life *life, const struct life_set *set,
		    const struct ve_config *config, struct conf *changes, struct error *err);
