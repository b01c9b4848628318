/* Rules for packets: nftables and what was before it. */
#pragma once

#include "base/error.h"

/* In the network namespace that the caller is in: 1 if there are tables, 0 if there are none, -1 with *err. */
int filter_is_used(struct error *err);
