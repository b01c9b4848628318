#include "runtime/cgroup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/hierarchy.h"

#define SLICE "vz.slice"

enum { CPUSET_LIMIT = 4096 };

/* Those that limit VEs, as v1 and as v2 call them. The one whose groups are in another place comes first, so that what shares
 * its hierarchy is with it. */
enum { CPU, PIDS, MEMORY, CPUSET, IO, CONTROLLERS };
static const struct {
	const char *v1, *v2;
} controllers[CONTROLLERS] = {
	[CPU] = { "cpu", "cpu" },          [PIDS] = { "pids", "pids" },
	[MEMORY] = { "memory", "memory" }, [CPUSET] = { "cpuset", "cpuset" },
	[IO] = { "blkio", "io" },
};
int cgroup_write(const char *folder, const char *name, const char *text)
{
	autofree char *path = xasprintf("%s/%s", folder, name);
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

static char *folder_in(const struct hierarchy *hierarchy, const char *name, bool stays)
{
	return stays ? xasprintf("%s/" SLICE "/%s", hierarchy->mount, name)
		     : xasprintf("%s/%s", hierarchy->own, name);
}

/* Controllers may share a hierarchy, as cpu and cpuacct do, and a process is in one group of it. */
static bool has_group_in(const struct cgroup *group, const char *mount)
{
	size_t length = strlen(mount);
	for (size_t i = 0; i < group->folders.count; i++)
		if (!strncmp(group->folders.items[i], mount, length) &&
		    group->folders.items[i][length] == '/')
			return true;
	return false;
}

static bool plan_v1(struct cgroup *group, const char *controller, const struct cgroup_spec *spec)
{
	AUTO(hierarchy_release) struct hierarchy found = hierarchy_find(controller);
	if (!found.mount)
		return false;
	/* Side by side with the host's own processes and services, as in OpenVZ: all VEs together would have the share of one
	 * process if they were in the slice, whose weight nobody sets. */
	bool top = spec->stays && !strcmp(controller, controllers[CPU].v1);
	if (!has_group_in(group, found.mount))
		strvec_take(&group->folders, top ? xasprintf("%s/%s", found.mount, spec->name)
						 : folder_in(&found, spec->name, spec->stays));
	return true;
}

static int missing(const char *what, struct error *err)
{
	error_set(err, ERROR_CONTAINER, "the kernel offers no way to limit a VE's %s", what);
	return error_hint(err, "mount the cgroup controller, or delegate it to where this runs");
}

static bool is_wanted(const struct cgroup_spec *spec, int controller)
{
	return spec->stays || controller == PIDS || (controller == MEMORY && spec->memory_max);
}

/* The v2 group comes last in `folders`; whether there is one is told by its mount. */
int cgroup_plan(const struct cgroup_spec *spec, struct cgroup *group, struct error *err)
{
	AUTO(hierarchy_release) struct hierarchy v2 = hierarchy_find(NULL);
	bool offered[CONTROLLERS], planned[CONTROLLERS], any = false;
	for (int i = 0; i < CONTROLLERS; i++) {
		offered[i] = hierarchy_offers(&v2, controllers[i].v2);
		planned[i] = !offered[i] && is_wanted(spec, i) &&
			     plan_v1(group, controllers[i].v1, spec);
		any |= offered[i];
	}
	group->pids = planned[PIDS];
	group->memory = planned[MEMORY];
	if (spec->memory_wanted && !offered[MEMORY] && !group->memory)
		return missing("memory", err);
	if (spec->pids_wanted && !offered[PIDS] && !group->pids)
		return missing("number of processes", err);
	/* A service manager of the host ends what is in a login's scope with the login. */
	if (spec->stays)
		plan_v1(group, HIERARCHY_SYSTEMD, spec);
	/* What v2 has without any controller. */
	if (spec->stays && !v2.mount)
		plan_v1(group, "freezer", spec);
	if (v2.mount)
		strvec_take(&group->folders, folder_in(&v2, spec->name, spec->stays || any));
	return 0;
}

static bool is_there(const char *folder, const char *file)
{
	autofree char *path = xasprintf("%s/%s", folder, file);
	return access(path, F_OK) == 0;
}

static bool is_v2(const char *folder)
{
	return is_there(folder, "cgroup.events");
}

static char *read_cpuset(const char *folder, const char *file)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *path = xasprintf("%s/%s", folder, file);
	file_read(AT_FDCWD, path, CPUSET_LIMIT, &text, NULL);
	return strbuf_detach(&text);
}

