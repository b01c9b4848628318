#include "vzpkg/fleet/pressure.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"

enum {
	INTERVAL_US = 500000,
	FILE_LIMIT = 4096,
	/* Shares of an interval in which some task waited, percent: with more, one VE fewer; with less than half of all,
	 * one more. A package manager alone makes a CPU-bound host wait; a disk at 60 % leaves the tenants room. */
	CPU_MOST = 75,
	IO_MOST = 60,
	MEMORY_MOST = 10,
};

bool pressure_parse(const char *text, uint64_t *ret_some_us)
{
	const char *total = strncmp(text, "some ", 5) == 0 ? strstr(text, " total=") : NULL;
	return total && sscanf(total, " total=%" SCNu64, ret_some_us) == 1;
}

static bool read_one(const char *name, uint64_t *ret)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	return file_read(AT_FDCWD, name, FILE_LIMIT, &text, NULL) == 0 &&
	       pressure_parse(text.text, ret);
}

static uint64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool pressure_read(struct pressure *ret)
{
	ret->at_us = clock_us();
	return read_one("/proc/pressure/cpu", &ret->cpu) &&
	       read_one("/proc/pressure/io", &ret->io) &&
	       read_one("/proc/pressure/memory", &ret->memory);
}

void governor_init(struct governor *governor, unsigned begin, unsigned most)
{
	*governor = (struct governor){ .least = 1, .most = most, .now = begin };
	governor->blind = !pressure_read(&governor->last);
}

static unsigned percent(uint64_t before, uint64_t now, uint64_t interval_us)
{
	return interval_us && now > before ? (unsigned)((now - before) * 100 / interval_us) : 0;
}

void governor_decide(struct governor *governor, const struct pressure *now)
{
	const struct pressure *last = &governor->last;
	uint64_t interval = now->at_us - last->at_us;
	unsigned cpu = percent(last->cpu, now->cpu, interval);
	unsigned io = percent(last->io, now->io, interval);
	unsigned memory = percent(last->memory, now->memory, interval);

	if (cpu > CPU_MOST || io > IO_MOST || memory > MEMORY_MOST) {
		if (governor->now > governor->least)
			governor->now--;
	} else if (cpu < CPU_MOST / 2 && io < IO_MOST / 2 && memory < MEMORY_MOST / 2) {
		if (governor->now < governor->most)
			governor->now++;
	}
	governor->last = *now;
}

unsigned governor_ask(struct governor *governor)
{
	struct pressure now;

	if (!governor->blind && clock_us() - governor->last.at_us >= INTERVAL_US &&
	    pressure_read(&now))
		governor_decide(governor, &now);
	return governor->now;
}
