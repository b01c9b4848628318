#include "runtime/config/resource.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/quantity.h"

#define MEMORY_PART "is a part of what physpages limits"
#define EACH_PROCESS "holds for each process; a higher one from the VE's next start on"
#define NO_LIMIT "is kept, and nothing limits it"
#define SOCKETS "is counted, and nothing limits it but numfile and physpages"

/* clang-format off */
const struct resource resource_table[RESOURCE_COUNT] = {
	[RESOURCE_KMEMSIZE] = { "kmemsize", "KMEMSIZE", "KMEMSIZE", UNIT_BYTES, "memory of the kernel",
		.note = MEMORY_PART ", and is added to privvmpages where that limits memory" },
	[RESOURCE_LOCKEDPAGES] = { "lockedpages", "LOCKEDPAGES", "LOCKEDP", UNIT_PAGES, "memory locked by mlock(2)",
		.rlimit = RLIMIT_MEMLOCK,
		.note = EACH_PROCESS },
	[RESOURCE_PRIVVMPAGES] = { "privvmpages", "PRIVVMPAGES", "PRIVVMP", UNIT_PAGES, "private memory",
		.v1 = "memory.limit_in_bytes", .v2 = "memory.max",
		.note = "limits, if physpages does not, memory in use and not memory allocated" },
	[RESOURCE_SHMPAGES] = { "shmpages", "SHMPAGES", "SHMP", UNIT_PAGES, "shared memory",
		.note = MEMORY_PART },
	[RESOURCE_NUMPROC] = { "numproc", "NUMPROC", "NPROC", UNIT_ITEMS, "processes and threads",
		.v1 = "pids.max", .v2 = "pids.max" },
	[RESOURCE_PHYSPAGES] = { "physpages", "PHYSPAGES", "PHYSP", UNIT_PAGES, "memory, the same as --ram",
		.least = 1, .v1 = "memory.limit_in_bytes", .v2 = "memory.max" },
	[RESOURCE_VMGUARPAGES] = { "vmguarpages", "VMGUARPAGES", "VMGUARP", UNIT_PAGES, "guaranteed memory",
		.note = "is kept; this kernel guarantees no memory" },
	[RESOURCE_OOMGUARPAGES] = { "oomguarpages", "OOMGUARPAGES", "OOMGUARP", UNIT_PAGES, "memory up to which nothing is killed",
		.note = "is kept; this kernel guarantees no memory" },
	[RESOURCE_NUMTCPSOCK] = { "numtcpsock", "NUMTCPSOCK", "NTCPSOCK", UNIT_ITEMS, "TCP sockets",
		.note = SOCKETS },
	[RESOURCE_NUMFLOCK] = { "numflock", "NUMFLOCK", "NFLOCK", UNIT_ITEMS, "file locks",
		.note = NO_LIMIT },
	[RESOURCE_NUMPTY] = { "numpty", "NUMPTY", "NPTY", UNIT_ITEMS, "terminals",
		.note = "holds for the VE's own /dev/pts, from its next start on" },
	[RESOURCE_NUMSIGINFO] = { "numsiginfo", "NUMSIGINFO", "NSIGINFO", UNIT_ITEMS, "queued signals",
		.rlimit = RLIMIT_SIGPENDING,
		.note = "holds for each user in the VE; a higher one from its next start on" },
	[RESOURCE_TCPSNDBUF] = { "tcpsndbuf", "TCPSNDBUF", "TCPSNDB", UNIT_BYTES, "send buffers of TCP",
		.v1 = "memory.kmem.tcp.limit_in_bytes",
		.note = "is one limit together with tcprcvbuf, and with v2 a part of physpages" },
	[RESOURCE_TCPRCVBUF] = { "tcprcvbuf", "TCPRCVBUF", "TCPRCVB", UNIT_BYTES, "receive buffers of TCP",
		.v1 = "memory.kmem.tcp.limit_in_bytes",
		.note = "is one limit together with tcpsndbuf, and with v2 a part of physpages" },
	[RESOURCE_OTHERSOCKBUF] = { "othersockbuf", "OTHERSOCKBUF", "OTHSOCKB", UNIT_BYTES, "send buffers of other sockets",
		.note = NO_LIMIT },
	[RESOURCE_DGRAMRCVBUF] = { "dgramrcvbuf", "DGRAMRCVBUF", "DGRAMRB", UNIT_BYTES, "receive buffers of other sockets",
		.note = NO_LIMIT },
	[RESOURCE_NUMOTHERSOCK] = { "numothersock", "NUMOTHERSOCK", "NOTHSOCK", UNIT_ITEMS, "sockets other than TCP's",
		.note = SOCKETS },
	[RESOURCE_DCACHESIZE] = { "dcachesize", "DCACHESIZE", "DCACHESZ", UNIT_BYTES, "cache of file names and inodes",
		.note = MEMORY_PART },
	[RESOURCE_NUMFILE] = { "numfile", "NUMFILE", "NFILE", UNIT_ITEMS, "open files",
		.rlimit = RLIMIT_NOFILE,
		.note = EACH_PROCESS },
	[RESOURCE_NUMIPTENT] = { "numiptent", "NUMIPTENT", "NIPTENT", UNIT_ITEMS, "rules of iptables",
		.note = NO_LIMIT },
	[RESOURCE_SWAPPAGES] = { "swappages", "SWAPPAGES", "SWAPP", UNIT_PAGES, "swap space, the same as --swap",
		.v1 = "memory.memsw.limit_in_bytes", .v2 = "memory.swap.max",
		.note = "has an effect together with physpages; with v1 the sum of both is limited" },
	[RESOURCE_AVNUMPROC] = { "avnumproc", "AVNUMPROC", NULL, UNIT_ITEMS, "processes on average",
		.note = NO_LIMIT },
	[RESOURCE_VM_OVERCOMMIT] = { "vm_overcommit", "VM_OVERCOMMIT", NULL, UNIT_FACTOR, "privvmpages as a multiple of memory and swap",
		.most = 1000,
		.note = NO_LIMIT },
	[RESOURCE_CPUUNITS] = { "cpuunits", "CPUUNITS", "CPUUNI", UNIT_NUMBER, "share of the processors; 1000 is what others have",
		.least = 8, .most = 500000, .v1 = "cpu.shares", .v2 = "cpu.weight" },
	[RESOURCE_CPULIMIT] = { "cpulimit", "CPULIMIT", "CPULIM", UNIT_PERCENT, "time of processors; 100% is one, 0 is no limit",
		.most = 1000000, .v1 = "cpu.cfs_quota_us", .v2 = "cpu.max" },
	[RESOURCE_CPUS] = { "cpus", "CPUS", "CPUS", UNIT_COUNT, "number of processors; 0 is no limit",
		.most = 8192, .v1 = "cpu.cfs_quota_us", .v2 = "cpu.max",
		.note = "limits time, as a cpulimit of 100% for each; the VE sees all processors" },
	[RESOURCE_CPUMASK] = { "cpumask", "CPUMASK", "CPUMASK", UNIT_LIST, "on which processors it may run",
		.most = 8191, .v1 = "cpuset.cpus", .v2 = "cpuset.cpus" },
	[RESOURCE_NODEMASK] = { "nodemask", "NODEMASK", "NODEMASK", UNIT_LIST, "of which NUMA nodes it may have memory",
		.most = 1023, .v1 = "cpuset.mems", .v2 = "cpuset.mems",
		.note = "is of memory alone; which processors it may use is for cpumask" },
	[RESOURCE_IOPRIO] = { "ioprio", "IOPRIO", "IOP", UNIT_NUMBER, "priority on disks; 4 is what others have, 7 is highest",
		.most = 7, .v1 = "blkio.bfq.weight", .v2 = "io.bfq.weight",
		.note = "has an effect on disks whose scheduler is bfq" },
	[RESOURCE_IOLIMIT] = { "iolimit", "IOLIMIT", "IOLIMIT", UNIT_RATE, "bytes a second on disks; without a letter megabytes",
		.v1 = "blkio.throttle.read_bps_device blkio.throttle.write_bps_device", .v2 = "io.max",
		.note = "holds for reading and for writing, and on each disk of the VE; with v1 not for what is written later" },
	[RESOURCE_IOPSLIMIT] = { "iopslimit", "IOPSLIMIT", "IOPSLIMIT", UNIT_COUNT, "operations a second on disks",
		.v1 = "blkio.throttle.read_iops_device blkio.throttle.write_iops_device", .v2 = "io.max",
		.note = "holds for reading and for writing, and on each disk of the VE; with v1 not for what is written later" },
};
/* clang-format on */

