/*
 * A VE that is suspended to disk: DUMPDIR/Dump.CTID, as OpenVZ calls it, has its processes, and is there only when it is complete. So
 * that folder is what says that a VE is suspended so: its phase in the state file (VE_DUMPED) follows from it.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/host.h"

char *ve_dump_path(const struct host_config *host, unsigned ctid);
/* Where one comes to be that is brought from another host; ve_dump_arrive() makes it the VE's. */
char *ve_dump_arriving(const struct host_config *host, unsigned ctid);
int ve_dump_remove_arriving(const struct host_config *host, unsigned ctid, struct error *err);
int ve_dump_arrive(const struct host_config *host, unsigned ctid, struct error *err);

/* One that was begun, and is not complete. */
bool ve_dump_is_begun(const struct host_config *host, unsigned ctid);

bool ve_dump_exists(const struct host_config *host, unsigned ctid);

/* It is one no longer, at once; what is left of it is for ve_dump_remove(). */
void ve_dump_end(const struct host_config *host, unsigned ctid);

/* Also what a command that was killed has left beside it, but for what arrives. One that is not there is success. */
int ve_dump_remove(const struct host_config *host, unsigned ctid, struct error *err);
