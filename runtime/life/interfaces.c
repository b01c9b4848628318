#include "runtime/life/interfaces.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/config/ve_traffic.h"
#include "runtime/life/network.h"
#include "runtime/net/veth.h"

/* ---- of a VE that runs ---------------------------------------------------------------------------- */

/* While the VE's devices are brought to what is wanted. */
struct work {
	const struct host_config *host;
	unsigned ctid;
	struct ve_state *state;
	struct report *report;
	struct netifs there;
	int netns;
};

static void work_release(struct work *work)
{
	netifs_release(&work->there);
	if (work->netns >= 0)
		close(work->netns);
}

static int record(struct work *work, struct error *err)
{
	free(work->state->netifs);
	work->state->netifs = work->there.count ? netifs_text(&work->there) : NULL;
	return ve_state_save(work->host, work->ctid, work->state, err);
}

/* The VE's own end would have to be changed from inside, or be down. */
static bool needs_another(const struct netif *there, const struct netif *wanted)
{
	return strcmp(there->host_ifname, wanted->host_ifname) != 0 ||
	       memcmp(there->mac, wanted->mac, sizeof(there->mac)) != 0;
}

static int check_all(const struct work *work, const struct netifs *wanted, struct error *err)
{
	for (size_t i = 0; i < wanted->count; i++) {
		const struct netif *one = &wanted->items[i];
		const struct netif *there = netifs_find(&work->there, one->ifname);
		bool is_new = !there || strcmp(there->host_ifname, one->host_ifname) != 0;
		if (veth_check(one, is_new, err) < 0)
			return -1;
	}
	return 0;
}

static int remove_one(struct work *work, const struct netif *one, struct error *err)
{
	const struct netif gone = *one;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	strvec_push(&names, gone.host_ifname);
	if (ve_traffic_keep(work->host, work->ctid, &names, err) < 0 ||
	    link_remove(gone.host_ifname, err) < 0)
		return -1;
	netifs_remove(&work->there, gone.ifname);
	return record(work, err);
}

static int remove_unwanted(struct work *work, const struct netifs *wanted, struct error *err)
{
	for (size_t i = work->there.count; i-- > 0;) {
		const struct netif *there = &work->there.items[i];
		const struct netif *other = netifs_find(wanted, there->ifname);
		if (other && !needs_another(there, other))
			continue;
		if (other)
			report_warning(work->report, NULL,
				       "the interface %s is made anew: what the VE has set of it "
				       "is gone",
				       there->ifname);
		if (remove_one(work, there, err) < 0)
			return -1;
	}
	return 0;
}

static int bring(struct work *work, const struct netif *wanted, struct error *err)
{
	struct netif *there = netifs_find(&work->there, wanted->ifname);
	if (there && netif_equal(there, wanted))
		return 0;
	if (there) {
		*there = *wanted;
		return veth_set(wanted, err) < 0 ? -1 : record(work, err);
	}
	netifs_add(&work->there, wanted);
	if (record(work, err) < 0)
		return -1;
	if (veth_create(wanted, work->netns, err) == 0)
		return 0;
	netifs_remove(&work->there, wanted->ifname);
	record(work, NULL);
	return -1;
}

int interfaces_attach(const struct host_config *host, const struct ve_config *config,
		      struct ve_state *state, struct report *report, struct error *err)
{
	AUTO(work_release)
	struct work work = {
		.host = host,
		.ctid = config->ctid,
		.state = state,
		.report = report,
		.netns = -1,
	};
	const struct netifs *wanted = &config->netifs;
	if (!wanted->count && !state->netifs)
		return 0;
	work.netns = network_namespace(state, err);
	if (work.netns < 0 || netifs_parse(state->netifs ?: "", &work.there, err) < 0 ||
	    check_all(&work, wanted, err) < 0 || remove_unwanted(&work, wanted, err) < 0)
		return -1;
	for (size_t i = 0; i < wanted->count; i++)
		if (bring(&work, &wanted->items[i], err) < 0)
			return -1;
	return 0;
}

