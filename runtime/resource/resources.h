/* The resource parameters of one VE: as its configuration has them, as they were given, as they hold for a VE that runs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/error.h"
#include "base/host.h"
#include "runtime/config/ve_state.h"
#include "runtime/config/resource.h"

enum { PROCESSES_DEFAULT = 4096 /* of a VE without NUMPROC */ };

struct resources {
	struct resource_value values[RESOURCE_COUNT];
};

#define RESOURCES_INIT ((struct resources){ 0 })

/* From CTID.conf (`own`), and what it does not have from vz.conf. ERROR_PARSE with file and key for the first mistake. */
int resources_load(const struct host_config *host, const struct conf *own, struct resources *ret,
		   struct error *err);

/* Takes over what is given, of whatever else is in it. ERROR_VALUE. */
int resources_give(struct resources *resources, const struct conf *given, struct error *err);

/* "NUMPROC=200:200 CPUMASK=0-1", for the VE's state file; to be freed. Reading it is ERROR_PARSE if that is of another vzctl. */
char *resources_text(const struct resources *resources);
int resources_parse(const char *text, struct resources *ret, struct error *err);

/* Those that hold: of a VE that runs as its state has them, and otherwise, or if that is not known, as its configuration has them. */
int resources_now(const struct host_config *host, const struct conf *own,
		  const struct ve_state *state, struct resources *ret, struct error *err);

void resources_copy(struct resources *to, const struct resources *from);
void resources_release(struct resources *resources);

/* Whether it is set, and not to "unlimited" or what OpenVZ's tools write for that. */
bool resource_is_limited(const struct resources *resources, enum resource_id id);

/* What the whole VE may use, in bytes; RESOURCE_UNLIMITED. Where there are beancounters of the older kind only, it is private memory
 * and the kernel's. Swap space is what may be used of it in addition. */
uint64_t resources_memory(const struct resources *resources);
uint64_t resources_swap(const struct resources *resources);

/* Whether this host has what is asked for by number: ERROR_VALUE. */
int resources_check_host(const struct resources *resources, struct error *err);
