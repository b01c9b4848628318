/*
 * What a terminal shows while VEs are worked in: how many are done and left, and of each that is at work what is being done, and for how long.
 */
#pragma once

#include <stdatomic.h>

#include "vzpkg/cmd/fleet.h"

struct fleet_watch {
	atomic_int *
		phases; /* enum apply_phase of each task, written by the processes at work; NULL: nobody watches */
	size_t count;
};

struct fleet_progress {
	struct fleet_task *const *tasks;
	size_t count; /* of tasks */
	size_t running, ended, failed;
	uint64_t now_ms; /* of the clock of fleet_task.begun_ms */
};

/* Before the processes are started. */
void fleet_watch_open(struct fleet_watch *watch, size_t tasks);
void fleet_watch_close(struct fleet_watch *watch);

/* Where a task writes what it is at; or NULL. */
atomic_int *fleet_watch_phase(const struct fleet_watch *watch, size_t task);

void fleet_watch_show(const struct fleet_watch *watch, const struct fleet_progress *progress,
		      struct report *report);
