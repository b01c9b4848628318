#include "runtime/cmd/list_ve.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "runtime/config/ctid.h"

enum { MOUNTINFO_LIMIT = 64 << 20, NUMBER_LIMIT = 64 };

/* ---- what a VE is doing ------------------------------------------------------------------------------- */

/* Somebody works on it. Without the right to look, a state that says so is believed. */
static bool is_locked(const struct host_config *host, unsigned ctid)
{
	struct flock held = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	autofree char *path = xasprintf("%s/%u.lck", host->lock_dir, ctid);
	autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno != ENOENT;
	return fcntl(fd, F_OFD_GETLK, &held) < 0 || held.l_type != F_UNLCK;
}

/* proc(5): blank, tab, newline and "\" are octal there. */
static void decode(char *text)
{
	char *to = text;
	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
}

/* For a place that we may not look at. */
static bool in_mountinfo(const char *root)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_LIMIT, &text, NULL) < 0)
		return false;
	char *rest = text.text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *place = NULL;
		for (int field = 0; field < 5; field++)
			place = strsep(&line, " ");
		if (!place)
			continue;
		decode(place);
		if (!strcmp(place, root))
			return true;
	}
	return false;
}

static bool is_mount(const char *root)
{
	struct statx st;
	if (statx(AT_FDCWD, root, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &st) == 0)
		return st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return errno == EACCES && in_mountinfo(root);
}

/* A word for what is under way or runs; NULL if it is at rest. */
static const char *status_of(const struct host_config *host, unsigned ctid,
			     const struct ve_state *state)
{
	bool alive = ve_process_alive(state, &state->init);
	switch (state->phase) {
	case VE_CREATING:
		return "creating";
	case VE_DESTROYING:
		return "destroying";
	case VE_DUMPED:
		return alive ? "running" : "suspended";
	case VE_MIGRATING:
		return "migrating";
	case VE_STARTING:
		return state->this_boot && is_locked(host, ctid) ? "starting" : NULL;
	case VE_STOPPING:
		if (state->this_boot && is_locked(host, ctid))
			return "stopping";
		return alive ? "running" : NULL; /* the stop was interrupted */
	case VE_RUNNING:
		return !alive ? NULL : state->suspended ? "suspended" : "running";
	default:
		return NULL;
	}
}

static bool is_up(const char *status)
{
	return status && (!strcmp(status, "running") || !strcmp(status, "suspended") ||
			  !strcmp(status, "starting") || !strcmp(status, "stopping"));
}

/* The pids controller is in one of its groups; processes of groups below count too. */
static int64_t count_processes(const struct ve_state *state)
{
	for (size_t i = 0; i < state->groups.count; i++) {
		AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
		autofree char *path = xasprintf("%s/pids.current", state->groups.items[i]);
		if (file_read(AT_FDCWD, path, NUMBER_LIMIT, &text, NULL) == 0)
			return strtoll(text.text, NULL, 10);
	}
	return -1;
}

static int64_t uptime_of(const struct ve_state *state)
{
	struct timespec now;
	long ticks = sysconf(_SC_CLK_TCK);
	if (clock_gettime(CLOCK_BOOTTIME, &now) < 0 || ticks <= 0)
		return -1;
	int64_t started = (int64_t)(state->init.start / (uint64_t)ticks);
	return now.tv_sec > started ? now.tv_sec - started : 0;
}

/* Where its root is of a file system, or a project, of its own. Nothing of the VE's is followed to get there. */
static void count_disk(const struct ve_state *state, struct list_ve *ve)
{
	AUTO(ve_disk_release) struct ve_disk disk = VE_DISK_INIT;
	struct statvfs fs;
	autofree char *path = xasprintf("/proc/%d/root", (int)state->init.pid);
	if (ve_disk_load(&ve->config, &disk, NULL) < 0 ||
	    (disk.kind != DISK_IMAGE && disk.kind != DISK_PROJECT) || statvfs(path, &fs) < 0 ||
	    !ve_process_alive(state, &state->init))
		return;
	ve->disk_kb = (int64_t)((fs.f_blocks - fs.f_bfree) * fs.f_frsize / 1024);
	ve->disk_inodes = (int64_t)(fs.f_files - fs.f_ffree);
}

/* ---- one VE ------------------------------------------------------------------------------------------- */

static void ve_release(struct list_ve *ve)
{
	ve_config_release(&ve->config);
	strvec_release(&ve->addresses);
	resources_release(&ve->resources);
}

static void add_mistake(struct list_ve *ve, struct report *report, const struct error *why)
{
	ve->mistake = true;
	ve->status = "error";
	report_warning(report, NULL, "VE %u: %s%s%s", ve->ctid, why->message, why->hint ? "; " : "",
		       why->hint ? why->hint : "");
}

static bool matches(const char *pattern, const char *text)
{
	return !pattern || fnmatch(pattern, text ? text : "", 0) == 0;
}

