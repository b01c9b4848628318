/*
 * POSIX ACLs: the kernel's form (linux/posix_acl_xattr.h) into libarchive's, which writes them as
 * SCHILY.acl.access and SCHILY.acl.default. As SCHILY.xattr.system.… bsdtar would pass them over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct archive_entry;

/* true if the extended attribute `name` is an ACL. */
bool acl_is(const char *name);

/* Adds the ACL `value`, which the attribute `name` has. -1: it is none that this code understands. */
int acl_add(struct archive_entry *entry, const char *name, const void *value, size_t size);
