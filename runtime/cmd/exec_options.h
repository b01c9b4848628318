/* What exec, exec2 and runscript have in common. */
#pragma once

#include "runtime/cmd/many.h"

extern unsigned exec_time_limit_s; /* 0: none */
extern const struct option_row exec_options[];
extern const enum error_kind exec_passes[];
