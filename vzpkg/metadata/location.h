/*
 * Where metadata says that a file is. It is joined to a URL and must stay below it.
 */
#pragma once

#include <stdbool.h>

/* A relative path without "..", blanks and what has a meaning of its own in URLs. */
bool location_is_safe(const char *location);
