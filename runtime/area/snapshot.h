/*
 * Snapshots of a VE's files, in its private area:
 *
 *	snapshot/{UUID}/info	what it is, in the form of base/conf.h
 *	snapshot/{UUID}/ve.conf	the VE's configuration at that time
 *	snapshot/{UUID}/disk/	its files: a disk as the VE's own (disk.h), which no VE uses
 *	snapshot/{UUID}/mounted	a link: where it is shown to the host (life/snapshot_show.c)
 *	snapshot/.making.…	one that is being made; of no use
 *	snapshot/.dropped.…	one that is being removed
 *
 * Each is whole by itself: none needs another, and none shares a file with the VE that either could write to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "base/strvec.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_disk.h"

enum { SNAPSHOT_ID_SIZE = 39 }; /* "{" 36 characters "}" and a NUL */

#define SNAPSHOT_CONF "ve.conf"
#define SNAPSHOT_DISK "disk"

/* Of CTID.conf: the one that the VE's files came from last. */
#define SNAPSHOT_CURRENT "VE_SNAPSHOT"

struct snapshot {
	char id[SNAPSHOT_ID_SIZE];
	struct conf info; /* PARENT, DATE, NAME, DESCRIPTION; and snapshot_keys */
};

/* Keys of CTID.conf that say what the files are, and so go with them, whatever becomes of the rest. NULL-terminated. */
extern const char *const snapshot_keys[];

/* With or without braces, in upper or lower case: ERROR_VALUE if it is none. */
int snapshot_id_parse(const char *text, char ret[SNAPSHOT_ID_SIZE], struct error *err);
int snapshot_id_new(char ret[SNAPSHOT_ID_SIZE], struct error *err);

struct snapshots {
	struct snapshot *items;
	size_t count, capacity;
};

#define SNAPSHOTS_INIT ((struct snapshots){ 0 })

/* All that are complete, in the order of time. `private_area` is its path. A private area that is not there has none. */
int snapshots_read(const char *private_area, struct snapshots *ret, struct error *err);
void snapshots_release(struct snapshots *snapshots);

/* NULL if there is none of that id. */
const struct snapshot *snapshots_find(const struct snapshots *snapshots, const char *id);

/* They came from another host, without the quotas that they had: who goes back to one gets whatever limits space here (VE_DISK_KIND="auto"). */
int snapshots_move(const char *private_area, struct error *err);

/* What a snapshot's disk is, of a VE whose own was of that kind: a project's quota is for what the VE can write to. */
enum disk_kind snapshot_disk_kind(enum disk_kind own);

/* Its folder, or -1. */
int snapshot_open(int private_area, const char *id, struct error *err);

/* A folder for one that is to be made; then it is given its id, all at once and on disk, or removed. */
int snapshot_begin(int private_area, const char *id, struct error *err);
int snapshot_publish(int private_area, const char *id, struct error *err);
void snapshot_abandon(int private_area, const char *id);

/* Writes into such a folder what it is. `text` is in the form of base/conf.h. */
int snapshot_describe(int folder, const struct strbuf *text, struct error *err);

/* Those that came from it come from its parent then. */
int snapshot_remove(int private_area, const struct snapshots *all, const struct snapshot *which,
		    struct error *err);

/* What killed commands have left. For the holder of the VE's lock. */
void snapshot_sweep(int private_area);

/* What of snapshots is more than a tree. */
void snapshot_remove_all(int private_area);

/* Adds the layers that snapshots of the VE stand on. */
int snapshot_layers(const struct ve_config *config, struct strvec *digests, struct error *err);
