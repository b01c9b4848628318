/*
 * What differs between the packages of two manifests, or of a manifest and a plan.
 */
#pragma once

#include <jansson.h>

#include "base/strbuf.h"
#include "vzpkg/template.h"

/*
 * Compares arrays of packages in the form of manifests. Gives an array, to be json_decref'ed, of
 *
 *	{"name", "arch", "change", "from", "to", "size", "installed_size", …}
 *
 * in the order of names. change: "added", "removed", "upgraded", "downgraded", or "rebuilt" (the same version, another file). "from" and
 * "to" are versions, null where there is none. size: bytes of the package file of the new one, or 0; installed_size: by how
 * many bytes the tree grows. What else the new package's object has is in "package", its old one's in "before" (borrowed from the arrays).
 */
json_t *package_changes(const json_t *before, const json_t *after, enum package_format format);

/* As lines: "upgraded  bash  5.2-1 -> 5.2-2  1.5 MB", and a sum. `note` (may be NULL) gives what to add to a line, to be freed, or NULL. */
void package_changes_text(const json_t *changes, char *(*note)(const json_t *change),
			  struct strbuf *text);

/* The same without "package" and "before", for people's programs. To be json_decref'ed. */
json_t *package_changes_json(const json_t *changes);

/* The digest of its file, hexadecimal, the strongest that there is; NULL: none. */
const char *package_file_digest(const json_t *package, const char **ret_kind);
