/*
 * Keys and trust of template metadata. For vzpkg/template*.c only.
 */
#pragma once

#include <stdbool.h>

#include "vzpkg/template_file.h"

/* Appends the key files of a folder, sorted; what is not named like one is remarked upon. */
void find_keys(struct loader *loader, const char *folder, struct strvec *paths);
