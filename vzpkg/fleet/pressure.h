/*
 * How much the host's tenants wait for memory and disks (pressure stall information, proc_pressure(5)), how much the CPUs
 * are idle, and how many VEs may be at work because of it.
 *
 * What is measured includes our own work, and a package manager's many short processes wait for each other even where a
 * CPU is free. So CPUs count by their idle time: while they have some, VEs at work wait for something else, such as a
 * service that takes a second to start, and one more costs nobody anything. Memory counts early: a host that swaps is not to be
 * made to swap more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Microseconds since boot in which some task waited. */
struct pressure {
	uint64_t io, memory;
	uint64_t idle; /* the CPUs' mean time with nothing to do */
	uint64_t at_us; /* CLOCK_MONOTONIC */
};

/* false if the kernel does not say (CONFIG_PSI, "psi=1"). */
bool pressure_read(struct pressure *ret);

/* From the text of one of the files; false if it is not such a one. */
bool pressure_parse(const char *text, uint64_t *ret_some_us);

/* The same for the text of /proc/stat (proc_stat(5)), of a machine with so many CPUs: the mean of their idle time. */
bool pressure_parse_idle(const char *text, unsigned cpus, uint64_t *ret_idle_us);

struct governor {
	unsigned cpus; /* as many VEs may be at work if the CPUs are full */
	unsigned most; /* bound, at least 1 */
	unsigned now;
	struct pressure last;
	bool blind; /* the kernel does not say: `now` stays */
};

void governor_init(struct governor *governor, unsigned cpus, unsigned most);

/* Looks again if a tenth of a second has passed, and returns how many may be at work; `working` are. */
unsigned governor_ask(struct governor *governor, unsigned working);

/* What governor_ask() decides, from two moments; for its test. */
void governor_decide(struct governor *governor, unsigned working, const struct pressure *now);
