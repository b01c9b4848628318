#include "vzpkg/install/clean.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/* Everything in a folder whose name matches goes; patterns as of FNM_EXTMATCH. */
static const struct {
	const char *folder, *pattern;
} removed[] = {
	{ "tmp", "*" },
	{ "run", "!(lock)" }, /* lock/ is base-files' own, what /var/lock leads to */
	{ "run/lock", "*" },
	{ "var/tmp", "*" },
	{ "etc", "resolv.conf" },
	{ "etc", "hostname" },
	{ "etc", "*-" }, /* passwd-, shadow-: the state before the last package */
	{ "etc/ssh", "ssh_host_*" },
	{ "var/lib/dbus", "machine-id" },
	{ "var/lib/systemd", "random-seed" },
	{ "var/lib/systemd", "credential.secret" },
	{ "var/lib/apt/lists", "!(partial)" }, /* partial/ is apt's own folder */
	{ "var/lib/apt/lists/partial", "*" },
	{ "var/cache/apt", "*.bin" },
	{ "var/cache/apt/archives", "*.deb" },
	{ "var/cache/apt/archives", "lock" },
	{ "var/cache/ldconfig", "aux-cache" },
	{ "var/cache/debconf", "*-old" },
	{ "var/lib/dpkg", "*-old" },
	{ "var/lib/dpkg", "lock*" },
	{ "var/lib/dpkg/triggers", "Lock" },
	{ "var/lib/dpkg/updates", "*" },
	{ "var/lib/rpm", "@(__db.*|.rpm.lock|.dbenv.lock|rpmdb.sqlite-*)" },
	{ "usr/lib/sysimage/rpm", "@(.rpm.lock|rpmdb.sqlite-*)" },
	{ "var/cache/yum", "*" },
	{ "var/cache/dnf", "*" },
	{ "var/log", "@(yum.log|dnf.*log*|hawkey.log)" },
	{ "var/log", "dpkg.log" },
	{ "var/log", "bootstrap.log" },
	{ "var/log", "alternatives.log" },
	{ "var/log/apt", "*" },
	{ "var/log/journal", "*" },
	{ "root", ".bash_history" },
};

/* These stay, empty: their modes and owners are part of the system. */
static const char *const emptied[] = { "var/log/faillog", "var/log/lastlog", "var/log/wtmp",
				       "var/log/btmp" };

static int open_folder(int tree, const char *path)
{
	return open_in_root(tree, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static int remove_matching(int tree, const char *folder, const char *pattern, struct error *err)
{
	int fd = open_folder(tree, folder);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    fnmatch(pattern, name, FNM_EXTMATCH) != 0)
			continue;
		if (tree_remove(dirfd(dir), name, err) < 0)
			return error_wrap(err, "cleaning /%s", folder);
	}
	return 0;
}

/* systemd makes an id of its own where the file is empty; without systemd there is none. */
static int empty_machine_id(int tree, struct error *err)
{
	autoclose int etc = open_folder(tree, "etc");
	struct stat st;

	if (etc < 0 || fstatat(etc, "machine-id", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	unlinkat(etc, "machine-id", 0);
	return file_write_atomic(etc, "machine-id", 0444, "", 0, err);
}

static int empty_file(int tree, const char *path, struct error *err)
{
	autoclose int fd = open_in_root(tree, path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return 0;
	if (ftruncate(fd, 0) < 0)
		return error_errno(err, errno, "emptying /%s", path);
	return 0;
}

int clean_tree(int tree, struct error *err)
{
	for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++)
		if (remove_matching(tree, removed[i].folder, removed[i].pattern, err) < 0)
			return -1;
	for (size_t i = 0; i < sizeof(emptied) / sizeof(emptied[0]); i++)
		if (empty_file(tree, emptied[i], err) < 0)
			return -1;
	return empty_machine_id(tree, err);
}
