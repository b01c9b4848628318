/*
 * Mounts as descriptors (open_tree(2), fsopen(2)): made and given their attributes while nobody can
 * reach them by a path, then put in place. A descriptor of a mount that was not put anywhere takes the
 * mount with it when it is closed. All return -1 with *err set.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>

#include "base/error.h"

/* A copy of what is at that place, without what is mounted below it; what is mounted in one is not seen in the other,
 * whatever the host shares. `path` may be "". */
int mount_copy(int dirfd, const char *path, struct error *err);

/* With what is mounted below it. */
int mount_copy_all(int dirfd, const char *path, struct error *err);

/* A file system. Options are NULL-terminated pairs of key and value (value NULL: a flag); "source" is the first, if it is a device that
 * is mounted. */
int mount_new(const char *type, const char *const *options, uint64_t attributes, struct error *err);

/* Sets attributes (MOUNT_ATTR_…); userns is for MOUNT_ATTR_IDMAP, else -1. `what` is for messages. */
int mount_change(int mount, uint64_t attributes, int userns, const char *what, struct error *err);

/* Puts it onto an existing file or folder. */
int mount_place(int mount, const char *path, struct error *err);

/* Makes it the root of the calling process and of its mount namespace; nothing of the old one stays. */
int mount_pivot(int mount, struct error *err);
