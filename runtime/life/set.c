#include <arpa/inet.h>
#include <ctype.h>
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
#include "runtime/life/cleanup.h"
#include "runtime/life/life.h"
#include "runtime/life/monitor.h"
#include "runtime/life/network.h"
#include "runtime/life/running.h"

enum { HOSTNAME_LENGTH_MAX = 64 };

/* ---- what it will be ---------------------------------------------------------------------------------- */

static size_t find(const struct ve_config *config, const struct address *address)
{
	size_t i = 0;
	while (i < config->address_count && !address_equal(&config->addresses[i], address))
		i++;
	return i;
}

static int delete_addresses(const struct life *life, struct ve_config *config,
			    const struct strvec *words, struct error *err)
{
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

/* hostname(7): labels of letters, digits and "-", with dots between. */
static int check_hostname(const char *name, struct error *err)
{
	size_t length = strlen(name);
	bool good = length > 0 && length <= HOSTNAME_LENGTH_MAX;
	for (const char *label = name; good && label; label = strchr(label, '.')) {
		label += *label == '.';
		size_t size = strcspn(label, ".");
		good = size > 0 && label[0] != '-' && label[size - 1] != '-';
		for (size_t i = 0; i < size; i++)
			good &= isalnum((unsigned char)label[i]) || label[i] == '-';
	}
	if (good)
		return 0;
	error_set(err, ERROR_VALUE, "\"%s\" cannot be a host name", name);
	return error_hint(err, "it has labels of letters, digits and \"-\" with dots between");
}

static void replace_words(struct strvec *words, bool *is_set, const struct strvec *with)
{
	if (!with)
		return;
	strvec_release(words);
	*words = STRVEC_INIT;
	for (size_t i = 0; i < with->count; i++)
		strvec_push(words, with->items[i]);
	*is_set = true;
}

static int check_server(const char *word, struct error *err)
{
	unsigned char bytes[16];
	if (inet_pton(AF_INET, word, bytes) == 1 || inet_pton(AF_INET6, word, bytes) == 1)
		return 0;
	error_set(err, ERROR_VALUE, "\"%s\" is not the address of a name server", word);
	return error_hint(err, "give an IP address, or \"inherit\" for those of the host");
}

static bool inherits(const struct strvec *words)
{
	return words && words->count == 1 && !strcmp(words->items[0], "inherit");
}

static int check_servers(const struct strvec *words, struct error *err)
{
	for (size_t i = 0; words && !inherits(words) && i < words->count; i++)
		if (check_server(words->items[i], err) < 0)
			return -1;
	return 0;
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

static int change(const struct life *life, const struct life_set *set, struct ve_config *config,
		  struct error *err)
{
	if (delete_addresses(life, config, set->ip_del, err) < 0 ||
	    add_addresses(config, set->ip_add, err) < 0 ||
	    check_own_name(life, set->name, err) < 0 || check_servers(set->nameservers, err) < 0 ||
	    (set->hostname && check_hostname(set->hostname, err) < 0))
		return -1;
	if (set->onboot && strcmp(set->onboot, "yes") != 0 && strcmp(set->onboot, "no") != 0)
		return error_set(err, ERROR_VALUE, "--onboot is yes or no, and not \"%s\"",
				 set->onboot);
	if (set->hostname) {
		free(config->hostname);
		config->hostname = xstrdup(set->hostname);
	}
	/* Those of the host are read when the configuration is loaded. */
	replace_words(&config->nameservers, &config->nameservers_set,
		      inherits(set->nameservers) ? NULL : set->nameservers);
	replace_words(&config->searchdomains, &config->searchdomains_set, set->searchdomains);
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

static int apply(const struct life *life, const struct life_set *set, struct held *held,
		 struct error *err)
{
	AUTO(running_release) struct running running = { .pidfd = -1 };
	struct applying applying = {
		.config = &held->config,
		.set = set,
		.network = set->ip_add || set->ip_del,
	};
	if (applying.network &&
	    network_attach(life->host, &held->config, &held->state, life->report, err) < 0)
		return -1;
	if (running_open(life->host, life->ctid, &running, err) < 0 ||
	    monitor_ensure(life->host, life->ctid, &running, err) < 0)
		return -1;
	return running_call(&running, apply_inside, &applying, NULL, 0, err);
}

/* ---- in its configuration ---------------------------------------------------------------------------------- */

static char *join_addresses(const struct ve_config *config)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	for (size_t i = 0; i < config->address_count; i++) {
		autofree char *one = address_text(&config->addresses[i]);
		strbuf_addf(&text, "%s%s", i ? " " : "", one);
	}
	return strbuf_detach(&text);
}

static char *join(const struct strvec *words)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	for (size_t i = 0; words && i < words->count; i++)
		strbuf_addf(&text, "%s%s", i ? " " : "", words->items[i]);
	return strbuf_detach(&text);
}

static int save(const struct life *life, const struct life_set *set, const struct held *held,
		struct error *err)
{
	struct conf_change changes[8];
	size_t count = 0;
	autofree char *addresses = join_addresses(&held->config);
	autofree char *servers = join(set->nameservers), *domains = join(set->searchdomains);
	if (set->ip_add || set->ip_del)
		changes[count++] = (struct conf_change){ "IP_ADDRESS", addresses };
	if (set->nameservers)
		changes[count++] = (struct conf_change){ "NAMESERVER", servers };
	if (set->searchdomains)
		changes[count++] = (struct conf_change){ "SEARCHDOMAIN", domains };
	if (set->hostname)
		changes[count++] = (struct conf_change){ "HOSTNAME", set->hostname };
	if (set->name) /* an empty one takes it away */
		changes[count++] = (struct conf_change){ "NAME", *set->name ? set->name : NULL };
	if (set->onboot)
		changes[count++] = (struct conf_change){ "ONBOOT", set->onboot };
	autofree char *path = ve_config_path(life->host, life->ctid);
	cleanup_temporary(life->host, life->ctid);
	if (conf_edit(AT_FDCWD, path, changes, count, err) == 0)
		return 0;
	err->kind = ERROR_SAVE;
	return error_wrap(err, "saving %s", path);
}

static int set_held(const struct life *life, const struct life_set *set, struct held *held,
		    struct error *err)
{
	bool running = held->state.phase == VE_RUNNING;
	if (change(life, set, &held->config, err) < 0)
		return -1;
	if (!running && set->ip_add &&
	    network_check_free(held->config.addresses, held->config.address_count, NULL, err) < 0)
		return -1;
	if (running && apply(life, set, held, err) < 0)
		return -1;
	if (set->save)
		return save(life, set, held, err);
	report_warning(life->report, NULL,
		       running ? "this holds until the VE %u stops; --save keeps it"
			       : "the VE %u does not run, so nothing was changed; --save sets it",
		       life->ctid);
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
