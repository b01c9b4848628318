/* Whether an entry of one folder is what that of the same name in another one is. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

/* Type and content. Which other names a file has is not looked at: one with several is never the same. `st` is of the first. */
bool same_content(int from, int to, const char *name, const struct stat *st);

/* Mode, owner, time of the last change, extended attributes. */
bool same_attributes(int from, int to, const char *name, const struct stat *st);