int interfaces_check(const struct ve_config *config, struct report *report, struct error *err)
{
	for (size_t i = 0; i < config->netifs.count; i++) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		struct netif one = config->netifs.items[i];
		if (veth_check(&one, false, &why) < 0)
			report_warning(report, one.bridge, "%s; the VE cannot be started so",
				       why.message);
		*one.bridge = 0;
		if (veth_check(&one, true, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- what they will be ---------------------------------------------------------------------------- */

static int missing(const struct life *life, const char *ifname, struct error *err)
{
	error_set(err, ERROR_VETH, "the VE %u has no interface \"%s\"", life->ctid, ifname);
	return error_hint(err, "--netif_add %s gives it one", ifname);
}

static int plan_delete(const struct life *life, const struct strvec *words, struct netifs *netifs,
		       struct error *err)
{
	for (size_t i = 0; words && i < words->count; i++) {
		const char *word = words->items[i];
		if (!strcmp(word, "all"))
			netifs->count = 0;
		else if (!netifs_find(netifs, word))
			return missing(life, word, err);
		netifs_remove(netifs, word);
	}
	return 0;
}

static int plan_add(const struct life *life, const struct strvec *words, struct netifs *netifs,
		    struct error *err)
{
	for (size_t i = 0; words && i < words->count; i++) {
		struct netif one;
		if (netif_parse(words->items[i], &one, err) < 0)
			return -1;
		if (netifs_find(netifs, one.ifname)) {
			error_set(err, ERROR_VETH, "the VE %u has an interface %s already",
				  life->ctid, one.ifname);
			return error_hint(err, "--ifname %s with --bridge, --mac … changes it",
					  one.ifname);
		}
		netifs_add(netifs, &one);
	}
	return 0;
}

static bool is_given(const struct conf *settings)
{
	return settings && settings->count;
}

static int plan_change(const struct life *life, const char *ifname, const struct conf *settings,
		       struct netifs *netifs, struct error *err)
{
	struct netif *one = ifname ? netifs_find(netifs, ifname) : NULL;
	if (!is_given(settings))
		return 0;
	if (!ifname) {
		error_set(err, ERROR_USAGE, "--%s does not say of which interface",
			  settings->entries[0].key);
		return error_hint(err, "say it by --ifname");
	}
	if (!one)
		return missing(life, ifname, err);
	for (size_t i = 0; i < settings->count; i++)
		if (netif_set(one, settings->entries[i].key, settings->entries[i].value, err) < 0)
			return error_wrap(err, "the interface %s", ifname);
	return 0;
}

/* Also sees to it that names on the host differ. */
static int settle(const struct life *life, struct netifs *netifs, struct conf *changes,
		  struct error *err)
{
	struct netifs settled;
	netifs_complete(netifs, life->ctid, life->host->ve_confdir);
	autofree char *text = netifs_text(netifs);
	if (netifs_parse(text, &settled, err) < 0)
		return -1;
	netifs_release(&settled);
	conf_set(changes, "NETIF", text);
	return 0;
}

int interfaces_plan(const struct life *life, const struct life_set *set,
		    const struct ve_config *config, struct conf *changes, struct error *err)
{
	struct netifs netifs = NETIFS_INIT;
	if (!set->netif_add && !set->netif_del && !is_given(set->netif_settings))
		return 0;
	for (size_t i = 0; i < config->netifs.count; i++)
		netifs_add(&netifs, &config->netifs.items[i]);
	int result = plan_delete(life, set->netif_del, &netifs, err);
	if (result == 0)
		result = plan_add(life, set->netif_add, &netifs, err);
	if (result == 0)
		result = plan_change(life, set->ifname, set->netif_settings, &netifs, err);
	if (result == 0)
		result = settle(life, &netifs, changes, err);
	netifs_release(&netifs);
	return result;
}
