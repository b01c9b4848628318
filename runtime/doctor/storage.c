/* The file systems that VEs are on. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/doctor/doctor.h"
#include "runtime/life/dump.h"
#include "runtime/mount.h"
#include "runtime/namespace.h"

enum { TRIED_BASE = 0x7fff0000, MOUNTINFO_MAX = 64 << 20, CRIU_LIMIT_S = 20 };

/* The nearest folder that is there. */
static char *existing(const char *path)
{
	autofree char *text = xstrdup(path);
	/* A VE's own part of it is not there yet. */
	char *variable = strchr(text, '$');
	if (variable)
		*variable = 0;
	while (access(text, F_OK) < 0) {
		char *slash = strrchr(text, '/');
		if (!slash || slash == text)
			return xstrdup("/");
		*slash = 0;
	}
	return steal_ptr(text);
}

static void check_mapped(struct doctor *doctor, const char *name, const char *path)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	autoclose int userns = namespace_user_new(TRIED_BASE, &why);
	autoclose int mount = userns < 0 ? -1 : mount_copy(AT_FDCWD, path, &why);
	bool works = mount >= 0 && mount_change(mount, MOUNT_ATTR_IDMAP, userns, path, &why) == 0;
	doctor_add(
		doctor, works ? DOCTOR_OK : DOCTOR_WARN, name,
		works ? xasprintf("%s can show mapped ids", path) : xstrdup(why.message),
		works ? NULL
		      : xstrdup("VEs there have their ids on disk, and share no files with others"),
		works ? NULL
		      : xstrdup("another file system, as ext4, xfs or btrfs, or a newer kernel"));
}

static void check_room(struct doctor *doctor, const char *name, const char *path)
{
	struct statvfs fs;
	if (statvfs(path, &fs) < 0 || !fs.f_blocks)
		return;
	uint64_t free_mb = (uint64_t)fs.f_bavail * fs.f_frsize / 1000000;
	unsigned percent = (unsigned)((uint64_t)fs.f_bavail * 100 / fs.f_blocks);
	unsigned inodes = fs.f_files ? (unsigned)((uint64_t)fs.f_favail * 100 / fs.f_files) : 100;
	bool none = free_mb < 100, little = percent < 10 || inodes < 10;
	doctor_add(doctor,
		   none     ? DOCTOR_FAIL
		   : little ? DOCTOR_WARN
			    : DOCTOR_OK,
		   name,
		   xasprintf("%" PRIu64 " MB (%u %%) and %u %% of the inodes are free at %s",
			     free_mb, percent, inodes, path),
		   none || little ? xstrdup("what VEs write fails when it is full") : NULL,
		   none || little ? xstrdup("\"vzpkg gc -n\" shows what nobody needs") : NULL);
}

/* proc(5): the options of the mount that `path` is on have project quotas. */
static bool has_project_quotas(const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct statx st;
	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st) < 0 ||
	    file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL) < 0)
		return false;
	char *rest = text.text;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (strtoull(line, NULL, 10) == st.stx_mnt_id)
			return strstr(line, "prjquota") || strstr(line, "pquota");
	return false;
}

static void check_limits(struct doctor *doctor, const char *path)
{
	struct statfs fs;
	const char *way = NULL;
	if (has_project_quotas(path))
		way = "project quotas";
	else if (access("/dev/loop-control", F_OK) == 0)
		way = "images";
	else if (statfs(path, &fs) == 0 && (uint32_t)fs.f_type == (uint32_t)BTRFS_SUPER_MAGIC)
		way = "btrfs quota groups";
	doctor_add(doctor, way ? DOCTOR_OK : DOCTOR_WARN, "disk limits",
		   way ? xasprintf("by %s", way) : xstrdup("none"),
		   way ? NULL : xstrdup("--diskspace and --diskinodes are refused"),
		   way ? NULL : xstrdup("modprobe loop, or mount the file system with prjquota"));
}

static void check_criu(struct doctor *doctor)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf said = STRBUF_INIT;
	static const char *const means =
		"VEs cannot be suspended to disk, nor moved with their processes";
	int status = -1;
	autofree char *program = dump_program(doctor->host, NULL);
	const char *argv[] = { program, "check", NULL };
	struct child_run run = { .argv = argv, .limit_s = CRIU_LIMIT_S };
	if (!program) {
		doctor_add(doctor, DOCTOR_WARN, "criu", xstrdup("not installed"), xstrdup(means),
			   xstrdup("install criu, or say CRIU=/path/to/criu in vz.conf"));
		return;
	}
	bool works = child_run(&run, NULL, &said, &status, &why) == 0 && status == 0;
	doctor_add(doctor, works ? DOCTOR_OK : DOCTOR_WARN, "criu",
		   works ? xasprintf("%s check is content", program)
			 : xasprintf("%s check fails", program),
		   works ? NULL : xstrdup(means),
		   works ? NULL
			 : xstrdup("\"criu check\" says what it lacks; Linux 6.13 and newer want "
				   "4.1 or newer"));
}

void doctor_storage(struct doctor *doctor)
{
	autofree char *private = existing(doctor->host->ve_private);
	autofree char *template = existing(doctor->host->template_dir);
	check_mapped(doctor, "VE_PRIVATE", private);
	check_mapped(doctor, "TEMPLATE", template);
	check_room(doctor, "room for VEs", private);
	check_room(doctor, "room for templates", template);
	check_limits(doctor, private);
	check_criu(doctor);
}
