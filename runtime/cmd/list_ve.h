/* VEs as vzlist sees them: what is set for each, and what it is doing. Without locks, and without root as far as files
 * can be read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "base/strvec.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_disk.h"
#include "runtime/config/ve_state.h"
#include "runtime/config/ve_traffic.h"
#include "runtime/resource/resources.h"
#include "runtime/resource/usage.h"

struct list_ve {
	unsigned ctid;
	const char *status; /* "running", "stopped", "mounted", … */
	bool mistake; /* its configuration or its state cannot be read: what is here is what could be */
	struct ve_config config;
	struct strvec addresses; /* as text */
	int64_t processes; /* -1: not known, or it does not run */
	int64_t uptime_s; /* the same */
	int64_t disk_kb, disk_inodes; /* in use; -1: as above, or nothing counts them */
	struct disk_limits limits;
	struct resources resources; /* that hold if it runs, or else are set */
	bool counted; /* `usage` is there */
	bool has_traffic; /* `traffic` is */
	struct traffic traffic;
	struct usage usage[BEANCOUNTERS];
};

enum list_which { LIST_RUNNING, LIST_NOT_RUNNING, LIST_ALL };

struct list_request {
	enum list_which which;
	const struct strvec *wanted; /* numbers and names; empty: all VEs */
	bool count; /* what each has of all resources, and not of processes alone */
	bool traffic; /* what each has sent and was sent */
	const char *hostname, *name, *description; /* patterns (glob(7)), or NULL */
};

struct list {
	struct list_ve *ves;
	size_t count, capacity;
	bool missing; /* something of `wanted` is not there, which was reported */
};

#define LIST_INIT ((struct list){ 0 })

/* In the order of their numbers. A VE with a mistake in its files is reported as a warning. */
int list_collect(const struct host_config *host, const struct list_request *request,
		 struct report *report, struct list *ret, struct error *err);
void list_release(struct list *list);
