/*
 * Which VEs ran when the host went down, for ONBOOT="auto": those of a file LOCKDIR/CTID.was-running, which an orderly end of the host
 * leaves, and those whose state file is of an earlier boot and says so, after another end.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/host.h"

bool was_running(const struct host_config *host, unsigned ctid);
int was_running_note(const struct host_config *host, unsigned ctid, struct error *err);
void was_running_forget(const struct host_config *host, unsigned ctid);
