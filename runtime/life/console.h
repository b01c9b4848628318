/* How a VE's monitor is reached for its console: LOCKDIR/CTID.attach, a socket (runtime/attach.h). */
#pragma once

#include "base/error.h"
#include "base/host.h"

/* For the monitor; -1 with errno set. One of an earlier monitor is replaced. */
int console_listen(const struct host_config *host, unsigned ctid);

/* Connects to it. -1 with errno set if nobody is there. */
int console_connect(const struct host_config *host, unsigned ctid);
void console_forget(const struct host_config *host, unsigned ctid);
