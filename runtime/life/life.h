/*
 * The life of a VE. Each function takes the VE's lock, puts right what an interrupted one left
 * (cleanup.h), and does its own work so that it can be put right in turn.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/conf_edit.h"
#include "base/error.h"
#include "base/host.h"
#include "base/lock.h"
#include "base/report.h"
#include "base/strbuf.h"
#include "base/strvec.h"
#include "runtime/area/private.h"
#include "runtime/area/snapshot.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_quota.h"
#include "runtime/config/ve_state.h"
#include "runtime/life/action.h"

struct life {
	const struct host_config *host;
	struct report *report;
	unsigned ctid;
	unsigned timeout_s; /* for the lock */
	bool with_host; /* the host goes down, and comes up again: was_running.h */
	bool force; /* a VE that is disabled is started, too */

	/* Runs the action scripts of start or stop in a VE that runs: runtime/access/script.h. NULL: they are not run. */
	int (*run_inside)(const struct life *life, const struct ve_config *config,
			  enum action_kind kind, struct error *err);
};

struct life_create {
	const char *ostemplate; /* NULL: DEF_OSTEMPLATE */
	const char *hostname, *name, *private_area, *root, *config; /* NULL: not given */
	const char *layout; /* NULL: VE_LAYOUT, or overlay and else simfs as the host can */
	const char *diskspace, *diskinodes, *quotaugidlimit;
	const struct strvec *addresses, *nameservers;
	bool build; /* the template, if it has no cache */
	bool bundled_init; /* for a template that has no init */
};

/* ERROR_VE_EXISTS, ERROR_VE_NAME, ERROR_NO_BUILD, ERROR_NO_INIT, ERROR_CREATE, … */
int life_create(const struct life *life, const struct life_create *create, struct error *err);

/* ERROR_RUNNING, ERROR_MOUNTED. CTID.conf stays as CTID.conf.destroyed. */
int life_destroy(const struct life *life, struct error *err);

/* ERROR_RUNNING if it runs; one that is suspended is resumed. Back when its init has been executed. ERROR_SCRIPT: an action script failed, and it does not run. */
int life_start(const struct life *life, struct error *err);

/* ERROR_NOT_RUNNING if it does not run. `fast`: without asking its init. ERROR_SCRIPT: it is stopped, but an action script failed. */
int life_stop(const struct life *life, bool fast, struct error *err);

/* Stops it if it runs, and starts it. */
int life_restart(const struct life *life, bool fast, struct error *err);

/* Its processes are written to disk, and it is stopped: they go on from there when it is resumed, started or stopped, also after the host was
 * booted again. ERROR_NOT_RUNNING, ERROR_SUSPEND, ERROR_TECHNOLOGY: CRIU is missing, or says that it cannot do it. */
int life_dump(const struct life *life, struct error *err);

/* Its processes stand still in memory until it is resumed, started or stopped. ERROR_NOT_RUNNING, ERROR_SUSPEND. */
int life_suspend(const struct life *life, struct error *err);

/* ERROR_RUNNING, ERROR_RESUME. */
int life_resume(const struct life *life, struct error *err);

/* For the monitor: takes away what is left of the VE whose init was `init`, and starts it again if `reboot`. If that has
 * been dealt with by somebody else meanwhile, it does nothing. */
int life_reap(const struct life *life, pid_t init, bool reboot, struct error *err);

/* A VE that runs has a monitor afterwards, if it had none. ERROR_NOT_RUNNING. */
int life_monitor(const struct life *life, struct error *err);

/* Shows a stopped VE at VE_ROOT, ids as on disk. ERROR_RUNNING, ERROR_MOUNTED, ERROR_NOT_MOUNTED, ERROR_SCRIPT. */
int life_mount(const struct life *life, struct error *err);
int life_umount(const struct life *life, struct error *err);

/* NULL: not given. */
struct life_set {
	const struct strvec *ip_add, *ip_del; /* "all" deletes all; deleting comes first */
	const struct strvec *netif_add,
		*netif_del; /* as OpenVZ's; "all" deletes all; deleting comes first */
	const char *
		ifname; /* whose settings these are, by the keys of net/netif.h; one of "" is made up */
	const struct conf *netif_settings;
	const struct strvec *nameservers, *searchdomains; /* instead of those before */
	const char *hostname, *name;
	const char *diskspace, *diskinodes, *quotaugidlimit;
	const struct strvec *quotas[QUOTA_KINDS]; /* NAME or NUMBER,diskspace=…,diskinodes=… */
	const char *sample; /* what this one says, but for what is given besides */
	const struct conf *kept; /* other keys of CTID.conf; "" takes one away */
	const struct conf *resources; /* by key, as in a configuration (config/resource.h) */
	bool reset_resources; /* to what the configuration says */
	bool save; /* into CTID.conf; else it holds until the VE stops */
};

/* Applies to a running VE at once. ERROR_ADDRESS, ERROR_ADDRESS_USED, ERROR_VE_NAME, ERROR_VALUE, ERROR_SAMPLE, ERROR_SAVE, … */
int life_set(const struct life *life, const struct life_set *set, struct error *err);

