/*
 * A folder for one build, TEMPLATE/tmp/NAME.XXXXXX, locked while its owner lives. What a killed run
 * left is found by the next one: a folder whose lock is free has no owner and is swept.
 */
#pragma once

#include "base/error.h"
#include "base/lock.h"

struct workdir {
	int parent; /* TEMPLATE/tmp */
	char *name;
	int fd; /* the folder */
	char *path; /* absolute */
	struct lock lock;
};

#define WORKDIR_INIT ((struct workdir){ .parent = -1, .fd = -1, .lock = LOCK_INIT })

int workdir_create(struct workdir *dir, const char *template_dir, const char *name,
		   struct error *err);

/* Removes it with all that is in it, unless it is held. */
void workdir_remove(struct workdir *dir);

/* A file of this name in a work folder says that something outside of it belongs to it, which somebody has to take away
 * before the folder goes. */
#define WORKDIR_HOLD ".hold"

/* Removes the folders that nobody owns, but for held ones. Returns how many there were. */
unsigned workdir_sweep(const char *template_dir);

/* Calls it for each held folder that nobody owns, while we own it. Returns for how many it returned 0: these are
 * held no more. `path` is the folder's. */
unsigned workdir_sweep_held(const char *template_dir,
			    int (*take_away)(int folder, const char *path, void *data), void *data);
