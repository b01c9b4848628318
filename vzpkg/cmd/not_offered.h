/*
 * Commands of OpenVZ's vzpkg that this one knows and does not have: scripts that use them get the reason and OpenVZ's number.
 */
#pragma once

#include "base/error.h"

/* Sets the error and returns -1 if `name` ("upgrade-area") is one of them; else 0. */
int not_offered(const char *name, struct error *err);
