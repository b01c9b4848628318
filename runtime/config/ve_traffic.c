#include "runtime/config/ve_traffic.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/file.h"
#include "base/strbuf.h"

struct kept {
	struct traffic traffic;
	struct strvec
		devices; /* numbers of those that are in it, of which some may still be there */
};

static void kept_release(struct kept *kept)
{
	strvec_release(&kept->devices);
}

static uint64_t number(const struct conf *conf, const char *key)
{
	return strtoull(conf_get_default(conf, key, "0"), NULL, 10);
}

static int load(const struct host_config *host, unsigned ctid, struct kept *ret, struct error *err)
{
	AUTO(conf_release) struct conf conf = CONF_INIT;
	autofree char *path = xasprintf("%s/%u.traffic", host->lock_dir, ctid);
	autofree char *boot = ve_state_boot();
	*ret = (struct kept){ .devices = STRVEC_INIT };
	if (conf_read(&conf, AT_FDCWD, path, true, err) < 0)
		return -1;
	if (strcmp(conf_get_default(&conf, "BOOT", ""), boot) != 0)
		return 0;
	ret->traffic = (struct traffic){
		.in_bytes = number(&conf, "IN_BYTES"),
		.in_packets = number(&conf, "IN_PACKETS"),
		.out_bytes = number(&conf, "OUT_BYTES"),
		.out_packets = number(&conf, "OUT_PACKETS"),
	};
	strvec_split(&ret->devices, conf_get_default(&conf, "DEVICES", ""));
	return 0;
}

static int save(const struct host_config *host, unsigned ctid, const struct kept *kept,
		struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	const struct traffic *traffic = &kept->traffic;
	autofree char *name = xasprintf("%u.traffic", ctid), *boot = ve_state_boot();
	autoclose int dir = dir_open(AT_FDCWD, host->lock_dir, true, 0755, err);
	if (dir < 0)
		return -1;
	strbuf_addf(&text,
		    "BOOT=%s\nIN_BYTES=%" PRIu64 "\nIN_PACKETS=%" PRIu64 "\nOUT_BYTES=%" PRIu64
		    "\nOUT_PACKETS=%" PRIu64 "\nDEVICES='",
		    boot, traffic->in_bytes, traffic->in_packets, traffic->out_bytes,
		    traffic->out_packets);
	for (size_t i = 0; i < kept->devices.count; i++)
		strbuf_addf(&text, "%s%s", i ? " " : "", kept->devices.items[i]);
	strbuf_adds(&text, "'\n");
	return ve_state_replace(dir, name, &text, false, err);
}

/* Adds what is not in it yet. Returns how many devices that were, or -1. */
static int add_devices(const struct strvec *names, struct kept *kept, struct error *err)
{
	int added = 0;
	for (size_t i = 0; i < names->count; i++) {
		struct traffic one;
		int index, found = traffic_read(names->items[i], &one, &index, err);
		if (found < 0)
			return -1;
		autofree char *text = found ? xasprintf("%d", index) : NULL;
		if (!found || strvec_contains(&kept->devices, text))
			continue;
		traffic_add(&kept->traffic, &one);
		strvec_push(&kept->devices, text);
		added++;
	}
	return added;
}

int ve_traffic_read(const struct host_config *host, unsigned ctid, const struct ve_state *state,
		    struct traffic *ret, struct error *err)
{
	AUTO(kept_release) struct kept kept = { .devices = STRVEC_INIT };
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	if (load(host, ctid, &kept, err) < 0 ||
	    (state->this_boot && ve_state_devices(state, &names, err) < 0) ||
	    add_devices(&names, &kept, err) < 0)
		return -1;
	*ret = kept.traffic;
	return 0;
}

/* Devices that were kept before are gone, and their numbers do not come again. */
static void drop_gone(struct strvec *devices)
{
	enum { KEPT = 64 };
	for (; devices->count > KEPT; devices->count--) {
		free(devices->items[0]);
		memmove(devices->items, devices->items + 1,
			(devices->count - 1) * sizeof(*devices->items));
	}
}

int ve_traffic_keep(const struct host_config *host, unsigned ctid, const struct strvec *devices,
		    struct error *err)
{
	AUTO(kept_release) struct kept kept = { .devices = STRVEC_INIT };
	if (load(host, ctid, &kept, err) < 0)
		return -1;
	int added = add_devices(devices, &kept, err);
	if (added <= 0)
		return added;
	drop_gone(&kept.devices);
	return save(host, ctid, &kept, err);
}

void ve_traffic_forget(const struct host_config *host, unsigned ctid)
{
	autofree char *path = xasprintf("%s/%u.traffic", host->lock_dir, ctid);
	unlink(path);
}
