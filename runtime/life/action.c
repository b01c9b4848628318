#include "runtime/life/action.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "runtime/area/private.h"
#include "runtime/life/life.h"

enum { SCRIPT_LIMIT = 1 << 20, LINES_SHOWN = 5 };

static const char *const kind_names[ACTION_KINDS] = {
	[ACTION_PREMOUNT] = "premount", [ACTION_MOUNT] = "mount",
	[ACTION_START] = "start",       [ACTION_STOP] = "stop",
	[ACTION_UMOUNT] = "umount",     [ACTION_POSTUMOUNT] = "postumount",
};

/* ---- which there are ------------------------------------------------------------------------------ */

static char *path_of(const struct host_config *host, unsigned ctid, enum action_kind kind, bool own)
{
	if (own)
		return xasprintf("%s/%u.%s", host->ve_confdir, ctid, kind_names[kind]);
	return xasprintf("%s/vps.%s", host->ve_confdir, kind_names[kind]);
}

/* Who can change it is root on the host. */
static int check_file(const char *path, int fd, bool executed, struct error *err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "looking at %s", path);
	const char *what = NULL;
	if (!S_ISREG(st.st_mode))
		what = "is no file";
	else if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & 022)
		what = "can be changed by others than root";
	else if (executed && !(st.st_mode & 0111))
		what = "cannot be executed";
	if (!what)
		return 0;
	error_set(err, ERROR_SCRIPT, "the action script %s %s", path, what);
	return error_hint(err, "\"chown root %s; chmod 755 %s\", or remove it", path, path);
}

/* A descriptor; -1 with no error: there is none. */
static int open_script(const char *path, bool executed, struct error *err)
{
	autoclose int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT)
			error_errno(err, errno, "opening the action script %s", path);
		return -1;
	}
	return check_file(path, fd, executed, err) < 0 ? -1 : steal_fd(&fd);
}

static bool is_wanted(const struct action *action, enum action_kind kind)
{
	bool found = false;
	for (int own = 0; own < 2; own++) {
		autofree char *path = path_of(action->host, action->config->ctid, kind, own);
		found |= access(path, F_OK) == 0;
	}
	return found;
}

int action_read(const struct action *action, enum action_kind kind, bool own, struct strbuf *ret,
		struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	autofree char *path = path_of(action->host, action->config->ctid, kind, own);
	autoclose int fd = open_script(path, false, &why);
	if (fd >= 0 && file_read_fd(fd, path, SCRIPT_LIMIT, ret, &why) == 0)
		return 1;
	if (why.kind == ERROR_NONE)
		return 0;
	error_move(err, &why);
	err->kind = ERROR_SCRIPT;
	return -1;
}

void action_files(const struct host_config *host, unsigned ctid, struct strvec *ret)
{
	for (int kind = 0; kind < ACTION_KINDS; kind++) {
		autofree char *path = path_of(host, ctid, (enum action_kind)kind, true);
		if (access(path, F_OK) == 0)
			strvec_push(ret, path);
	}
}

void action_retire(const struct host_config *host, unsigned ctid)
{
	for (int kind = 0; kind < ACTION_KINDS; kind++) {
		autofree char *path = path_of(host, ctid, (enum action_kind)kind, true);
		autofree char *kept = xasprintf("%s.destroyed", path);
		(void)!rename(path, kept);
	}
}

/* ---- running them on the host ---------------------------------------------------------------------- */

/* In the child: OpenVZ's variables, and what OpenVZ's scripts get by reading VE_CONFFILE. */
static void prepare(void *data)
{
	const struct action *action = data;
	const struct ve_config *config = action->config;
	autofree char *ctid = xasprintf("%u", config->ctid);
	setenv("VEID", ctid, 1);
	setenv("VE_CONFFILE", config->conf.path, 1);
	setenv("VE_ROOT", config->root, 1);
	setenv("VE_PRIVATE", config->private_area, 1);
	if (action->host->conf.path)
		setenv("VZ_CONF", action->host->conf.path, 1);
	(void)!chdir("/");
}

static void show(const struct action *action, const char *path, const char *output)
{
	autofree char *text = xstrdup(output);
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line)
			report_info(action->report, "%s: %s", strrchr(path, '/') + 1, line);
}

/* After an interruption, too, what was begun is ended. */
static bool is_ending(enum action_kind kind)
{
	return kind == ACTION_UMOUNT || kind == ACTION_POSTUMOUNT;
}

