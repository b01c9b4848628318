#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/conf_edit.h"
#include "base/file.h"
#include "runtime/config/ctid.h"
#include "runtime/config/parameter.h"
#include "runtime/life/cleanup.h"
#include "runtime/life/interfaces.h"
#include "runtime/life/life.h"
#include "runtime/life/limits.h"
#include "runtime/life/monitor.h"
#include "runtime/life/network.h"
#include "runtime/life/quota.h"
#include "runtime/life/rates.h"
#include "runtime/life/running.h"

/* ---- what it will be ---------------------------------------------------------------------------------- */

static size_t find(const struct ve_config *config, const struct address *address)
{
	size_t i = 0;
	while (i < config->address_count && !address_equal(&config->addresses[i], address))
		i++;
	return i;
}

/* As a script gives it whose variable is empty. */
static bool is_nothing(const struct strvec *words, struct error *err)
{
	struct address address;
	return words && !words->count && address_parse("", &address, err) < 0;
}

static int delete_addresses(const struct life *life, struct ve_config *config,
			    const struct strvec *words, struct error *err)
{
	if (is_nothing(words, err))
		return -1;
	for (size_t i = 0; words && i < words->count; i++) {
		struct address address;
		if (!strcmp(words->items[i], "all")) {
			config->address_count = 0;
			continue;
		}
		if (address_parse(words->items[i], &address, err) < 0)
			return -1;
		size_t at = find(config, &address);
		if (at == config->address_count) {
			report_warning(life->report, words->items[i],
				       "the VE %u does not have the address %s", life->ctid,
				       words->items[i]);
			continue;
		}
		config->address_count--;
		memmove(&config->addresses[at], &config->addresses[at + 1],
			(config->address_count - at) * sizeof(*config->addresses));
	}
	return 0;
}

static int add_addresses(struct ve_config *config, const struct strvec *words, struct error *err)
{
	size_t capacity = config->address_count;
	if (is_nothing(words, err))
		return -1;
	for (size_t i = 0; words && i < words->count; i++) {
		struct address address;
		if (address_parse(words->items[i], &address, err) < 0)
			return -1;
		if (find(config, &address) < config->address_count)
			continue;
		config->addresses = xgrow(config->addresses, config->address_count, &capacity,
					  sizeof(*config->addresses));
		config->addresses[config->address_count++] = address;
	}
	return 0;
}

static char *join(const struct strvec *words)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	for (size_t i = 0; i < words->count; i++)
		strbuf_addf(&text, "%s%s", i ? " " : "", words->items[i]);
	return strbuf_detach(&text);
}

static char *join_addresses(const struct ve_config *config)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	for (size_t i = 0; i < config->address_count; i++) {
		autofree char *one = address_text(&config->addresses[i]);
		strbuf_addf(&text, "%s%s", i ? " " : "", one);
	}
	return strbuf_detach(&text);
}

static int check_own_name(const struct life *life, const char *name, struct error *err)
{
	unsigned other;
	if (!name || !*name)
		return 0;
	if (ve_name_check(name, err) < 0)
		return -1;
	if (!ctid_of_name(life->host, name, &other) || other == life->ctid)
		return 0;
	return error_set(err, ERROR_VE_NAME, "the name %s is taken by the VE %u", name, other);
}

static int take(struct conf *changes, const char *key, const char *option, const char *value,
		struct error *err)
{
	if (parameter_check(parameter_find(key), option, value, err) < 0)
		return -1;
	conf_set(changes, key, value);
	return 0;
}

/* What is known of a sample has to be right; the rest is taken over as it is. */
static int take_sample(const struct life *life, const char *name, struct conf *changes,
		       struct error *err)
{
	AUTO(conf_release) struct conf sample = CONF_INIT;
	autofree char *text = NULL, *file = xasprintf("ve-%s.conf-sample", name);
	if (ve_config_sample(life->host, name, &text, err) < 0 ||
	    conf_parse(&sample, file, text, strlen(text), err) < 0)
		return -1;
	for (size_t i = 0; i < sample.count; i++) {
		const struct conf_entry *entry = &sample.entries[i];
		const struct parameter *parameter = parameter_find(entry->key);
		if (parameter && parameter_is_own(parameter))
			continue;
		if (parameter && *entry->value &&
		    parameter_check(parameter, entry->key, entry->value, err) < 0)
			return error_wrap(err, "%s:%u", file, entry->line);
		conf_set(changes, entry->key, entry->value);
	}
	conf_set(changes, "ORIGIN_SAMPLE", name);
	return 0;
}

