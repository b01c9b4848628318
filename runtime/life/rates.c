#include "runtime/life/rates.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/net/rate.h"

static const enum classifier_way ways[] = { FROM_VE, TO_VE };

/* By the number of its init, which no other VE of this host has, be it of another installation. */
static char *shaper_name(const struct ve_state *state, enum classifier_way way)
{
	return xasprintf("vz%s%d", way == FROM_VE ? "from" : "to", state->init.pid);
}

static int set_way(int socket, const struct ve_state *state, enum classifier_way way, uint64_t kbit,
		   struct error *err)
{
	AUTO(strvec_release) struct strvec devices = STRVEC_INIT;
	autofree char *shaper = shaper_name(state, way);
	if (ve_state_devices(state, &devices, err) < 0 ||
	    (kbit && rate_limit(socket, shaper, kbit, err) < 0))
		return -1;
	for (size_t i = 0; i < devices.count; i++)
		if (rate_send(socket, devices.items[i], way, kbit ? shaper : NULL, err) < 0)
			return -1;
	return kbit ? 0 : link_remove(shaper, err);
}

int rates_attach(const struct host_config *host, const struct ve_config *config,
		 struct ve_state *state, struct error *err)
{
	const struct rate *rate = &config->rate;
	bool wanted = rate->from || rate->to;
	if (!wanted && !state->rated)
		return 0;
	autoclose int socket = netlink_open(err);
	if (socket < 0)
		return -1;
	state->rated = true;
	if (ve_state_save(host, config->ctid, state, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (set_way(socket, state, ways[i], ways[i] == FROM_VE ? rate->from : rate->to,
			    err) < 0)
			return -1;
	state->rated = wanted;
	return wanted ? 0 : ve_state_save(host, config->ctid, state, err);
}

int rates_remove(const struct ve_state *state, struct error *err)
{
	for (size_t i = 0; state->rated && i < sizeof(ways) / sizeof(*ways); i++) {
		autofree char *shaper = shaper_name(state, ways[i]);
		if (link_remove(shaper, err) < 0)
			return -1;
	}
	return 0;
}
