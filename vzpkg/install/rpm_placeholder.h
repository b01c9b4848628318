/*
 * librpm 4.18.0 opens the FIFOs and nodes that it has made, which hangs, or does what the device does (rpm's issue 2195, mended in
 * 4.18.1). While this is on, what it makes by mkfifoat(3) and mknodat(2) are empty plain files; who unpacked makes of them afterwards what
 * they should be.
 */
#pragma once

#include "base/error.h"

/* For the rest of the process. */
void rpm_placeholders_begin(void);

/* Makes a FIFO of the plain file at `path`, with its owner and mode. */
int rpm_placeholder_to_fifo(const char *path, struct error *err);
