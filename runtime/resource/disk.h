/* Disks, as control groups name them. */
#pragma once

#include "base/strvec.h"

/* Adds "MAJOR:MINOR" of the disk that a folder is on, unless it is there: the whole disk if that is a partition. Nothing if its
 * file system is in memory or on a network. */
void disk_add(struct strvec *disks, const char *folder);
