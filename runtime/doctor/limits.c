/* Limits by number, as rows. What a VE takes of each is an estimate, for one with systemd and a few services. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/doctor/doctor.h"

/* What all VEs share. */
static const struct {
	const char *name; /* of the sysctl */
	uint64_t each, host; /* for a VE, and for the host itself */
	const char *what;
} shared[] = {
	{ "kernel.pid_max", 60, 2000, "processes and threads" },
	{ "kernel.threads-max", 60, 2000, "processes and threads" },
	{ "kernel.pty.max", 4, 64, "terminals, of which each VE's console is one" },
	{ "fs.file-max", 2000, 20000, "open files" },
	{ "net.ipv4.neigh.default.gc_thresh3", 4, 256, "neighbours, in all VEs together" },
	{ "net.ipv6.neigh.default.gc_thresh3", 4, 256, "neighbours, in all VEs together" },
	{ "net.netfilter.nf_conntrack_max", 256, 4096, "connections that the host tracks" },
	/* Past it, the filters that a VE's systemd gives its services are refused, and these do not start. */
	{ "net.core.bpf_jit_limit", 512 << 10, 16 << 20, "bytes of services' system call filters" },
	{ "fs.aio-max-nr", 64, 4096, "asynchronous reads and writes, as databases ask for them" },
};

/* What holds for each VE alone, since each has users of its own. */
static const struct {
	const char *name;
	uint64_t least;
	const char *what;
} each[] = {
	{ "user.max_user_namespaces", 64, "user namespaces" },
	{ "user.max_pid_namespaces", 64, "process namespaces" },
	{ "user.max_net_namespaces", 64, "network namespaces" },
	{ "fs.inotify.max_user_instances", 64,
	  "inotify instances, of which systemd alone takes eight" },
	{ "fs.inotify.max_user_watches", 8192, "inotify watches" },
	{ "kernel.keys.maxkeys", 200, "keys of a user" },
	{ "kernel.keys.maxbytes", 20000, "bytes of a user's keys" },
};

/* Powers of two, as people set them. */
static uint64_t round_up(uint64_t value)
{
	uint64_t power = 1;
	while (power < value)
		power <<= 1;
	return power;
}

static void check_shared(struct doctor *doctor, size_t i)
{
	uint64_t value, wanted = doctor->ves * shared[i].each + shared[i].host;
	const char *name = shared[i].name;
	if (!doctor_sysctl(doctor, name, &value))
		return;
	uint64_t ves = value > shared[i].host ? (value - shared[i].host) / shared[i].each : 0;
	bool few = value < wanted;
	doctor_add(doctor, few ? DOCTOR_WARN : DOCTOR_OK, name, xasprintf("%" PRIu64, value),
		   xasprintf("%s: enough for about %" PRIu64 " VEs", shared[i].what,
			     ves < 1000000 ? ves : 1000000),
		   few ? doctor_assignment(name, round_up(wanted)) : NULL);
}

static void check_each(struct doctor *doctor, size_t i)
{
	uint64_t value;
	const char *name = each[i].name;
	if (!doctor_sysctl(doctor, name, &value))
		return;
	bool few = value < each[i].least;
	/* Without user namespaces there is no VE at all. */
	bool none = !value && strstr(name, "_namespaces");
	doctor_add(doctor,
		   none  ? DOCTOR_FAIL
		   : few ? DOCTOR_WARN
			 : DOCTOR_OK,
		   name, xasprintf("%" PRIu64, value), xasprintf("for each VE: %s", each[i].what),
		   few ? doctor_assignment(name, round_up(each[i].least)) : NULL);
}

/* As much as a VE with systemd takes that does nothing. */
static void check_memory(struct doctor *doctor)
{
	enum { EACH_KB = 16384 };
	uint64_t kb = 0;
	char line[256];
	autofree char *path = xasprintf("%s/proc/meminfo", doctor->root);
	autofclose FILE *file = fopen(path, "re");
	while (file && !kb && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kb) != 1)
			kb = 0;
	if (!kb)
		return;
	uint64_t ves = kb / EACH_KB;
	bool few = ves < doctor->ves;
	doctor_add(doctor, few ? DOCTOR_WARN : DOCTOR_OK, "memory",
		   xasprintf("%" PRIu64 " MiB available", kb / 1024),
		   xasprintf("enough for about %" PRIu64 " more VEs that do nothing", ves),
		   few ? xstrdup("more memory, or fewer VEs") : NULL);
}

void doctor_limits(struct doctor *doctor)
{
	for (size_t i = 0; i < sizeof(shared) / sizeof(*shared); i++)
		check_shared(doctor, i);
	for (size_t i = 0; i < sizeof(each) / sizeof(*each); i++)
		check_each(doctor, i);
	check_memory(doctor);
}
