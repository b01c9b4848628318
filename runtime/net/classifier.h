/*
 * Programs of ours that look at the packets of a device of the host (cls_bpf, in the order of their priorities): those that come out of the VE
 * by it, and those that go in. They go with the device. Errors are ERROR_CONTAINER.
 */
#pragma once

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/net/netlink.h"

enum classifier_way {
	FROM_VE, /* the device's ingress */
	TO_VE
};

enum { CLASSIFIER_GUARD = 1, CLASSIFIER_RATE = 2 }; /* priorities */

/* In *request, with a program of up to 4096 instructions that is called `name`; `options` is then to be added to and ended by
 * classifier_set(). What was there with that priority is replaced, without a moment in between. */
struct classifier {
	struct netlink_request request;
	struct nlattr *options;
	int program; /* closed by classifier_set() */
};

int classifier_begin(int socket, int device, enum classifier_way way, unsigned priority,
		     const char *name, const struct bpf_insn *insns, size_t count,
		     struct classifier *ret, struct error *err);
int classifier_set(int socket, struct classifier *classifier, struct error *err);

/* One that is not there is success. */
int classifier_remove(int socket, int device, enum classifier_way way, unsigned priority,
		      struct error *err);
