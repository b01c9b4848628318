/*
 * A login prompt on the VE's console. systemd has one by itself in a container (console-getty.service); sysvinit gets a line between our
 * markers in /etc/inittab, unless it has another for the console; of other inits nothing is changed.
 */
#pragma once

#include "base/error.h"

/* As guest_configure(). */
int guest_console(int root, struct error *err);
