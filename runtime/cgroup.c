#include "runtime/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define SLICE "vz.slice"
#define SYSTEMD "name=systemd"

/* A mounted hierarchy and where in it this process is. */
struct hierarchy {
	char *mount; /* NULL: there is none */
	char *own; /* folder of our own group */
};

static void hierarchy_release(struct hierarchy *hierarchy)
{
	free(hierarchy->mount);
	free(hierarchy->own);
}

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

static struct hierarchy hierarchy_find(const char *controller)
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

static int write_file(const char *folder, const char *name, const char *text)
{
	autofree char *path = xasprintf("%s/%s", folder, name);
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

static bool file_has_word(const char *folder, const char *name, const char *word)
{
	autofree char *path = xasprintf("%s/%s", folder, name);
	autofclose FILE *file = fopen(path, "re");
	autofree char *found = NULL;
	while (file && fscanf(file, "%ms", &found) == 1) {
		if (!strcmp(found, word))
			return true;
		free(steal_ptr(found));
	}
	return false;
}

static char *folder_in(const struct hierarchy *hierarchy, const char *name, bool stays)
{
	return stays ? xasprintf("%s/" SLICE "/%s", hierarchy->mount, name)
		     : xasprintf("%s/%s", hierarchy->own, name);
}

static bool plan_v1(struct cgroup *group, const char *controller, const struct cgroup_spec *spec)
{
	AUTO(hierarchy_release) struct hierarchy found = hierarchy_find(controller);
	if (!found.mount)
		return false;
	/* Controllers may share a hierarchy, as cpu and cpuacct do. */
	autofree char *folder = folder_in(&found, spec->name, spec->stays);
	if (!strvec_contains(&group->folders, folder))
		strvec_take(&group->folders, steal_ptr(folder));
	return true;
}

static int missing(const char *what, struct error *err)
{
	error_set(err, ERROR_CONTAINER, "the kernel offers no way to limit a VE's %s", what);
	return error_hint(err, "mount the cgroup controller, or delegate it to where this runs");
}

/* The v2 group comes last in `folders`; whether there is one is told by its mount. */
int cgroup_plan(const struct cgroup_spec *spec, struct cgroup *group, struct error *err)
{
	AUTO(hierarchy_release) struct hierarchy v2 = hierarchy_find(NULL);
	bool pids2 = v2.mount && file_has_word(v2.mount, "cgroup.controllers", "pids");
	bool memory2 = v2.mount && file_has_word(v2.mount, "cgroup.controllers", "memory");

	group->pids = !pids2 && plan_v1(group, "pids", spec);
	group->memory = spec->memory_max && !memory2 && plan_v1(group, "memory", spec);
	if (spec->memory_wanted && !memory2 && !group->memory)
		return missing("memory", err);
	if (spec->pids_wanted && !pids2 && !group->pids)
		return missing("number of processes", err);
	/* A service manager of the host ends what is in a login's scope with the login. */
	if (spec->stays)
		plan_v1(group, SYSTEMD, spec);
	/* What v2 has without any controller. */
	if (spec->stays && !v2.mount)
		plan_v1(group, "freezer", spec);
	if (v2.mount)
		strvec_take(&group->folders,
			    folder_in(&v2, spec->name, spec->stays || pids2 || memory2));
	return 0;
}

/* Makes vz.slice and hands the controllers down. What cannot be handed down shows when the limit is
 * set. */
static void prepare_slice(const char *folder)
{
	autofree char *slice = xstrdup(folder);
	*strrchr(slice, '/') = 0;
	char *name = strrchr(slice, '/');
	if (!name || strcmp(name, "/" SLICE))
		return;
	autofree char *top = xstrndup(slice, (size_t)(name - slice));
	mkdir(slice, 0755);
	write_file(top, "cgroup.subtree_control", "+memory");
	write_file(top, "cgroup.subtree_control", "+pids");
	write_file(slice, "cgroup.subtree_control", "+memory");
	write_file(slice, "cgroup.subtree_control", "+pids");
}

static bool is_v2(const char *folder)
{
	autofree char *path = xasprintf("%s/cgroup.events", folder);
	return access(path, F_OK) == 0;
}

static bool is_there(const char *folder, const char *file)
{
	autofree char *path = xasprintf("%s/%s", folder, file);
	return access(path, F_OK) == 0;
}

static int set_limit(const char *folder, const char *file, uint64_t value, bool wanted,
		     struct error *err)
{
	char text[32];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (write_file(folder, file, text) == 0 || !wanted)
		return 0;
	return error_errno(err, errno, "setting %s/%s to %s", folder, file, text);
}

static int set_limits(const struct cgroup_spec *spec, const char *folder, bool v2,
		      struct error *err)
{
	const char *memory = v2 ? "memory.max" : "memory.limit_in_bytes";
	bool memory_here = is_there(folder, memory);
	if (is_there(folder, "pids.max") &&
	    set_limit(folder, "pids.max", spec->pids_max, spec->pids_wanted, err) < 0)
		return -1;
	if (!spec->memory_max || !memory_here)
		return 0;
	if (set_limit(folder, memory, spec->memory_max, spec->memory_wanted, err) < 0)
		return -1;
	/* v1 counts memory and swap together. A kernel without swap accounting has neither file. */
	return v2 ? set_limit(folder, "memory.swap.max", 0, false, err)
		  : set_limit(folder, "memory.memsw.limit_in_bytes", spec->memory_max, false, err);
}

static int open_one(struct cgroup *group, const char *folder, struct error *err)
{
	if (is_v2(folder)) {
		group->unified = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (group->unified < 0)
			return error_errno(err, errno, "opening %s", folder);
		group->memory |= is_there(folder, "memory.max");
		group->pids |= is_there(folder, "pids.max");
		return 0;
	}
	autofree char *tasks = xasprintf("%s/tasks", folder);
	int fd = open(tasks, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "opening %s", tasks);
	if (group->task_count == CGROUP_V1_MAX) {
		close(fd);
		return error_set(err, ERROR_INTERNAL, "too many control groups");
	}
	group->tasks[group->task_count++] = fd;
	return 0;
}

/* mkdir(2). Whoever ends the last VE of the host removes the slice (cgroup_tidy()), which may be between our making it and our
 * putting something into it. */
static int make_folder(const char *folder)
{
	enum { TRIES = 50 };
	int result = -1;
	for (unsigned i = 0; result < 0 && i < TRIES; i++) {
		prepare_slice(folder);
		result = mkdir(folder, 0755);
		if (result < 0 && errno != ENOENT && errno != ENODEV)
			break;
	}
	return result;
}

static int create_one(const struct cgroup_spec *spec, struct cgroup *group, const char *folder,
		      struct error *err)
{
	if (make_folder(folder) < 0 && errno != EEXIST) {
		error_errno(err, errno, "creating the control group %s", folder);
		return error_hint(err, "run as root of the host, with %s mounted read-write",
				  "/sys/fs/cgroup");
	}
	if (open_one(group, folder, err) < 0)
		return -1;
	return set_limits(spec, folder, is_v2(folder), err);
}

int cgroup_create(const struct cgroup_spec *spec, struct cgroup *group, struct error *err)
{
	for (size_t i = 0; i < group->folders.count; i++)
		if (create_one(spec, group, group->folders.items[i], err) < 0)
			return -1;
	if (spec->memory_wanted && !group->memory)
		return missing("memory", err);
	if (spec->pids_wanted && !group->pids)
		return missing("number of processes", err);
	return 0;
}

/* To v1's `tasks` and only for oneself: that alone avoids a wait for all CPUs. */
int cgroup_join_v1(const struct cgroup *group)
{
	for (unsigned i = 0; i < group->task_count; i++)
		if (write(group->tasks[i], "0", 1) != 1)
			return -1;
	return 0;
}

static void kill_all(const char *folder)
{
	autofree char *path = xasprintf("%s/cgroup.procs", folder);
	pid_t pid;
	if (write_file(folder, "cgroup.kill", "1") == 0)
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

static int give(int folder, const char *const *files, unsigned base, struct error *err)
{
	for (; *files; files++)
		if (fchownat(folder, *files, base, base, AT_EMPTY_PATH) < 0 && errno != ENOENT)
			return error_errno(err, errno, "giving the control group to the VE");
	return 0;
}

/* It has no controllers, and systemd before 226 knows no other place for its services. */
static int give_systemd(const struct cgroup *group, unsigned base, struct error *err)
{
	static const char *const files[] = { "", "cgroup.procs", "tasks", NULL };
	AUTO(hierarchy_release) struct hierarchy found = hierarchy_find(SYSTEMD);
	size_t length = found.mount ? strlen(found.mount) : 0;

	for (size_t i = 0; length && i < group->folders.count; i++) {
		const char *folder = group->folders.items[i];
		if (strncmp(folder, found.mount, length) != 0 || folder[length] != '/' ||
		    is_v2(folder))
			continue;
		autoclose int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && give(fd, files, base, err) < 0)
			return -1;
	}
	return 0;
}

int cgroup_delegate(const struct cgroup *group, unsigned base, struct error *err)
{
	static const char *const files[] = { "", "cgroup.procs", "cgroup.threads",
					     "cgroup.subtree_control", NULL };

	if (group->unified >= 0 && give(group->unified, files, base, err) < 0)
		return -1;
	return give_systemd(group, base, err);
}

static char *make_shared(const char *controller, const char *name)
{
	AUTO(hierarchy_release) struct hierarchy found = hierarchy_find(controller);
	if (!found.mount)
		return NULL;
	autofree char *folder = folder_in(&found, name, true);
	make_folder(folder);
	return steal_ptr(folder);
}

int cgroup_shared_open(const char *name)
{
	autofree char *folder = make_shared(NULL, name);
	return folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

void cgroup_shared_join_v1(const char *name)
{
	autofree char *folder = make_shared(SYSTEMD, name);
	if (folder)
		write_file(folder, "tasks", "0");
}

void cgroup_shared_leave(void)
{
	static const char *const controllers[] = { SYSTEMD, NULL };
	for (size_t i = 0; i < sizeof(controllers) / sizeof(*controllers); i++) {
		AUTO(hierarchy_release) struct hierarchy found = hierarchy_find(controllers[i]);
		if (found.mount)
			write_file(found.mount, "cgroup.procs", "0");
	}
}

void cgroup_tidy(const char *name)
{
	static const char *const controllers[] = { "pids", "memory", "freezer", SYSTEMD, NULL };
	for (size_t i = 0; i < sizeof(controllers) / sizeof(*controllers); i++) {
		AUTO(hierarchy_release) struct hierarchy found = hierarchy_find(controllers[i]);
		if (!found.mount)
			continue;
		autofree char *folder = folder_in(&found, name, true);
		autofree char *slice = xasprintf("%s/" SLICE, found.mount);
		rmdir(folder);
		rmdir(slice);
	}
}

void cgroup_remove_folders(const struct strvec *folders)
{
	for (size_t i = 0; i < folders->count; i++)
		remove_one(folders->items[i]);
}

/* memory.events of v2, memory.oom_control of v1: "oom_kill 3". */
static unsigned long kills_in(const char *folder, const char *file)
{
	autofree char *path = xasprintf("%s/%s", folder, file);
	autofclose FILE *stream = fopen(path, "re");
	unsigned long value;
	char key[32];

	while (stream && fscanf(stream, "%31s %lu", key, &value) == 2)
		if (strcmp(key, "oom_kill") == 0)
			return value;
	return 0;
}

unsigned long cgroup_oom_kills(const struct cgroup *group)
{
	unsigned long count = 0;

	for (size_t i = 0; i < group->folders.count; i++)
		count += kills_in(group->folders.items[i], "memory.events") +
			 kills_in(group->folders.items[i], "memory.oom_control");
	return count;
}

int cgroup_open(const struct strvec *folders, struct cgroup *group, struct error *err)
{
	*group = CGROUP_INIT;
	for (size_t i = 0; i < folders->count; i++) {
		strvec_push(&group->folders, folders->items[i]);
		if (open_one(group, folders->items[i], err) < 0)
			return -1;
	}
	return 0;
}

void cgroup_release(struct cgroup *group)
{
	cgroup_remove_folders(&group->folders);
	cgroup_close(group);
}

void cgroup_close(struct cgroup *group)
{
	for (unsigned i = 0; i < group->task_count; i++)
		close(group->tasks[i]);
	if (group->unified >= 0)
		close(group->unified);
	strvec_release(&group->folders);
	*group = CGROUP_INIT;
}
