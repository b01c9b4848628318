/* What is mounted below a folder, to be taken along into another mount namespace. */
#pragma once

#include <stddef.h>

#include "base/error.h"

struct submount {
	char *path; /* in the folder; begins with "/" */
	int mount; /* a copy, in no place, nodev */
};

struct submounts {
	struct submount *items; /* those that others are in come before them */
	size_t count, capacity;
};

#define SUBMOUNTS_INIT ((struct submounts){ 0 })

int submounts_take(const char *folder, struct submounts *ret, struct error *err);

/* Puts them to the same paths of another root, a descriptor. No link in it leads out of it. ERROR_MOUNT. */
int submounts_place(const struct submounts *mounts, int root, struct error *err);
void submounts_release(struct submounts *mounts);

/* Unmounts all that is below the folder, in the namespace of the caller; what is in use stays. */
void submounts_umount(const char *folder);
