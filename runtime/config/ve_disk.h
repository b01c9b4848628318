/*
 * How much of the host's disk a VE may fill, and by what that is held: DISKSPACE and DISKINODES, which have OpenVZ's form SOFT:HARD or
 * one number for both; QUOTAUGIDLIMIT; and the keys that say where its files are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/host.h"
#include "runtime/config/ve_config.h"

enum disk_kind {
	DISK_NONE, /* a folder without a limit */
	DISK_PROJECT, /* a folder with a project's quota: ext4, xfs */
	DISK_IMAGE, /* a file with an ext4 in it */
	DISK_QGROUP, /* a subvolume with a quota group: btrfs */
	DISK_KINDS,
	DISK_AUTO = DISK_KINDS, /* of vz.conf alone: what the host can do */
};

/* 0: there is no limit. */
struct disk_limit {
	uint64_t soft, hard;
};

struct disk_limits {
	struct disk_limit space; /* bytes */
	struct disk_limit inodes;
	bool users; /* and those of users and groups in it can be limited (ve_quota.h) */
};

/* Where the files are. */
struct ve_disk {
	enum disk_kind kind;
	char *folder; /* VE_DISK: "disk.N" in the private area; NULL: the private area itself */
	unsigned project; /* VE_DISK_PROJECT */
};

#define VE_DISK_INIT ((struct ve_disk){ .kind = DISK_NONE })

/* Of the VE's own configuration alone. ERROR_PARSE. */
int ve_disk_load(const struct ve_config *config, struct ve_disk *ret, struct error *err);
void ve_disk_release(struct ve_disk *disk);

/* For the next folder that takes the place of this one. To be freed. */
char *ve_disk_next(const struct ve_disk *disk);
bool ve_disk_is_folder(const char *name);

/* "none", "project", "image", "qgroup", "auto". ERROR_VALUE. */
int disk_kind_parse(const char *word, enum disk_kind *ret, struct error *err);
const char *disk_kind_name(enum disk_kind kind);

/* VE_DISK_KIND of vz.conf: what is to be used for VEs that get a limit from now on. ERROR_PARSE. */
int ve_disk_wanted(const struct host_config *host, enum disk_kind *ret, struct error *err);

/* What they can be. */
#define DISK_SPACE_FORM \
	"a number of kB, or one with B, K, M, G, T or P, from 32M to 16T; SOFT:HARD; or unlimited"
#define DISK_INODES_FORM \
	"a number, or one with K, M or G, from 1000 to 4294967295; SOFT:HARD; or unlimited"

/* `what` is for messages: "--diskspace", or where it stands. ERROR_VALUE. NULL is no limit. */
int disk_space_parse(const char *what, const char *text, struct disk_limit *ret, struct error *err);
int disk_inodes_parse(const char *what, const char *text, struct disk_limit *ret,
		      struct error *err);

/* The same of a user in a VE, who can have less. */
int disk_user_space_parse(const char *what, const char *text, struct disk_limit *ret,
			  struct error *err);
int disk_user_inodes_parse(const char *what, const char *text, struct disk_limit *ret,
			   struct error *err);

/* As in OpenVZ, how many users and groups are counted; here all of them are if it is not 0. ERROR_VALUE. */
#define QUOTAUGIDLIMIT_FORM "a number from 0 to 4294967295; 0: no quotas of users and groups"
int quotaugidlimit_parse(const char *what, const char *text, bool *ret, struct error *err);

/* DISKSPACE, DISKINODES and QUOTAUGIDLIMIT of the VE, or else of vz.conf; what is given here, unless NULL, in their place. ERROR_PARSE,
 * ERROR_VALUE. */
struct disk_given {
	const char *space, *inodes, *users; /* of --diskspace, --diskinodes, --quotaugidlimit */
};

int ve_disk_limits(const struct host_config *host, const struct ve_config *config,
		   const struct disk_given *given, struct disk_limits *ret, struct error *err);
static inline bool disk_limited(const struct disk_limits *limits)
{
	return limits->space.hard || limits->inodes.hard || limits->users;
}
