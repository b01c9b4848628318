/*
 * Exit codes of vzpkg. The numbers below 74 are OpenVZ's where the meaning is the same; scripts and
 * libvzctl compare with them. One table: exit status, the man page and its test read it.
 */
#pragma once

#include "base/program.h"

enum { EXIT_NOTHING_TO_DO = 100 }; /* only with --exit-code */

/* Ends with an entry of kind ERROR_NONE. */
extern const struct exit_code exit_codes[];

int exit_code(enum error_kind kind);