static int take_words(struct conf *changes, const char *key, const char *option,
		      const struct strvec *words, struct error *err)
{
	if (!words)
		return 0;
	autofree char *text = join(words);
	return take(changes, key, option, text, err);
}

/* Addresses as the VE has them, less those that go and with those that come. */
static int take_addresses(const struct life *life, const struct life_set *set,
			  struct ve_config *config, struct conf *changes, struct error *err)
{
	if (!set->ip_add && !set->ip_del)
		return 0;
	if (delete_addresses(life, config, set->ip_del, err) < 0 ||
	    add_addresses(config, set->ip_add, err) < 0)
		return -1;
	autofree char *text = join_addresses(config);
	conf_set(changes, "IP_ADDRESS", text);
	return 0;
}

static void add_all(struct conf *changes, const struct conf *more)
{
	for (size_t i = 0; more && i < more->count; i++)
		conf_set(changes, more->entries[i].key, more->entries[i].value);
}

/* All that is asked for, as lines of CTID.conf. */
static int plan(const struct life *life, const struct life_set *set, struct held *held,
		struct conf *changes, struct error *err)
{
	struct ve_config *config = &held->config;
	if (set->sample && take_sample(life, set->sample, changes, err) < 0) {
		err->kind = ERROR_SAMPLE;
		return error_wrap(err, "applying the sample \"%s\"", set->sample);
	}
	if (take_addresses(life, set, config, changes, err) < 0 ||
	    interfaces_plan(life, set, config, changes, err) < 0 ||
	    take_words(changes, "NAMESERVER", "--nameserver", set->nameservers, err) < 0 ||
	    take_words(changes, "SEARCHDOMAIN", "--searchdomain", set->searchdomains, err) < 0 ||
	    (set->hostname && take(changes, "HOSTNAME", "--hostname", set->hostname, err) < 0) ||
	    check_own_name(life, set->name, err) < 0)
		return -1;
	if (set->name)
		conf_set(changes, "NAME", set->name);
	if (set->diskspace)
		conf_set(changes, "DISKSPACE", set->diskspace);
	if (set->diskinodes)
		conf_set(changes, "DISKINODES", set->diskinodes);
	if (set->quotaugidlimit)
		conf_set(changes, "QUOTAUGIDLIMIT", set->quotaugidlimit);
	if (quota_plan(life, set, held, changes, err) < 0)
		return -1;
	add_all(changes, set->kept);
	add_all(changes, set->resources);
	return 0;
}

/* ---- in a VE that runs ---------------------------------------------------------------------------------- */

struct applying {
	const struct ve_config *config;
	const struct life_set *set;
	bool network;
};

static int apply_inside(void *data, struct error *err)
{
	const struct applying *applying = data;
	const char *hostname = applying->set->hostname;
	if (hostname && sethostname(hostname, strlen(hostname)) < 0)
		return error_errno(err, errno, "setting the host name %s", hostname);
	if (applying->network && network_configure_inside(applying->config, err) < 0)
		return -1;
	return network_write_guest(applying->config, err);
}

/* Whether there is something to be done inside. */
static bool is_inside(const struct life_set *set, const struct conf *changes)
{
	return set->ip_add || set->ip_del || set->hostname || conf_get(changes, "NAMESERVER") ||
	       conf_get(changes, "SEARCHDOMAIN");
}

/* What there is of it on the host. A device that has come is limited, too. */
static int attach(const struct life *life, const struct applying *applying,
		  const struct conf *changes, struct held *held, struct error *err)
{
	bool interfaces = conf_get(changes, "NETIF");
	if (applying->network &&
	    network_attach(life->host, &held->config, &held->state, life->report, err) < 0)
		return -1;
	if (interfaces &&
	    interfaces_attach(life->host, &held->config, &held->state, life->report, err) < 0)
		return -1;
	if (!applying->network && !interfaces && !conf_get(changes, "NETRATE"))
		return 0;
	return rates_attach(life->host, &held->config, &held->state, err);
}

