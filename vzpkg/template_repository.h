/*
 * Repository lines of template metadata. For vzpkg/template*.c and
 * vzpkg/import/ only.
 */
#pragma once

#include "vzpkg/template_file.h"

/*
 * Expands $NAME and ${NAME}: $arch, $basearch, $release, and where `mirrors` the loader's variables.
 * Returns the text (to be freed), or NULL with the unknown name in *unknown (to be freed).
 */
char *expand_variables(const struct loader *loader, const char *text, bool mirrors, char **unknown);

/* Parses one line "URL SUITE COMPONENT… [unsigned] [eol]" (deb) or "URL [unsigned]" (rpm) and appends
 * it to the template. A mistake is reported; -1: the load is to end. */
int add_repository(struct loader *loader, const char *text, const char *file, unsigned line);

void repository_release(struct template_repository *repository);
