/*
 * What may come out of a VE's device: a classifier (cls_bpf(8), direct action) on its ingress at the host, which lets
 * packets from the VE's own addresses pass and drops all others, of any protocol. It goes with the device.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "runtime/net/address.h"

/* Replaces what is there, without an unguarded moment. No addresses: nothing passes. */
int guard_set(int socket, int device, const struct address *addresses, size_t count,
	      struct error *err);
