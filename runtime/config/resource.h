/*
 * The resource parameters that OpenVZ's users know: what each is called, what its values look like, and what this kernel
 * makes of it. Each is a row of the table in resource.c; vzctl(8), "RESOURCES", shows the same table.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum resource_id {
	/* Beancounters, in the order of OpenVZ's /proc/user_beancounters. */
	RESOURCE_KMEMSIZE,
	RESOURCE_LOCKEDPAGES,
	RESOURCE_PRIVVMPAGES,
	RESOURCE_SHMPAGES,
	RESOURCE_NUMPROC,
	RESOURCE_PHYSPAGES,
	RESOURCE_VMGUARPAGES,
	RESOURCE_OOMGUARPAGES,
	RESOURCE_NUMTCPSOCK,
	RESOURCE_NUMFLOCK,
	RESOURCE_NUMPTY,
	RESOURCE_NUMSIGINFO,
	RESOURCE_TCPSNDBUF,
	RESOURCE_TCPRCVBUF,
	RESOURCE_OTHERSOCKBUF,
	RESOURCE_DGRAMRCVBUF,
	RESOURCE_NUMOTHERSOCK,
	RESOURCE_DCACHESIZE,
	RESOURCE_NUMFILE,
	RESOURCE_NUMIPTENT,
	RESOURCE_SWAPPAGES,
	BEANCOUNTERS, /* how many these are */
	RESOURCE_AVNUMPROC = BEANCOUNTERS,
	RESOURCE_VM_OVERCOMMIT,
	RESOURCE_CPUUNITS,
	RESOURCE_CPULIMIT,
	RESOURCE_CPUS,
	RESOURCE_CPUMASK,
	RESOURCE_NODEMASK,
	RESOURCE_IOPRIO,
	RESOURCE_IOLIMIT,
	RESOURCE_IOPSLIMIT,
	RESOURCE_COUNT
};

enum resource_unit {
	UNIT_ITEMS, /* BARRIER:LIMIT, as are the two that follow */
	UNIT_PAGES,
	UNIT_BYTES,
	UNIT_NUMBER, /* one number from `least` to `most` */
	UNIT_PERCENT, /* of one processor; 0 is no limit */
	UNIT_RATE, /* bytes in a second; 0 is no limit */
	UNIT_COUNT, /* a number; 0 is no limit */
	UNIT_LIST, /* "0-3,8" or "all" */
	UNIT_FACTOR, /* 1.5; kept and not used */
};

struct resource {
	const char *name; /* of the option and of vzlist's field */
	const char *key; /* in CTID.conf and vz.conf */
	const char *heading; /* in vzlist; NULL: it does not show it */
	enum resource_unit unit;
	const char *help;
	unsigned least, most; /* of the limit; 0 is none */
	/* Files of the control group, with blanks between; NULL: there is none. */
	const char *v1, *v2;
	int rlimit; /* RLIMIT_… that each process has; 0: none */
	/* What is not as in OpenVZ, as a sentence about the name: "holds for each process"; or NULL. */
	const char *note;
};

extern const struct resource resource_table[RESOURCE_COUNT];

/* "unlimited": what OpenVZ's kernel shows for it. */
#define RESOURCE_UNLIMITED ((uint64_t)INT64_MAX)

struct resource_value {
	bool set;
	uint64_t barrier, limit; /* pages for UNIT_PAGES; the same where there is only one */
	char *list; /* of UNIT_LIST; NULL is all; owned */
};

/* Memory pages of this host, in bytes. */
uint64_t page_size(void);

/* It has a barrier and a limit. */
bool resource_is_pair(const struct resource *resource);

/* As in a configuration. -1 if it cannot be that. */
int resource_parse(const struct resource *resource, const char *text, struct resource_value *ret);

/* ERROR_VALUE, with the value and what it can be. `name` is what the user calls it: its key, or an option. */
int resource_check(const struct resource *resource, const char *name, const char *text,
		   struct error *err);

/* What it can be: "it is a number from …" without its beginning. To be freed. */
char *resource_wanted(const struct resource *resource);

/* What is given to the option, as it is in a configuration: there, a rate without a letter is in bytes and not in megabytes. *ret is to be
 * freed. ERROR_VALUE. */
int resource_of_option(const struct resource *resource, const char *text, char **ret,
		       struct error *err);

/* For the help: "BYTES[:BYTES]". */
const char *resource_argument(const struct resource *resource);
