/*
 * How much traffic a VE may have: for each way a device of the host (ifb) with a token bucket (tc-tbf(8)), through which the packets of
 * all devices of the VE go. What is over it waits, for less than half a second, and is dropped then. A VE can change nothing of it.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "runtime/net/classifier.h"

struct rate {
	uint64_t from, to; /* of the VE, in kbit (1000 bits) a second; 0: not limited */
};

#define RATE_FORM \
	"kilobits in a second from 8 to 1000000000, or \"unlimited\", or two of these as FROM:TO"

/* "1000" for both ways, "1000:unlimited", "" for no limit. ERROR_VALUE. */
int rate_parse(const char *text, struct rate *ret, struct error *err);

/* Makes the device `shaper`, or changes its limit. ERROR_NETWORK. */
int rate_limit(int socket, const char *shaper, uint64_t kbit, struct error *err);

/* Sends what goes that way by the VE's device `name` through `shaper`; NULL: not any more. ERROR_NETWORK, ERROR_CONTAINER. */
int rate_send(int socket, const char *name, enum classifier_way way, const char *shaper,
	      struct error *err);
