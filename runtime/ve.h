/*
 * The VE runtime's face to the rest of the project: a VE that lives as long as the caller wants it,
 * made from a plain tree.
 *
 *	struct ve *ve;
 *	if (ve_start(&spec, &ve, err) < 0) …
 *	if (ve_run(ve, &command, &result, err) < 0) …	any number of times
 *	ve_free(ve);					kills everything in it, nothing is left
 *
 * The VE has its own user (ids 0…65535 mapped to a free block), pid, mount, network, IPC, UTS and
 * cgroup namespace. Its root is an idmapped mount of the tree, so ids on disk stay as they are. It
 * has its own /dev (tmpfs; null zero full random urandom tty, pts, shm), /proc, /sys (read-only) and
 * /tmp and /run (tmpfs), no network but a loopback that is up, and a static init as PID 1 that reaps.
 * The folders dev, proc, run, sys and tmp are made in the tree if they are not there, and stay.
 *
 * Its root has no CAP_SYS_ADMIN, and a system call filter refuses mounting, new namespaces, modules and
 * the like; set-user-id programs work (no_new_privs is not set), since package scripts use them.
 * Nodes that scripts make (mknod) are made for them if they are harmless, and work in /dev only.
 * PID 1 has another root, so that ischroot(1) says yes and packages do not look for services.
 *
 * All is gone when PID 1 dies, and PID 1 dies with the thread that called ve_start().
 *
 * Needs root and Linux ≥ 5.12 (idmapped mounts; tmpfs ≥ 6.3). Where the kernel refuses, the error is
 * ERROR_CONTAINER and says what and what to do; nothing falls back to less isolation silently.
 * The calling process must be single-threaded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct ve;

/* A file or folder of the host shown inside, without what is mounted below it. The target is made
 * (empty) if it is not there, and an empty one that was made is removed again from the tree by
 * ve_free(); so a tree is for one VE at a time. A read-only one keeps the ids of the host: what the VE
 * shall read must be readable for all. A writable one has its ids mapped like the tree. */
struct ve_bind {
	const char *source; /* absolute path on the host */
	const char *target; /* absolute path in the VE */
	bool writable; /* else read-only; always nodev, nosuid */
};

enum ve_root_kind {
	/* The tree is the root. */
	VE_ROOT_TREE,
	/* The host's /usr (read-only) with the usual links into it, an empty /etc but for what its
	 * programs need to run, and the tree at `tree_target`: for template scripts that run with
	 * the host's programs. Nothing else of the host can be seen. */
	VE_ROOT_HOST_TOOLS,
	/* A mount that `mount` makes: the tree of a VE that stays and does not run, as ids on the host. What is made in it for this
	 * VE is taken out of it by ve_end(), the folders too, and what programs for 32 bits are told is as its /sbin/init is. */
	VE_ROOT_MOUNT,
};

enum { VE_PIDS_DEFAULT = 4096 };

struct ve_spec {
	const char *name; /* a word: cgroup folders, messages */
	const char *hostname; /* NULL: "localhost" */
	enum ve_root_kind root_kind;
	int tree; /* directory descriptor; not for VE_ROOT_MOUNT */
	const char *tree_target; /* VE_ROOT_HOST_TOOLS: "/vz/root/1" */

	/* VE_ROOT_MOUNT: called in a process of its own that has the host's namespaces and may take others. Returns a descriptor
	 * of a mount that is in no place, nodev, in which the ids from `base` on are its root's and so on; `userns` maps them
	 * so. `ids_base`: with these ids, which are the VE `ids_owner`'s; 0: any. */
	int (*mount)(const void *data, int userns, unsigned base, struct error *err);
	const void *mount_data;
	unsigned ids_base, ids_owner;

	const char *arch; /* "i386" on a 64-bit host: personality and system calls of both */
	const char *init; /* path of the static init program on the host */
	const char *lock_dir; /* where id blocks are allotted, shared by all VEs of the host */
	const struct ve_bind *binds;
	size_t bind_count;
	/* A limit that was asked for and that the kernel has no controller for is an error. Without a
	 * controller for processes, each user in the VE may have so many. */
	uint64_t memory_max; /* bytes; 0: half of the host's */
	unsigned pids_max; /* 0: VE_PIDS_DEFAULT */

	/* fsync, sync and their relatives succeed without doing anything, for every architecture
	 * that the VE can run: for building a template, never for a tenant's VE. */
	bool no_sync;

	/* Memory is laid out alike each time: what programs write of it without having set it (Berkeley DB does) is then
	 * the same in every build. Never for a tenant's VE. */
	bool fixed_addresses;
};

int ve_start(const struct ve_spec *spec, struct ve **ret, struct error *err);

struct ve_command {
	const char *const *argv; /* NULL-terminated; argv[0] is looked up in the command's PATH */
	const char *const
		*env; /* NULL-terminated, complete; NULL: PATH, HOME, TERM=dumb, LANG=C.UTF-8 */
	const char *cwd; /* NULL: "/" */
	int script; /* descriptor of a script to run as argv[0] (which then only names
				 * it), or -1; it need not exist in the VE. It sees itself as
				 * /run/vz-script/NAME, by the last part of argv[0] */
	int input; /* standard input, or -1 for /dev/null */
	unsigned time_limit_s; /* 0: none; then the whole VE is killed: ERROR_TIME_LIMIT */

	/* Receives standard output and error together, a line at a time without its newline; NULL:
	 * dropped. The last `VE_OUTPUT_KEPT` bytes are kept for ve_result.output in any case. */
	void (*line)(const char *line, void *data);
	void *data;
};

enum { VE_OUTPUT_KEPT = 8192 };

struct ve_result {
	int status; /* as of waitpid(2) */
	char *output; /* the end of what it printed; owned by the caller */
};

/* Runs one command to its end, with no descriptor of ours open but 0, 1 and 2. What it left in the
 * background goes on until ve_free(). -1 means that it could not be run, or was stopped by the time
 * limit or by a signal to us; how it ended by itself is in *ret. After ERROR_EXEC the VE goes on, after
 * any other error it has ended and can only be freed. */
int ve_run(struct ve *ve, const struct ve_command *command, struct ve_result *ret,
	   struct error *err);

/*
 * Runs a function of ours in a forked child inside the VE's namespaces, as its root, with its root
 * as "/", keeping the descriptors in keep_fds open. What it writes with write() to `channel` arrives
 * in `receive` piece by piece. Processes that it leaves behind live on in the VE. For package managers that are a library. After `time_limit_s` (0: none) the whole VE
 * is killed: ERROR_TIME_LIMIT.
 */
typedef int ve_function(void *data, int channel, struct error *err);
int ve_call(struct ve *ve, ve_function *function, void *data, const int *keep_fds,
	    size_t keep_count, void (*receive)(const void *bytes, size_t size, void *data),
	    unsigned time_limit_s, struct error *err);

/* Its root, to be read with open_in_root() while it lives; with what is mounted in it (/dev, /proc, /run, /sys, /tmp, the binds) if it is
 * a VE_ROOT_MOUNT. Borrowed. */
int ve_tree(const struct ve *ve);

/* Kills every process in it, waits until they are gone, and takes out of the tree what was made there for it; who goes
 * on with the tree asks whether that worked. Then it can only be freed. */
int ve_end(struct ve *ve, struct error *err);

/* The same, and removes its cgroups and its id block. */
void ve_free(struct ve *ve);
void ve_freep(struct ve **ve);

/* Removes cgroups and id blocks of VEs whose owner is gone (killed, power loss). Returns how many. */
unsigned ve_sweep(const char *lock_dir);