uint64_t page_size(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- what is allowed --------------------------------------------------------------------------------- */

bool resource_is_pair(const struct resource *resource)
{
	return resource->unit <= UNIT_BYTES;
}

#define OR_PAIR \
	"or \"unlimited\"; or two of these as BARRIER:LIMIT, the second not less than the first"
#define OR_NONE "0 or \"unlimited\" is no limit"
#define LETTERS "with T, G, M, K, P (pages) or B (bytes) behind it"

char *resource_wanted(const struct resource *resource)
{
	switch (resource->unit) {
	case UNIT_ITEMS:
		return xstrdup("a number, " OR_PAIR);
	case UNIT_PAGES:
		return xstrdup("a number of pages, a size " LETTERS ", " OR_PAIR);
	case UNIT_BYTES:
		return xstrdup("a number of bytes, a size " LETTERS ", " OR_PAIR);
	case UNIT_PERCENT:
		return xasprintf("a number from 1 to %u, with or without \"%%\"; " OR_NONE,
				 resource->most);
	case UNIT_RATE:
		return xstrdup("a size " LETTERS "; " OR_NONE);
	case UNIT_COUNT:
		return resource->most ? xasprintf("a number from 1 to %u; " OR_NONE, resource->most)
				      : xstrdup("a number; " OR_NONE);
	case UNIT_LIST:
		return xasprintf(
			"numbers up to %u and ranges of them with commas between, as 0-3,8, "
			"or \"all\"",
			resource->most);
	case UNIT_NUMBER:
	case UNIT_FACTOR:
		break;
	}
	return xasprintf("a number from %u to %u", resource->least, resource->most);
}

static int refuse(const struct resource *resource, const char *name, const char *text,
		  struct error *err)
{
	autofree char *wanted = resource_wanted(resource);
	return error_set(err, ERROR_VALUE, "%s cannot be \"%s\": it is %s", name, text, wanted);
}

const char *resource_argument(const struct resource *resource)
{
	static const char *const words[] = {
		[UNIT_ITEMS] = "N[:N]",
		[UNIT_PAGES] = "PAGES[:PAGES]",
		[UNIT_BYTES] = "BYTES[:BYTES]",
		[UNIT_NUMBER] = "N",
		[UNIT_PERCENT] = "PERCENT",
		[UNIT_RATE] = "SIZE",
		[UNIT_COUNT] = "N",
		[UNIT_LIST] = "LIST",
		[UNIT_FACTOR] = "N",
	};
	return words[resource->unit];
}

/* ---- reading them ------------------------------------------------------------------------------------ */

/* Pages are rounded up; only what is a size of something can have a letter. */
static int parse_amount(const struct resource *resource, const char *text, size_t length,
			uint64_t *ret)
{
	char unit;
	bool sized = resource->unit == UNIT_PAGES || resource->unit == UNIT_BYTES ||
		     resource->unit == UNIT_RATE;
	if (length == strlen("unlimited") && !memcmp(text, "unlimited", length)) {
		*ret = RESOURCE_UNLIMITED;
		return 0;
	}
	if (quantity_parse(text, length, ret, &unit) < 0 || (unit && !sized))
		return -1;
	if (unit && resource->unit == UNIT_PAGES)
		*ret = *ret / page_size() + (*ret % page_size() != 0);
	return 0;
}

static int parse_pair(const struct resource *resource, const char *text, struct resource_value *ret)
{
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);
	const char *limit = colon ? colon + 1 : text;
	if (parse_amount(resource, text, length, &ret->barrier) < 0 ||
	    parse_amount(resource, limit, strlen(limit), &ret->limit) < 0)
		return -1;
	return ret->barrier > ret->limit || ret->limit < resource->least ? -1 : 0;
}

