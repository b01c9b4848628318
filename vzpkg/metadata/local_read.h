/* What a package file says of itself, read in a jail. For vzpkg/metadata/local*.c only. */
#pragma once

#include "base/error.h"
#include "vzpkg/metadata/local.h"

/* In the child; the file is LOCAL_FILE in its root folder. deb: the text of its control file; rpm: its record as of installed_rpm.h. */
#define LOCAL_FILE "package"

int local_read_deb(int output, void *data, struct error *err);
int local_read_rpm(int output, void *data, struct error *err);

/* deb: one paragraph with nothing in it but fields that a control file has. Replaces the text. */
int local_check_deb(struct local_package *package, struct error *err);
