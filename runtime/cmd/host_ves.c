#include "runtime/cmd/host_ves.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"
#include "runtime/config/was_running.h"

static bool runs(const struct host_config *host, unsigned ctid)
{
	AUTO(ve_state_release) struct ve_state state = VE_STATE_INIT;
	return ve_state_load(host, ctid, &state, NULL) == 0 &&
	       ve_process_alive(&state, &state.init);
}

/* One with a mistake in its configuration is tried, so that somebody is told. */
static bool comes_up(const struct host_config *host, const struct ve_config *config, bool known)
{
	if (runs(host, config->ctid))
		return false;
	if (!known)
		return true;
	return !config->disabled &&
	       (config->onboot == ONBOOT_YES ||
		(config->onboot == ONBOOT_AUTO && was_running(host, config->ctid)));
}

static int earlier_first(const void *a, const void *b)
{
	const struct ve_choice *x = a, *y = b;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return (x->ctid > y->ctid) - (x->ctid < y->ctid);
}

int host_ves(const struct host_config *host, bool start, struct ve_selection *ret,
	     struct error *err)
{
	autofree unsigned *ctids = NULL;
	size_t count;
	if (ctid_list(host, &ctids, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
		bool known = ve_config_load(host, ctids[i], &config, NULL) == 0;
		config.ctid = ctids[i];
		if (!(start ? comes_up(host, &config, known) : runs(host, ctids[i])))
			continue;
		ve_selection_add(ret, ctids[i], NULL);
		ret->items[ret->count - 1].order = start ? -config.bootorder : config.bootorder;
	}
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), earlier_first);
	return 0;
}