static int parse_number(const struct resource *resource, const char *text,
			struct resource_value *ret)
{
	size_t length = strlen(text);
	if (resource->unit == UNIT_PERCENT && length > 1 && text[length - 1] == '%')
		length--;
	if (parse_amount(resource, text, length, &ret->limit) < 0)
		return -1;
	if (resource->unit != UNIT_NUMBER && ret->limit == 0)
		ret->limit = RESOURCE_UNLIMITED;
	ret->barrier = ret->limit;
	bool none = resource->unit != UNIT_NUMBER && ret->limit == RESOURCE_UNLIMITED;
	if (!none && resource->most && ret->limit > resource->most)
		return -1;
	return ret->limit < resource->least ? -1 : 0;
}

static int parse_list(const struct resource *resource, const char *text, struct resource_value *ret)
{
	const char *at = text;
	if (!strcmp(text, "all"))
		return 0;
	for (bool more = true; more;) {
		unsigned long range[2];
		for (int i = 0; i < 2; i++) {
			char *end;
			if (!isdigit((unsigned char)*at))
				return -1;
			range[i] = strtoul(at, &end, 10);
			at = end;
			if (range[i] > resource->most)
				return -1;
			if (i == 0 && *at != '-')
				range[i = 1] = range[0];
			else if (i == 0)
				at++;
		}
		if (range[1] < range[0])
			return -1;
		more = *at == ',';
		at += more;
	}
	if (*at)
		return -1;
	ret->list = xstrdup(text);
	return 0;
}

