/* A stopped VE at VE_ROOT, and its status. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/config/ve_dump.h"
#include "runtime/area/private.h"
#include "runtime/life/action.h"
#include "runtime/life/life.h"

bool is_mounted(const char *root)
{
	struct statx st;
	return statx(AT_FDCWD, root, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS,
		     &st) == 0 &&
	       st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static int not_stopped(const struct life *life, const struct held *held, struct error *err)
{
	if (held->state.phase != VE_RUNNING && held->state.phase != VE_DUMPED)
		return 0;
	error_set(err, ERROR_RUNNING, "the VE %u is %s", life->ctid, held_doing(held));
	return error_hint(err, "its files are reached by \"vzctl exec %u\" and \"vzctl cp\"",
			  life->ctid);
}

int umount_root(const char *root, struct error *err)
{
	submounts_umount(root);
	if (umount2(root, UMOUNT_NOFOLLOW) == 0)
		return 0;
	int number = errno;
	error_set(err, ERROR_UMOUNT, "unmounting %s: %s", root, strerror(number));
	return number == EBUSY ? error_hint(err,
					    "a program of the host uses it: \"fuser -vm %s\" "
					    "shows which",
					    root)
			       : -1;
}

static int mount_area(const struct ve_config *config, struct private_area *area, int *root,
		      const struct action *action, struct error *err)
{
	if (private_open(action->host, config, area, err) < 0)
		return -1;
	autoclose int place = dir_open(AT_FDCWD, config->root, true, 0700, err);
	if (place < 0 || private_mount_host(area, config->root, err) < 0) {
		err->kind = ERROR_MOUNT;
		return -1;
	}
	*root = dir_open(AT_FDCWD, config->root, false, 0, err);
	return *root < 0 ? -1 : 0;
}

/* The scripts of mount see it before others do. */
static int mount_scripted(const struct action *action, struct error *err)
{
	AUTO(private_release) struct private_area area = PRIVATE_AREA_INIT;
	AUTO(submounts_release) struct submounts mounts = SUBMOUNTS_INIT;
	const struct ve_config *config = action->config;
	autoclose int root = -1;
	if (action_run_mounted(action, ACTION_MOUNT, &mounts, err) < 0 ||
	    mount_area(config, &area, &root, action, err) < 0)
		return -1;
	if (submounts_place(&mounts, root, err) < 0) {
		umount_root(config->root, NULL);
		return -1;
	}
	if (area.ids_shifted)
		report_warning(action->report, config->root,
			       "the VE's files have its ids on disk: its root is %u here",
			       config->ids_base);
	return 0;
}

int life_mount(const struct life *life, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	if (held_take(life, true, &held, err) < 0 || not_stopped(life, &held, err) < 0)
		return -1;
	if (is_mounted(held.config.root))
		return error_set(err, ERROR_MOUNTED, "the VE %u is mounted already, at %s",
				 life->ctid, held.config.root);
	const struct action action = { life->host, life->report, &held.config };
	if (action_run(&action, ACTION_PREMOUNT, err) == 0 && mount_scripted(&action, err) == 0)
		return 0;
	/* What they have begun is ended. */
	action_run_mounted(&action, ACTION_UMOUNT, NULL, NULL);
	action_run(&action, ACTION_POSTUMOUNT, NULL);
	return error_wrap(err, "mounting the VE %u at %s", life->ctid, held.config.root);
}

/* A script that fails leaves it mounted; one of postumount cannot. */
int umount_held(const struct life *life, const struct held *held, struct error *err)
{
	const struct action action = { life->host, life->report, &held->config };
	if (action_run_mounted(&action, ACTION_UMOUNT, NULL, err) < 0 ||
	    umount_root(held->config.root, err) < 0)
		return -1;
	return action_run(&action, ACTION_POSTUMOUNT, err);
}

int life_umount(const struct life *life, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	if (held_take(life, true, &held, err) < 0 || not_stopped(life, &held, err) < 0)
		return -1;
	if (!is_mounted(held.config.root))
		return error_set(err, ERROR_NOT_MOUNTED, "the VE %u is not mounted", life->ctid);
	return umount_held(life, &held, err);
}

int life_status(const struct host_config *host, unsigned ctid, struct life_status *ret,
		struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	AUTO(ve_state_release) struct ve_state state = VE_STATE_INIT;
	*ret = (struct life_status){ .exists = ve_config_exists(host, ctid) };
	if (!ret->exists)
		return 0;
	if (ve_config_load(host, ctid, &config, err) < 0 ||
	    ve_state_load(host, ctid, &state, err) < 0)
		return -1;
	ret->running = (state.phase == VE_RUNNING || state.phase == VE_STOPPING) &&
		       ve_process_alive(&state, &state.init);
	ret->suspended = ret->running ? state.suspended : ve_dump_exists(host, ctid);
	ret->mounted = ret->running || is_mounted(config.root);
	return 0;
}
