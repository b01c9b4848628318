/*
 * Whether the other host has the room that a VE's files need. It says what is free there, and what of them is there already; this one compares, before
 * anything is copied.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "base/host.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"

/*
 * Of the host that the VE comes to, for where its files go, where those of `missing` go, an object of digests and folders, and where processes on disk go:
 *
 *	private, layers, processes
 *			path; device, a word that is the same for the same file system; free_bytes, free_inodes (-1: without a limit);
 *			bytes, inodes: what an earlier try has brought
 */
json_t *room_places(const struct host_config *host, const char *private_area, json_t *missing);

/*
 * On the host that it leaves: `place` is what "begin" was answered with; an older vzmigrate there says nothing of room, and then nothing is compared. ERROR_COPY
 * says which file system is too small, and by how much. `processes` is the state of a VE that runs and whose processes go with it, or NULL: they will take
 * about the memory that they have. What is written while a VE runs, and what takes more there, is found by rsync.
 */
int room_check(const struct host_config *host, const struct ve_config *config,
	       const struct ve_state *processes, const json_t *place, struct error *err);
