/* Which VEs there are, and what they are called. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/host.h"

/* Numbers up to 100 are reserved; the last is OpenVZ's (vzctl(8)). */
enum { CTID_FIRST = 101, CTID_LAST = 2147483644 };

/* The number of a VE; ERROR_USAGE if it is none, or not from CTID_FIRST to CTID_LAST. */
int ctid_parse(const char *text, unsigned *ret, struct error *err);

/* The VE of that number or that NAME. A number need not belong to a VE that is there; a name must, else
 * ERROR_NO_VE. */
int ctid_find(const struct host_config *host, const char *text, unsigned *ret, struct error *err);

/* Which VE has that name; false if none has. A configuration that cannot be read has no name. */
bool ctid_of_name(const struct host_config *host, const char *name, unsigned *ret);

/* Two numbers with "-" between, which stand for the VEs from the one to the other. */
bool ctid_is_range(const char *text);

/* Letters, digits, ".", "_", "-", neither digits alone nor a range, at most 63: ERROR_VE_NAME if it is not so. */
int ve_name_check(const char *name, struct error *err);

/* All VEs that have a configuration file, in order; to be freed. */
int ctid_list(const struct host_config *host, unsigned **ret, size_t *count, struct error *err);

/* TEMPLATE with "$VEID" and "${VEID}" replaced; to be freed. */
char *ctid_expand(const char *text, unsigned ctid);