/* Without going into the VE if only its limits change: one that has as many processes as it may cannot be gone into. */
static int apply(const struct life *life, const struct life_set *set, const struct conf *changes,
		 struct held *held, struct error *err)
{
	AUTO(running_release) struct running running = { .pidfd = -1 };
	struct applying applying = {
		.config = &held->config,
		.set = set,
		.network = set->ip_add || set->ip_del,
	};
	if (held->state.suspended && is_inside(set, changes)) {
		error_set(err, ERROR_SUSPENDED, "the VE %u is suspended", life->ctid);
		return error_hint(err, "this is set inside it: \"vzctl resume %u\" first",
				  life->ctid);
	}
	if ((limits_are_in(changes) || set->reset_resources) &&
	    limits_change(life, held, changes, set->reset_resources, err) < 0)
		return -1;
	if (attach(life, &applying, changes, held, err) < 0)
		return -1;
	if (!is_inside(set, changes))
		return 0;
	if (running_open(life->host, life->ctid, &running, err) < 0 ||
	    monitor_ensure(life->host, life->ctid, &running, err) < 0)
		return -1;
	return running_call(&running, apply_inside, &applying, NULL, 0, err);
}

/* ---- in its configuration ---------------------------------------------------------------------------------- */

static int save(const struct life *life, const struct conf *changes, struct error *err)
{
	autofree struct conf_change *lines = xcalloc(changes->count + 1, sizeof(*lines));
	autofree char *path = ve_config_path(life->host, life->ctid);
	for (size_t i = 0; i < changes->count; i++) {
		const char *value = changes->entries[i].value;
		lines[i] = (struct conf_change){ changes->entries[i].key, *value ? value : NULL };
	}
	cleanup_temporary(life->host, life->ctid);
	if (conf_edit(AT_FDCWD, path, lines, changes->count, err) == 0)
		return 0;
	err->kind = ERROR_SAVE;
	return error_wrap(err, "saving %s", path);
}

/* Whether there is something to be done in a VE that runs. */
static bool is_live(const struct life_set *set, const struct conf *changes)
{
	return is_inside(set, changes) || conf_get(changes, "NETIF") ||
	       conf_get(changes, "NETRATE") || limits_are_in(changes) || set->reset_resources;
}

static void warn_unsaved(const struct life *life, bool running, bool live)
{
	if (!running || !live)
		report_warning(life->report, NULL, "%s, so nothing was changed; --save sets it",
			       running ? "this is said in the VE's configuration alone"
				       : "the VE does not run");
	else
		report_warning(life->report, NULL,
			       "this holds until the VE %u stops; --save keeps it", life->ctid);
}

/* Init passes it on to what it starts; no process's can be changed from outside. */
static void note_next_start(const struct life *life, bool running, const struct conf *changes)
{
	const char *merge = conf_get(changes, "MERGE_MEMORY");
	if (running && merge)
		report_info(life->report,
			    "VE %u runs: --merge-memory %s holds from its next start on",
			    life->ctid, merge);
}

static bool has_quotas(const struct life_set *set)
{
	return set->quotas[QUOTA_USER] || set->quotas[QUOTA_GROUP];
}

static int set_held(const struct life *life, const struct life_set *set, struct held *held,
		    struct error *err)
{
	AUTO(conf_release) struct conf changes = CONF_INIT;
	bool running = held->state.phase == VE_RUNNING;
	if (plan(life, set, held, &changes, err) < 0 ||
	    ve_config_change(life->host, &held->config, &changes, err) < 0)
		return -1;
	if (!running && set->ip_add &&
	    network_check_free(held->config.addresses, held->config.address_count, NULL, err) < 0)
		return -1;
	if (!running && conf_get(&changes, "NETIF") &&
	    interfaces_check(&held->config, life->report, err) < 0)
		return -1;
	if (!running && limits_check(&changes, err) < 0)
		return -1;
	bool live = is_live(set, &changes);
	if (disk_set_held(life, set, &changes, held, err) < 0 ||
	    quota_set_held(life, set, held, &changes, err) < 0 ||
	    (running && live && apply(life, set, &changes, held, err) < 0))
		return -1;
	limits_explain(life, set->resources);
	if (!set->save) {
		warn_unsaved(life, running,
			     live || set->diskspace || set->diskinodes || has_quotas(set));
		return 0;
	}
	if (save(life, &changes, err) < 0)
		return -1;
	note_next_start(life, running, &changes);
	return 0;
}

int life_set(const struct life *life, const struct life_set *set, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	AUTO(lock_release) struct lock names = LOCK_INIT;
	if (held_take(life, true, &held, err) < 0)
		return -1;
	if (set->name) {
		autoclose int dir = dir_open(AT_FDCWD, life->host->lock_dir, true, 0755, err);
		if (dir < 0 || lock_take(&names, dir, "names.lck", LOCK_EXCLUSIVE, life->timeout_s,
					 NULL, NULL, err) < 0)
			return -1;
	}
	return set_held(life, set, &held, err);
}