static int run(const struct action *action, enum action_kind kind, const char *path,
	       struct error *err)
{
	const char *const argv[] = { path, NULL };
	const struct child_run child = {
		.argv = argv,
		.limit_s = action->config->action_timeout_s,
		.whole_group = true,
		.undisturbed = is_ending(kind),
		.prepare = prepare,
		.data = (void *)(uintptr_t)action,
	};
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT;
	int status = 0;
	if (child_run(&child, &output, &output, &status, err) < 0) {
		if (err && err->kind != ERROR_INTERRUPTED)
			err->kind = ERROR_SCRIPT;
		return error_wrap(err, "action script");
	}
	autofree char *clean = text_clean(output.text);
	if (status == 0) {
		show(action, path, clean);
		return 0;
	}
	autofree char *tail = text_tail(clean, LINES_SHOWN);
	return error_set(err, ERROR_SCRIPT, "the action script %s failed with exit status %d%s%s",
			 path, status, *tail ? ":" : "", tail);
}

int action_run(const struct action *action, enum action_kind kind, struct error *err)
{
	for (int own = 0; own < 2; own++) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		autofree char *path = path_of(action->host, action->config->ctid, kind, own);
		autoclose int fd = open_script(path, true, &why);
		if (fd < 0 && why.kind == ERROR_NONE)
			continue;
		if (fd >= 0 && run(action, kind, path, &why) == 0)
			continue;
		error_move(err, &why);
		return -1;
	}
	return 0;
}

/* ---- where the VE is mounted ------------------------------------------------------------------------ */

/* The way back. */
struct outside {
	int mounts, root, cwd;
};

static int leave(struct outside *outside, struct error *err)
{
	outside->mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	outside->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	outside->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (outside->mounts < 0 || outside->root < 0 || outside->cwd < 0)
		return error_errno(err, errno, "looking at the own mount namespace");
	if (unshare(CLONE_NEWNS) < 0)
		return error_errno(err, errno, "creating a mount namespace");
	return 0;
}

static int come_back(const struct outside *outside, struct error *err)
{
	if (setns(outside->mounts, CLONE_NEWNS) < 0 || fchdir(outside->root) < 0 ||
	    chroot(".") < 0 || fchdir(outside->cwd) < 0)
		return error_errno(err, errno, "returning to the host's mount namespace");
	return 0;
}

static void outside_release(struct outside *outside)
{
	cleanup_close(&outside->mounts);
	cleanup_close(&outside->root);
	cleanup_close(&outside->cwd);
}

static int forbid_links(const char *root, struct error *err)
{
	struct mount_attr change = { .attr_set = MOUNT_ATTR_NOSYMFOLLOW };
	if (mount_setattr(AT_FDCWD, root, AT_SYMLINK_NOFOLLOW, &change, sizeof(change)) == 0)
		return 0;
	error_errno(err, errno, "forbidding links below %s", root);
	return error_hint(err, "action scripts for mount and umount need Linux 5.14 or newer");
}

static int show_tree(const struct action *action, struct error *err)
{
	AUTO(private_release) struct private_area area = PRIVATE_AREA_INIT;
	const char *root = action->config->root;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "creating a mount namespace");
	if (!is_mounted(root) && (private_open(action->host, action->config, &area, err) < 0 ||
				  private_mount_host(&area, root, err) < 0))
		return -1;
	return forbid_links(root, err);
}

static int run_mounted(const struct action *action, enum action_kind kind, struct submounts *ret,
		       struct error *err)
{
	const char *root = action->config->root;
	int result = show_tree(action, err);
	if (result == 0)
		result = action_run(action, kind, err);
	if (result == 0 && ret)
		result = submounts_take(root, ret, err);
	/* Before the namespace ends, which is at no certain time: the VE's files are mounted once more after this. */
	submounts_umount(root);
	if (is_mounted(root))
		umount2(root, UMOUNT_NOFOLLOW);
	return result;
}

int action_run_mounted(const struct action *action, enum action_kind kind, struct submounts *ret,
		       struct error *err)
{
	AUTO(outside_release) struct outside outside = { -1, -1, -1 };
	AUTO(error_clear) struct error back = ERROR_INIT;
	if (!is_wanted(action, kind))
		return 0;
	autoclose int root = dir_open(AT_FDCWD, action->config->root, true, 0700, err);
	if (root < 0 || leave(&outside, err) < 0)
		return -1;
	int result = run_mounted(action, kind, ret, err);
	if (come_back(&outside, &back) == 0)
		return result;
	error_move(err, &back);
	return -1;
}