static int parse_factor(const struct resource *resource, const char *text)
{
	char *end;
	double value = strtod(text, &end);
	bool decimal = isdigit((unsigned char)*text) && !text[strspn(text, "0123456789.")];
	return decimal && !*end && value <= resource->most ? 0 : -1;
}

int resource_parse(const struct resource *resource, const char *text, struct resource_value *ret)
{
	struct resource_value found = { .set = true,
					.barrier = RESOURCE_UNLIMITED,
					.limit = RESOURCE_UNLIMITED };
	int result = resource_is_pair(resource)      ? parse_pair(resource, text, &found)
		     : resource->unit == UNIT_LIST   ? parse_list(resource, text, &found)
		     : resource->unit == UNIT_FACTOR ? parse_factor(resource, text)
						     : parse_number(resource, text, &found);
	if (result < 0)
		return -1;
	free(ret->list);
	*ret = found;
	return 0;
}

int resource_check(const struct resource *resource, const char *name, const char *text,
		   struct error *err)
{
	struct resource_value value = { 0 };
	if (resource_parse(resource, text, &value) < 0)
		return refuse(resource, name, text, err);
	free(value.list);
	return 0;
}

int resource_of_option(const struct resource *resource, const char *text, char **ret,
		       struct error *err)
{
	bool plain = *text && !text[strspn(text, "0123456789.")] && strcmp(text, "0") != 0;
	autofree char *option = xasprintf("--%s", resource->name);
	autofree char *whole =
		xasprintf("%s%s", text, resource->unit == UNIT_RATE && plain ? "M" : "");
	if (resource_check(resource, "", whole, NULL) < 0)
		return refuse(resource, option, text, err);
	*ret = steal_ptr(whole);
	return 0;
}
