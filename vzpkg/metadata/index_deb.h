/*
 * Debian's Packages indexes into a libsolv repository. Only the fields that are used go there: the rest is half of
 * the text. libsolv's reader drops Size, Priority and Essential: they are picked up while the text streams by and added
 * as attributes of our own, which its cache format keeps.
 */
#pragma once

#include <solv/repo.h>

#include "base/error.h"
#include "vzpkg/metadata/metadata.h"

/* Names of the attributes: a number (enum package_priority), one that is there or not, and a text. */
#define ATTRIBUTE_PRIORITY "deb:priority"
#define ATTRIBUTE_ESSENTIAL "deb:essential"
/* Hexadecimal digits. libsolv must not see them: 0.7.23 has room for 64. */
#define ATTRIBUTE_SHA512 "deb:sha512"

/* An index_parser. */
int index_deb_parse(int fd, const char *name, void *repo, uint64_t *total, struct error *err);
