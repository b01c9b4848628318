/* A folder whose content is counted and limited by the file system as a project: ext4 and xfs with project quotas (quotactl_fd(2)). */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "runtime/config/ve_disk.h"

/* Whether the file system of the folder limits projects. ERROR_QUOTA says why it does not. */
int project_check(int folder, struct error *err);

/* Something is counted for the project, or limited, already. */
bool project_in_use(int folder, unsigned project);

/* That of the folder; 0: none. */
unsigned project_of(int folder);

/* Makes the empty folder and all that will be made in it part of the project. */
int project_mark(int folder, unsigned project, struct error *err);

/* Sets the limits, or takes them away (`limits` NULL). */
int project_limit(int folder, unsigned project, const struct disk_limits *limits,
		  struct error *err);
