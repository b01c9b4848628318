/*
 * Paragraphs of Debian control files: "Field: value" with continued lines (deb822(5)).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The value of a field in a paragraph, continued lines included, without blanks around it; NULL if it is
 * not there. To be freed. */
char *paragraph_get(const char *paragraph, const char *field);

/* true if a relation field ("a (>= 1), b | c") names the package. Versions are not looked at. */
bool relation_names(const char *relations, const char *package);
