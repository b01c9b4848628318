#include "runtime/resource/processes.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static void add_group(const char *folder, struct processes *ret)
{
	autofree char *path = xasprintf("%s/cgroup.procs", folder);
	autofclose FILE *file = fopen(path, "re");
	pid_t pid;
	while (file && fscanf(file, "%d", &pid) == 1) {
		ret->pids = xgrow(ret->pids, ret->count, &ret->capacity, sizeof(*ret->pids));
		ret->pids[ret->count++] = pid;
	}
	autoclosedir DIR *dir = opendir(folder);
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		autofree char *below = xasprintf("%s/%s", folder, entry->d_name);
		add_group(below, ret);
	}
}

/* Each is in all hierarchies. */
void processes_list(const struct strvec *folders, struct processes *ret)
{
	for (size_t i = 0; i < folders->count && !ret->count; i++)
		add_group(folders->items[i], ret);
}

void processes_release(struct processes *processes)
{
	free(processes->pids);
	*processes = PROCESSES_INIT;
}
