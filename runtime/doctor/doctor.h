/*
 * What of a host limits its VEs, in number or in what they can do: each thing is looked at or tried, and nothing is changed. What is read
 * below /proc and /sys is read below `root` first of all, so that a test can have another host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/host.h"

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_WARN, /* fewer VEs than wanted, or something that they will not have */
	DOCTOR_FAIL, /* no VE can be started */
};

struct doctor_line {
	enum doctor_level level;
	const char *name; /* borrowed: of what was looked at, such as a sysctl */
	char *found; /* what it is */
	char *means; /* what that limits; NULL if it does not */
	char *advice; /* what to do about it; NULL if nothing is to be done */
};

struct doctor {
	const struct host_config *host;
	const char *root; /* "" for this host */
	unsigned ves; /* so many are wanted */
	struct doctor_line *lines;
	size_t count, capacity;
};

/* Limits of the kernel that all VEs share, and those that hold for each. Read only from `root`. */
void doctor_limits(struct doctor *doctor);

/* What VEs' addresses need of the host's network: forwarding, and that its uplinks take part in it. Read only from `root`. */
void doctor_network(struct doctor *doctor);

/* Blocks of user ids, of which each VE that runs has one: those that there are here, and those that VEs have. */
void doctor_ids(struct doctor *doctor);

/* Whether the kernel lets VEs be: namespaces, mounts, control groups, old programs, packet filters. */
void doctor_kernel(struct doctor *doctor);

/* Where VEs' files are: mapped ids, limits of disk space, room; and what suspending needs. */
void doctor_storage(struct doctor *doctor);

/* "ok", "warn", "fail" */
const char *doctor_level_name(enum doctor_level level);
enum doctor_level doctor_worst(const struct doctor *doctor);
void doctor_release(struct doctor *doctor);

/* ---- for the files of this folder ---------------------------------------------------------------------------------- */

/* Takes the three texts over; `means` and `advice` may be NULL. */
void doctor_add(struct doctor *doctor, enum doctor_level level, const char *name, char *found,
		char *means, char *advice);

/* The number in a file below `root`; false if there is none. */
bool doctor_number(const struct doctor *doctor, const char *path, uint64_t *ret);

/* The first number of a sysctl, by sysctl(8)'s name: a dot in the name of a device is a slash there. False if there is none. */
bool doctor_sysctl(const struct doctor *doctor, const char *name, uint64_t *ret);

/* The advice to set it, now and for good. */
char *doctor_assignment(const char *name, uint64_t value);
