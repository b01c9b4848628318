#include "runtime/life/neighbours.h"

#include "base/cleanup.h"
#include "runtime/net/neighbour.h"

static int load(const struct host_config *host, struct neighbour_devs *devs, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	const char *text = conf_get_default(&host->conf, "NEIGHBOUR_DEVS", "detect");
	if (neighbour_devs_parse(text, devs, &why) == 0)
		return 0;
	error_set(err, ERROR_PARSE, "%s: NEIGHBOUR_DEVS=\"%s\": %s", host->conf.path, text,
		  why.message);
	return error_hint(err, "correct that line");
}

static int remove_unwanted(const struct ve_state *state, const struct strvec *wanted,
			   struct error *err)
{
	for (size_t i = 0; i < state->neighbours.count; i++)
		if (!strvec_contains(wanted, state->neighbours.items[i]) &&
		    neighbour_remove(state->neighbours.items[i], err) < 0)
			return -1;
	return 0;
}

/* Those that this VE has already, and those that nobody has. */
static void choose(const struct ve_state *state, const struct strvec *wanted,
		   const struct strvec *there, struct strvec *ret)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (!strvec_contains(there, wanted->items[i]) ||
		    strvec_contains(&state->neighbours, wanted->items[i]))
			strvec_push(ret, wanted->items[i]);
}

int neighbours_attach(const struct host_config *host, const struct ve_config *config,
		      struct ve_state *state, struct report *report, struct error *err)
{
	AUTO(neighbour_devs_release) struct neighbour_devs devs = NEIGHBOUR_DEVS_INIT;
	AUTO(strvec_release) struct strvec wanted = STRVEC_INIT, there = STRVEC_INIT;
	struct strvec chosen = STRVEC_INIT;
	if (load(host, &devs, err) < 0 ||
	    neighbour_find(&devs, config->addresses, config->address_count, &wanted, err) < 0 ||
	    neighbour_list(&there, err) < 0 || remove_unwanted(state, &wanted, err) < 0)
		return -1;
	choose(state, &wanted, &there, &chosen);
	strvec_release(&state->neighbours);
	state->neighbours = chosen;
	if (ve_state_save(host, config->ctid, state, err) < 0)
		return -1;
	for (size_t i = 0; i < chosen.count; i++) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		if (!strvec_contains(&there, chosen.items[i]) &&
		    neighbour_add(chosen.items[i], &why) < 0)
			report_warning(report, chosen.items[i], "%s", why.message);
	}
	return 0;
}

int neighbours_remove(const struct ve_state *state, struct error *err)
{
	static const struct strvec none = { 0 };
	return remove_unwanted(state, &none, err);
}
