/* The first process of a VE, from its birth to executing PID 1. */
#pragma once

#include "base/error.h"
#include "runtime/state.h"

/* In the runtime, before the process is cloned. */
struct setup {
	const struct ve_spec *spec;
	struct ve *ve;
	int inner; /* the VE's end of the control socket */
	int init; /* the static init program */
};

/* The new process: waits for the mounts (setup_hand_over()), makes everything its own, executes the
 * init program. Returns, with the exit status, only on failure; the error went to the runtime. */
int setup_run(void *setup);

/* In the runtime: sends what rootfs_prepare() made, which tells it that its ids are mapped. */
int setup_hand_over(const struct setup *setup, struct error *err);

/* Waits until PID 1 is ready. */
int setup_wait(const struct setup *setup, struct error *err);
