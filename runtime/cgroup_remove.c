#include "runtime/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static void kill_all(const char *folder)
{
	autofree char *path = xasprintf("%s/cgroup.procs", folder);
	pid_t pid;
	if (cgroup_write(folder, "cgroup.kill", "1") == 0)
		return;
	autofclose FILE *file = fopen(path, "re");
	while (file && fscanf(file, "%d", &pid) == 1)
		if (pid > 1)
			kill(pid, SIGKILL);
}

/* What a VE's own service manager made in it. */
static void remove_children(const char *folder)
{
	autoclosedir DIR *dir = opendir(folder);
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		autofree char *child = xasprintf("%s/%s", folder, entry->d_name);
		kill_all(child);
		remove_children(child);
		rmdir(child);
	}
}

static void remove_one(const char *folder)
{
	enum { TRIES = 200 };
	for (int i = 0; i < TRIES; i++) {
		if (rmdir(folder) == 0 || errno != EBUSY)
			return;
		kill_all(folder);
		remove_children(folder);
		nanosleep(&(struct timespec){ .tv_nsec = i < 20 ? 500000 : 10000000 }, NULL);
	}
}

void cgroup_remove_folders(const struct strvec *folders)
{
	for (size_t i = 0; i < folders->count; i++)
		remove_one(folders->items[i]);
}
