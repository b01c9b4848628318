/*
 * What is in TEMPLATE/layer beside the layers. For runtime/area/layer*.c only.
 */
#pragma once

#include <sys/stat.h>

#define LAYER_KNOWN ".known"
#define LAYER_UNPACKING ".unpacking"
#define LAYER_DROPPED ".dropped-"
#define LAYER_ARRIVING ".arriving-"

/* The link that says which layer a tarball has: changes with whatever changes the content. To be freed. */
char *layer_known_name(const struct stat *st);
