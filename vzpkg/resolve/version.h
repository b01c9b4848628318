/*
 * Versions as packagers compare them.
 */
#pragma once

#include "vzpkg/template.h"

struct version_order;

/* The rules of dpkg or of rpm. To be freed. */
struct version_order *version_order_new(enum package_format format);
void version_order_free(struct version_order *order);
void version_order_freep(struct version_order **order);

/* Less than, equal to or greater than 0, as strcmp(3). Both with an epoch where there is one: "1:2.3-4". */
int version_compare(struct version_order *order, const char *a, const char *b);
