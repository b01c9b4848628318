/*
 * What may come out of a VE's device: a classifier (cls_bpf(8), direct action) on its ingress at the host, which lets
 * packets from the VE's own addresses pass and drops all others, of any protocol, or, of a bridged one, frames from its own MAC address.
 * It goes with the device.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/net/address.h"
#include "runtime/net/link.h"

/* Replaces what is there, without an unguarded moment. No addresses: nothing passes. */
int guard_set(int socket, int device, const struct address *addresses, size_t count,
	      struct error *err);

/* The same for frames by their sender; NULL: all pass. */
int guard_set_mac(int socket, int device, const uint8_t *mac, struct error *err);
