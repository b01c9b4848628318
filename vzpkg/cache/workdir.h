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

/* Removes it with all that is in it. */
void workdir_remove(struct workdir *dir);

/* Removes the folders that nobody owns. Returns how many there were. */
unsigned workdir_sweep(const char *template_dir);
