/*
 * Whether the other host has the room that a VE's files need. It says what is free there, and what of them is there already; this one compares, before
 * anything is copied.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "base/host.h"

/*
 * Of the host that the VE comes to, for where its files go and where those of `missing` go, an object of digests and folders:
 *
 *	private, layers	path; device, a word that is the same for the same file system; free_bytes, free_inodes (-1: without a limit);
 *			bytes, inodes: what an earlier try has brought
 */
json_t *room_places(const struct host_config *host, const char *private_area,
		    const json_t *missing);

/*
 * On the host that it leaves: `place` is what "begin" was answered with; an older vzmigrate there says nothing of room, and then nothing is compared. ERROR_COPY
 * says which file system is too small, and by how much. What is written while a VE runs, or takes more there, is found by rsync.
 */
int room_check(const struct host_config *host, const char *private_area, const json_t *place,
	       struct error *err);
