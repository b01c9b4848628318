/* A VE that runs, to go into: what runtime/access and "set" stand on. */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "runtime/cgroup.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"
#include "runtime/entry.h"

struct running {
	struct ve_config config;
	struct ve_state state;
	int pidfd; /* of its init */
	struct cgroup group; /* to be joined; not ours to remove */
	void *confine; /* runtime/confine.h */
};

/* ERROR_NO_VE, ERROR_NOT_RUNNING, ERROR_SUSPENDED. Takes no lock: entering a VE waits for nobody, and a VE that ends meanwhile
 * is an error of entry_fork(). */
int running_open(const struct host_config *host, unsigned ctid, struct running *ret,
		 struct error *err);
void running_release(struct running *running);

/* The same without the groups, which are to be opened by the caller if it is to be gone into; also of one that is suspended. */
int running_find(const struct host_config *host, unsigned ctid, struct running *ret,
		 struct error *err);

/*
 * Runs a function of ours inside, as root of the VE in all its namespaces, but not restricted by
 * confine_apply(), which it must do itself before it executes anything of the VE's; waits for it. Its error,
 * if it returns -1, arrives in *err. `keep` are descriptors that stay open in it beside 0 to 2,
 * which are /dev/null; everything else is closed.
 */
typedef int running_function(void *data, struct error *err);
int running_call(const struct running *running, running_function *function, void *data,
		 const int *keep, size_t keep_count, struct error *err);
