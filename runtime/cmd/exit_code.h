/* Exit statuses of vzctl: OpenVZ's numbers where the meaning is the same (vzctl(8)). The man page and its test read
 * the same table. */
#pragma once

#include "base/program.h"

extern const struct exit_code exit_codes[];