/* Brings the files of a stopped VE into that layout. ERROR_RUNNING, ERROR_MOUNTED, ERROR_CONVERT, … */
int life_convert(const struct life *life, const char *layout, struct error *err);

struct life_snapshot {
	const char *id; /* NULL: a new one */
	const char *name, *description; /* may be NULL */
	bool skip_config; /* the configuration is not part of it */
};

/* Of a VE that runs, too: it stands still meanwhile. *id is that of the snapshot. ERROR_SNAPSHOT, … */
int life_snapshot(const struct life *life, const struct life_snapshot *request,
		  char id[SNAPSHOT_ID_SIZE], struct error *err);

struct life_snapshot_switch {
	const char *id;
	bool skip_config; /* the configuration stays as it is */
	bool skip_resume; /* a VE that ran is not started again */
};

/* The VE gets the files that it had. If it runs it is killed. ERROR_SNAPSHOT_SWITCH, ERROR_MOUNTED, … */
int life_snapshot_switch(const struct life *life, const struct life_snapshot_switch *request,
			 struct error *err);

/* ERROR_SNAPSHOT_DELETE, … */
int life_snapshot_delete(const struct life *life, const char *id, struct error *err);

/*
 * The files of a snapshot at the folder `target` of the host, which is there; others see them there, too. They cannot be changed: read-only, nodev, nosuid, ids as
 * on disk. The VE may run. *where is the folder's full path, to be freed. ERROR_VALUE, ERROR_MOUNTED, ERROR_MOUNT.
 */
int life_snapshot_mount(const struct life *life, const char *id, const char *target, char **where,
			struct error *err);

/* ERROR_VALUE, ERROR_NOT_MOUNTED, ERROR_UMOUNT. */
int life_snapshot_umount(const struct life *life, const char *id, struct error *err);

struct life_status {
	bool exists, mounted, running;
	bool suspended; /* its processes stand still: in memory if it is running, else on disk */
};

/* Without the lock: what is true now. */
int life_status(const struct host_config *host, unsigned ctid, struct life_status *ret,
		struct error *err);

/* ---- for the files of this folder ------------------------------------------------------------------ */

/* A VE under lock, with what is true of it. */
struct held {
	struct lock lock;
	struct ve_config config;
	struct ve_state state;
};

#define HELD_INIT \
	((struct held){ .lock = LOCK_INIT, .config = VE_CONFIG_INIT, .state = VE_STATE_INIT })

/* Takes the lock and reconciles; without configuration if `exists` is false. */
int held_take(const struct life *life, bool exists, struct held *held, struct error *err);
void held_release(struct held *held);

/* For an error: "running", or "suspended" if its processes do not move. */
const char *held_doing(const struct held *held);

/* Its processes are on disk: they go on from there. */
struct launch;
struct dump;
int restore_held(const struct life *life, struct held *held, const struct launch *launch,
		 const struct dump *dump, struct error *err);

/* ERROR_SUSPEND, ERROR_NOT_RUNNING, ERROR_TECHNOLOGY: then it goes on. */
int dump_held(const struct life *life, struct held *held, struct error *err);

int resume_held(const struct life *life, struct held *held, struct error *err);
int start_held(const struct life *life, struct held *held, struct error *err);
int stop_dumped_held(const struct life *life, struct held *held, bool fast, struct error *err);
int stop_held(const struct life *life, struct held *held, bool fast, struct error *err);
bool is_mounted(const char *root);
int umount_root(const char *root, struct error *err);
int umount_held(const struct life *life, const struct held *held, struct error *err);

/* Writes CTID.conf: `text`, changed so. It appears whole, and what it says of the VE is true from then on. */
int publish_config(const struct life *life, const struct strbuf *text,
		   const struct conf_change *changes, size_t count, struct error *err);

/* The keys of CTID.conf that say where the VE's files are; no more than DISK_CHANGES. `project` holds a number for as long as `changes` are used. */
enum { DISK_CHANGES = 3 };
size_t disk_changes(const struct ve_disk *which, char project[16], struct conf_change *changes);

/* Why it cannot be that a VE's files are brought elsewhere or removed, or 0. */
int check_at_rest(const struct life *life, const struct held *held, struct error *err);

/* ERROR_MOUNTED if that snapshot, or with NULL any of the VE's, is mounted (life_snapshot_mount()). */
int check_unshown(const struct life *life, const struct ve_config *config, const char *id,
		  struct error *err);

/* A stopped VE's files into another disk, which takes the place of the one before when it is whole and on disk. */
struct rewrite {
	enum ve_layout layout;
	const struct layer *layer; /* if it becomes an overlay that it was not; else NULL */
	const struct disk_limits *limits;
	const struct conf_change *changes; /* what else is to be in CTID.conf then */
	size_t change_count;
};

int rewrite_held(const struct life *life, struct held *held, const struct rewrite *rewrite,
		 struct error *err);

/* "set --diskspace", "--diskinodes" and "--quotaugidlimit", and what a sample says of them. `held` has the changed configuration. */
int disk_set_held(const struct life *life, const struct life_set *set, const struct conf *changes,
		  struct held *held, struct error *err);

/* Applies the limits that CTID.conf has, before the VE is started; says what is not held. */
int disk_start_held(const struct life *life, const struct held *held,
		    const struct private_area *area, struct error *err);