/* cpuset(7): in v1 a new group has no CPUs and no memory, and nobody can join it. */
static void inherit(const char *folder, const char *file)
{
	autofree char *own = read_cpuset(folder, file);
	autofree char *above = xasprintf("%s/..", folder), *text = read_cpuset(above, file);
	if (!strcmp(own, "\n"))
		cgroup_write(folder, file, text);
}

static int make(const char *folder)
{
	int result = mkdir(folder, 0755), number = errno;
	if (!is_v2(folder)) {
		inherit(folder, "cpuset.cpus");
		inherit(folder, "cpuset.mems");
	}
	errno = number;
	return result;
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
	make(slice);
	for (int i = 0; is_v2(slice) && i < CONTROLLERS; i++) {
		autofree char *word = xasprintf("+%s", controllers[i].v2);
		cgroup_write(top, "cgroup.subtree_control", word);
		cgroup_write(slice, "cgroup.subtree_control", word);
	}
}

static int set_limit(const char *folder, const char *file, uint64_t value, bool wanted,
		     struct error *err)
{
	char text[32];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (cgroup_write(folder, file, text) == 0 || !wanted)
		return 0;
	return error_errno(err, errno, "setting %s/%s to %s", folder, file, text);
}

static int set_limits(const struct cgroup_spec *spec, const char *folder, bool v2,
		      struct error *err)
{
	const char *memory = v2 ? "memory.max" : "memory.limit_in_bytes";
	bool memory_here = is_there(folder, memory);
	if (spec->pids_max && is_there(folder, "pids.max") &&
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
		result = make(folder);
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
	AUTO(hierarchy_release) struct hierarchy found = hierarchy_find(HIERARCHY_SYSTEMD);
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
	autofree char *folder = make_shared(HIERARCHY_SYSTEMD, name);
	if (folder)
		cgroup_write(folder, "tasks", "0");
}

void cgroup_shared_leave(void)
{
	static const char *const names[] = { HIERARCHY_SYSTEMD, NULL };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		AUTO(hierarchy_release) struct hierarchy found = hierarchy_find(names[i]);
		if (found.mount)
			cgroup_write(found.mount, "cgroup.procs", "0");
	}
}

void cgroup_tidy(const char *name)
{
	const char *names[CONTROLLERS + 3] = { HIERARCHY_SYSTEMD, NULL, "freezer" };
	for (size_t i = 0; i < CONTROLLERS; i++)
		names[i + 3] = controllers[i].v1;
	for (size_t i = 0; i < CONTROLLERS + 3; i++) {
		AUTO(hierarchy_release) struct hierarchy found = hierarchy_find(names[i]);
		if (!found.mount)
			continue;
		autofree char *folder = folder_in(&found, name, true);
		autofree char *slice = xasprintf("%s/" SLICE, found.mount);
		rmdir(folder);
		rmdir(slice);
	}
}

static int removed(struct error *err)
{
	return error_hint(err,
			  "the VE's control groups have been removed; \"vzctl restart\" makes new "
			  "ones");
}

int cgroup_check(const struct strvec *folders, struct error *err)
{
	for (size_t i = 0; i < folders->count; i++)
		if (access(folders->items[i], F_OK) < 0) {
			error_errno(err, errno, "opening %s", folders->items[i]);
			return removed(err);
		}
	return 0;
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
			return removed(err);
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
