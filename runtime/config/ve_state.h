/*
 * What a VE is doing, as a file: LOCKDIR/CTID.state, written before each step that leaves something behind,
 * so that after a crash the next command knows what to finish or to take away. No file: it is
 * stopped and nothing is left of it. Facts in it hold for one boot of the host; a file of an earlier one
 * (/run is not a tmpfs everywhere, and LOCKDIR is none) says only that something may be left on disk.
 *
 * Written by the holder of the VE's lock alone; read by anybody.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/host.h"
#include "base/lock.h"
#include "base/strbuf.h"
#include "base/strvec.h"

enum ve_phase {
	VE_STOPPED, /* no file */
	VE_CREATING, /* private_area is to be removed */
	VE_STARTING,
	VE_RUNNING,
	VE_STOPPING,
	VE_DESTROYING, /* is to be completed */
	VE_DUMPED, /* suspended to disk: ve_dump.h; its block of ids stays its own */
	VE_MIGRATING, /* another host has it, or may have it: runtime/migrate */
	VE_PHASES
};

/* A process, so that another one of the same number is not taken for it (proc(5), starttime). */
struct ve_process {
	pid_t pid; /* 0: none */
	uint64_t start; /* clock ticks since boot */
};

struct ve_state {
	enum ve_phase phase;
	bool this_boot;
	struct ve_process init, monitor;
	unsigned ids_base; /* 0: none allotted */
	struct strvec groups; /* control groups to be removed: absolute folders */
	char *resources; /* limits that hold, resource/resources.h; NULL: none are known */
	char *device; /* of venet on the host; NULL: none */
	char *netifs; /* bridged interfaces that are there, net/netif.h; NULL: none */
	bool rated; /* its traffic is limited by devices of the host */
	struct strvec neighbours; /* entries on the host's devices, net/neighbour.h */
	char *private_area; /* being created or destroyed */
	bool frozen; /* by a command, for as long as that takes */
	bool suspended; /* its processes stand still until it is resumed */
};

#define VE_STATE_INIT ((struct ve_state){ .groups = STRVEC_INIT, .neighbours = STRVEC_INIT })

/* No file is VE_STOPPED. A file that cannot be understood is ERROR_PARSE. */
int ve_state_load(const struct host_config *host, unsigned ctid, struct ve_state *ret,
		  struct error *err);

/* VE_STOPPED removes the file. */
int ve_state_save(const struct host_config *host, unsigned ctid, const struct ve_state *state,
		  struct error *err);
void ve_state_release(struct ve_state *state);

/* The VE's devices on the host, appended: of venet and bridged ones. ERROR_VALUE. */
int ve_state_devices(const struct ve_state *state, struct strvec *names, struct error *err);

/* A word for this boot of the host; to be freed. */
char *ve_state_boot(void);

/* Replaces LOCKDIR/`name`, where `dir` is, for the holder of the VE's lock. `durable`: it outlives a power loss. */
int ve_state_replace(int dir, const char *name, const struct strbuf *text, bool durable,
		     struct error *err);

/* A process of this boot that has not ended (a zombie has). */
bool ve_process_alive(const struct ve_state *state, const struct ve_process *process);
struct ve_process ve_process_of(pid_t pid);

/* A descriptor of it (pidfd_open(2)) that is certainly of this process; -1 if it has ended. */
int ve_process_open(const struct ve_process *process);

/* Takes the VE's lock. `timeout_s` as in base/lock.h. */
int ve_lock(const struct host_config *host, unsigned ctid, unsigned timeout_s,
	    lock_waiting_fn *waiting, void *data, struct lock *lock, struct error *err);
