/*
 * How much the host's tenants wait for CPU, memory and disks (pressure stall information, proc_pressure(5)), and how
 * many VEs may be at work because of it.
 *
 * What is measured includes our own work, so CPU counts late and memory early: a host with a free CPU has no CPU
 * pressure whatever runs, one that swaps is not to be made to swap more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Microseconds since boot in which some task waited. */
struct pressure {
	uint64_t cpu, io, memory;
	uint64_t at_us; /* CLOCK_MONOTONIC */
};

/* false if the kernel does not say (CONFIG_PSI, "psi=1"). */
bool pressure_read(struct pressure *ret);

/* From the text of one of the files; false if it is not such a one. */
bool pressure_parse(const char *text, uint64_t *ret_some_us);

struct governor {
	unsigned least, most; /* bounds, at least 1 */
	unsigned now;
	struct pressure last;
	bool blind; /* the kernel does not say: `now` stays */
};

void governor_init(struct governor *governor, unsigned begin, unsigned most);

/* Looks again if half a second has passed, and returns how many may be at work. */
unsigned governor_ask(struct governor *governor);

/* What governor_ask() decides, from two moments; for its test. */
void governor_decide(struct governor *governor, const struct pressure *now);