static bool wanted(const struct list_request *request, const struct list_ve *ve)
{
	const struct conf *conf = &ve->config.conf;
	return matches(request->hostname, conf_get(conf, "HOSTNAME")) &&
	       matches(request->name, conf_get(conf, "NAME")) &&
	       matches(request->description, conf_get(conf, "DESCRIPTION"));
}

/* false if the VE is not there any more. */
static bool read_config(const struct host_config *host, struct list_ve *ve, struct report *report)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (ve_config_load(host, ve->ctid, &ve->config, &why) == 0) {
		for (size_t i = 0; i < ve->config.address_count; i++)
			strvec_take(&ve->addresses, address_text(&ve->config.addresses[i]));
		return true;
	}
	if (why.kind == ERROR_NO_VE)
		return false;
	add_mistake(ve, report, &why);
	return true;
}

static void read_resources(const struct host_config *host, struct list_ve *ve,
			   const struct ve_state *state, struct report *report)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (resources_now(host, &ve->config.conf, state, &ve->resources, &why) < 0)
		add_mistake(ve, report, &why);
}

/* Fills in the VE; false if it is not to be shown. The state comes first: most of what is not shown needs no more. */
static bool look(const struct host_config *host, const struct list_request *request,
		 struct report *report, struct list_ve *ve)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	AUTO(ve_state_release) struct ve_state state = VE_STATE_INIT;
	bool known = ve_state_load(host, ve->ctid, &state, &why) == 0;
	ve->status = known ? status_of(host, ve->ctid, &state) : NULL;
	bool up = is_up(ve->status);
	if (known &&
	    ((request->which == LIST_RUNNING && !up) || (request->which == LIST_NOT_RUNNING && up)))
		return false;
	ve->processes = up ? count_processes(&state) : -1;
	ve->has_traffic = request->traffic &&
			  ve_traffic_read(host, ve->ctid, &state, &ve->traffic, NULL) == 0;
	ve->counted = up && request->count;
	if (ve->counted)
		usage_read(&state.groups, state.init.pid, ve->usage);
	ve->uptime_s = ve_process_alive(&state, &state.init) ? uptime_of(&state) : -1;
	if (!known)
		add_mistake(ve, report, &why);
	if (!read_config(host, ve, report) || !wanted(request, ve))
		return false;
	ve_disk_limits(host, &ve->config, &(struct disk_given){ 0 }, &ve->limits, NULL);
	if (ve->uptime_s >= 0)
		count_disk(&state, ve);
	if (!ve->mistake)
		read_resources(host, ve, &state, report);
	if (!ve->status)
		ve->status = is_mount(ve->config.root) ? "mounted" : "stopped";
	return true;
}

/* ---- all of them -------------------------------------------------------------------------------------- */

static void add(const struct host_config *host, const struct list_request *request,
		struct report *report, unsigned ctid, struct list *list)
{
	struct list_ve ve = {
		.ctid = ctid, .config = VE_CONFIG_INIT, .disk_kb = -1, .disk_inodes = -1
	};
	if (!look(host, request, report, &ve)) {
		ve_release(&ve);
		return;
	}
	list->ves = xgrow(list->ves, list->count, &list->capacity, sizeof(*list->ves));
	list->ves[list->count++] = ve;
}

static bool find(const struct host_config *host, const char *word, unsigned *ctid,
		 struct report *report)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (ctid_find(host, word, ctid, &why) == 0) {
		if (ve_config_exists(host, *ctid))
			return true;
		error_set(&why, ERROR_NO_VE, "there is no VE %u", *ctid);
		error_hint(&why, "\"vzlist -a\" shows which VEs there are");
	}
	report_error(report, &why, 1);
	return false;
}

static int compare(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
	return (x > y) - (x < y);
}

static size_t find_all(const struct host_config *host, const struct strvec *words,
		       struct report *report, unsigned *ctids, bool *missing)
{
	size_t count = 0, unique = 0;
	for (size_t i = 0; i < words->count; i++)
		count += find(host, words->items[i], &ctids[count], report);
	*missing = count < words->count;
	qsort(ctids, count, sizeof(*ctids), compare);
	for (size_t i = 0; i < count; i++)
		if (!i || ctids[i] != ctids[i - 1])
			ctids[unique++] = ctids[i];
	return unique;
}

int list_collect(const struct host_config *host, const struct list_request *request,
		 struct report *report, struct list *ret, struct error *err)
{
	autofree unsigned *ctids = NULL;
	size_t words = request->wanted->count, count;
	*ret = LIST_INIT;
	if (words) {
		ctids = xcalloc(words, sizeof(*ctids));
		count = find_all(host, request->wanted, report, ctids, &ret->missing);
	} else if (ctid_list(host, &ctids, &count, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < count; i++)
		add(host, request, report, ctids[i], ret);
	return 0;
}

void list_release(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		ve_release(&list->ves[i]);
	free(list->ves);
	*list = LIST_INIT;
}
