/*
 * What is set for one VE: VE_CONFDIR/CTID.conf, which wins over the global file, which wins over the
 * defaults. Keys are OpenVZ's (vz.conf(5)), and VE_LAYER: the SHA-256 of the tarball whose layer the VE
 * stands on.
 */
#pragma once

#include <stdbool.h>

#include "base/conf.h"
#include "base/error.h"
#include "base/host.h"
#include "base/strvec.h"
#include "runtime/net/address.h"
#include "runtime/net/netif.h"
#include "runtime/net/rate.h"

enum ve_layout {
	VE_LAYOUT_OVERLAY, /* upper and work over a layer that is shared */
	VE_LAYOUT_SIMFS, /* a tree of its own, ids mapped by its mount */
};

enum ve_onboot {
	ONBOOT_NO,
	ONBOOT_YES,
	ONBOOT_AUTO, /* if it ran when the host went down: was_running.h */
};

struct ve_config {
	unsigned ctid;
	struct conf conf; /* CTID.conf alone */
	char *name, *hostname, *ostemplate; /* NULL: not set */
	enum ve_layout layout;
	char *layer; /* hexadecimal; NULL for simfs */
	char *private_area, *root; /* absolute; $VEID is expanded */
	struct address *addresses;
	size_t address_count;
	struct netifs netifs; /* complete */
	struct rate rate; /* NETRATE: of all its traffic */
	struct strvec nameservers, searchdomains; /* NAMESERVER="inherit": the host's */
	bool nameservers_set, searchdomains_set;
	enum ve_onboot onboot;
	long bootorder; /* -1: not set, or no number */
	bool disabled;
	bool merge_memory; /* MERGE_MEMORY: equal pages of its processes are kept once */
	bool bundled_init; /* BUNDLED_INIT: vzinit is its PID 1 if it has no init of its own */
	unsigned stop_timeout_s, action_timeout_s; /* of an action script; 0: none */
	unsigned ids_base; /* LOCAL_UID: the ids of its root on the host; 0: any free block */
	bool ids_shifted; /* its files have these ids on disk; see area/private.h */
};

#define VE_CONFIG_INIT ((struct ve_config){ .conf = CONF_INIT })

/* ERROR_NO_VE without a file, ERROR_PARSE with file and line. */
int ve_config_load(const struct host_config *host, unsigned ctid, struct ve_config *ret,
		   struct error *err);
void ve_config_release(struct ve_config *config);

/* As if its file said so, too: changes win, and one that is "" takes the key away. `config` stays as it was on failure. */
int ve_config_change(const struct host_config *host, struct ve_config *config,
		     const struct conf *changes, struct error *err);

/* What a VE without a file would have; for create. */
int ve_config_defaults(const struct host_config *host, unsigned ctid, struct ve_config *ret,
		       struct error *err);

bool ve_config_exists(const struct host_config *host, unsigned ctid);

/* VE_CONFDIR/CTID.conf; to be freed. */
char *ve_config_path(const struct host_config *host, unsigned ctid);

/* "overlay", "simfs"; ERROR_VALUE for another word. */
int ve_layout_parse(const char *word, enum ve_layout *ret, struct error *err);
const char *ve_layout_name(enum ve_layout layout);

/* Text of a sample (ve-NAME.conf-sample in VE_CONFDIR, or shipped), to begin a CTID.conf with. */
int ve_config_sample(const struct host_config *host, const char *name, char **ret,
		     struct error *err);
