/* The ways in which distributions configure their network: guest.c has the table. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "runtime/guest/guest.h"

struct guest_kind {
	const char *name;
	bool (*is_there)(int root);

	/* Writes the addresses for venet0, which the kernel has already; none at all: takes ours away. */
	int (*write)(int root, const struct guest_settings *settings, struct error *err);
};

extern const struct guest_kind guest_ifupdown, guest_networkd, guest_ifcfg;
