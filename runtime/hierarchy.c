#include "runtime/hierarchy.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

void hierarchy_release(struct hierarchy *hierarchy)
{
	free(hierarchy->mount);
	free(hierarchy->own);
}

#define OWN_PLACE "/run/vz-cgroup"

static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);
	for (const char *found = list; (found = strstr(found, word)); found += length) {
		char before = found == list ? ',' : found[-1], after = found[length];
		if (before == ',' && (after == ',' || after == '\0' || after == '\n'))
			return true;
	}
	return false;
}

/*
 * proc(5): ID PARENT DEV ROOT MOUNT OPTIONS TAGS… - TYPE SOURCE SUPER_OPTIONS. Finds the mount that
 * serves a v1 controller, or v2 (controller NULL); *root is which group of the hierarchy it shows.
 */
static char *find_mount(const char *controller, char **root)
{
	autofclose FILE *file = fopen("/proc/self/mountinfo", "re");
	autofree char *line = NULL;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0) {
		autofree char *top = NULL, *mount = NULL, *type = NULL, *options = NULL;
		const char *rest = strstr(line, " - ");
		if (!rest || sscanf(line, "%*d %*d %*s %ms %ms", &top, &mount) != 2 ||
		    sscanf(rest + 3, "%ms %*s %ms", &type, &options) != 2)
			continue;
		if (controller ? !strcmp(type, "cgroup") && has_word(options, controller)
			       : !strcmp(type, "cgroup2")) {
			*root = steal_ptr(top);
			return steal_ptr(mount);
		}
	}
	return NULL;
}

/* cgroups(7): ID:CONTROLLERS:PATH, with 0:: for v2. */
static char *find_own(const char *controller)
{
	autofclose FILE *file = fopen("/proc/self/cgroup", "re");
	autofree char *line = NULL;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = 0;
		path[strcspn(path, "\n")] = 0;
		if (controller ? has_word(list + 1, controller) : !strncmp(line, "0:", 2))
			return xstrdup(path);
	}
	return NULL;
}

struct hierarchy hierarchy_find(const char *controller)
{
	struct hierarchy found = { 0 };
	autofree char *root = NULL, *path = NULL;
	found.mount = find_mount(controller, &root);
	if (!found.mount)
		return found;
	path = find_own(controller);
	const char *below = path ? path : "";
	size_t length = strcmp(root, "/") ? strlen(root) : 0;
	if (!strncmp(below, root, length))
		below += length;
	/* Our own group may lie outside of what is mounted here. */
	if (!strcmp(below, "/") || !strncmp(below, "/..", 3))
		below = "";
	found.own = xasprintf("%s%s", found.mount, below);
	return found;
}

bool hierarchy_offers(const struct hierarchy *v2, const char *controller)
{
	if (!v2->mount)
		return false;
	autofree char *path = xasprintf("%s/cgroup.controllers", v2->mount), *found = NULL;
	autofclose FILE *file = fopen(path, "re");
	while (file && fscanf(file, "%ms", &found) == 1) {
		if (!strcmp(found, controller))
			return true;
		free(steal_ptr(found));
	}
	return false;
}

static bool has(const char *controller)
{
	AUTO(hierarchy_release) struct hierarchy found = hierarchy_find(controller);
	return found.mount;
}

void hierarchy_mount_v2(void)
{
	if (has(NULL) || (!has(HIERARCHY_SYSTEMD) && !has("memory") && !has("pids")))
		return;
	mkdir(OWN_PLACE, 0755);
	/* Of two that come at once, the second sees the first one's. */
	autoclose int lock = open(OWN_PLACE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (lock >= 0 && flock(lock, LOCK_EX) == 0 && !has(NULL))
		mount("cgroup2", OWN_PLACE, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}
