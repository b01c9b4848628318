#include "vzpkg/fleet/pressure.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

enum {
	/* Short, since what VEs wait for is: a service that takes a second to start. VEs that were begun together wait together,
	 * and are spread out by this. */
	INTERVAL_US = 100000,
	STAT_SIZE = 512, /* the first line is all that is wanted */
	FILE_LIMIT = 4096,
	/* Shares of an interval in which some task waited, percent: with more, no VE is begun. A disk at 60 % leaves the tenants
	 * room. */
	IO_MOST = 60,
	MEMORY_MOST = 10,
	/* Shares of an interval in which the CPUs had nothing to do, percent: with less they are full, with more there is room. */
	IDLE_LEAST = 3,
	IDLE_SPARE = 10,
};

bool pressure_parse(const char *text, uint64_t *ret_some_us)
{
	const char *total = strncmp(text, "some ", 5) == 0 ? strstr(text, " total=") : NULL;
	return total && sscanf(total, " total=%" SCNu64, ret_some_us) == 1;
}

bool pressure_parse_idle(const char *text, unsigned cpus, uint64_t *ret_idle_us)
{
	uint64_t idle, waiting; /* in clock ticks; a CPU that waits for a disk is free */

	if (!cpus || sscanf(text, "cpu %*u %*u %*u %" SCNu64 " %" SCNu64, &idle, &waiting) != 2)
		return false;
	*ret_idle_us = (idle + waiting) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK) / cpus;
	return true;
}

/* All CPUs', those included that we may not use. The file has a line for each, and interrupts, so it is not read whole. */
static bool read_idle(uint64_t *ret)
{
	char text[STAT_SIZE];
	autoclose int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (size <= 0)
		return false;
	text[size] = '\0';
	return pressure_parse_idle(text, (unsigned)sysconf(_SC_NPROCESSORS_ONLN), ret);
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
	return read_idle(&ret->idle) && read_one("/proc/pressure/io", &ret->io) &&
	       read_one("/proc/pressure/memory", &ret->memory);
}

void governor_init(struct governor *governor, unsigned cpus, unsigned most)
{
	*governor = (struct governor){ .cpus = cpus, .most = most, .now = cpus };
	governor->blind = !pressure_read(&governor->last);
}

static unsigned percent(uint64_t before, uint64_t now, uint64_t interval_us)
{
	return interval_us && now > before ? (unsigned)((now - before) * 100 / interval_us) : 0;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Those at work go on, so that fewer than they are means: none is begun before so many have ended. */
void governor_decide(struct governor *governor, unsigned working, const struct pressure *now)
{
	const struct pressure *last = &governor->last;
	uint64_t interval = now->at_us - last->at_us;
	unsigned io = percent(last->io, now->io, interval);
	unsigned memory = percent(last->memory, now->memory, interval);
	unsigned idle = percent(last->idle, now->idle, interval);

	if (io > IO_MOST || memory > MEMORY_MOST)
		governor->now = 1;
	else if (idle < IDLE_LEAST)
		governor->now = governor->cpus;
	else if (idle >= IDLE_SPARE && io < IO_MOST / 2 && memory < MEMORY_MOST / 2)
		/* One for each CPU that is idle, and for the part of one. */
		governor->now = working + (governor->cpus * idle + 99) / 100;
	else
		governor->now = working;
	governor->now = least(governor->now ?: 1, governor->most);
	governor->last = *now;
}

unsigned governor_ask(struct governor *governor, unsigned working)
{
	struct pressure now;

	if (!governor->blind && clock_us() - governor->last.at_us >= INTERVAL_US &&
	    pressure_read(&now))
		governor_decide(governor, working, &now);
	return governor->now;
}
