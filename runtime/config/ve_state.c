#include "runtime/config/ve_state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "runtime/net/netif.h"

static const char *const phase_names[VE_PHASES] = {
	[VE_STOPPED] = "stopped", [VE_CREATING] = "creating",   [VE_STARTING] = "starting",
	[VE_RUNNING] = "running", [VE_STOPPING] = "stopping",   [VE_DESTROYING] = "destroying",
	[VE_DUMPED] = "dumped",   [VE_MIGRATING] = "migrating",
};

/* random(4): changes with every boot. */
char *ve_state_boot(void)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL) < 0)
		return xstrdup("unknown");
	text.text[strcspn(text.text, "\n")] = 0;
	return strbuf_detach(&text);
}

/* proc(5): field 3 is the state, field 22 the start; the name in field 2 may hold anything. */
static bool read_stat(pid_t pid, char *state, uint64_t *start)
{
	autofree char *path = xasprintf("/proc/%d/stat", pid);
	autofclose FILE *file = fopen(path, "re");
	char text[1024];
	size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	text[length] = 0;
	const char *rest = strrchr(text, ')');
	return rest && sscanf(rest + 1,
			      " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			      "%*s %*s %*s %" SCNu64,
			      state, start) == 2;
}

struct ve_process ve_process_of(pid_t pid)
{
	struct ve_process process = { .pid = pid };
	char state;
	if (!read_stat(pid, &state, &process.start))
		process.pid = 0;
	return process;
}

static bool is_alive(const struct ve_process *process)
{
	uint64_t start;
	char state;
	return process->pid > 0 && read_stat(process->pid, &state, &start) &&
	       start == process->start && state != 'Z' && state != 'X';
}

bool ve_process_alive(const struct ve_state *state, const struct ve_process *process)
{
	return state->this_boot && is_alive(process);
}

int ve_process_open(const struct ve_process *process)
{
	autoclose int fd = process->pid > 0 ? pidfd_open(process->pid, 0) : -1;
	/* In this order: if it is still the same now, then the descriptor is of it. */
	return fd >= 0 && is_alive(process) ? steal_fd(&fd) : -1;
}

static uint64_t get_number(const struct conf *conf, const char *key)
{
	return strtoull(conf_get_default(conf, key, "0"), NULL, 10);
}

static int parse_phase(const struct conf *conf, const char *path, enum ve_phase *ret,
		       struct error *err)
{
	const char *name = conf_get_default(conf, "PHASE", "");
	for (int i = VE_CREATING; i < VE_PHASES; i++)
		if (!strcmp(name, phase_names[i])) {
			*ret = (enum ve_phase)i;
			return 0;
		}
	error_set(err, ERROR_PARSE, "%s: \"%s\" is not a state of a VE that this vzctl knows", path,
		  name);
	return error_hint(err,
			  "if a newer vzctl is installed as well, use that one for this VE; if "
			  "no process of the VE is there, remove that file");
}

int ve_state_load(const struct host_config *host, unsigned ctid, struct ve_state *ret,
		  struct error *err)
{
	AUTO(conf_release) struct conf conf = CONF_INIT;
	autofree char *path = xasprintf("%s/%u.state", host->lock_dir, ctid),
		      *boot = ve_state_boot();
	*ret = VE_STATE_INIT;
	if (conf_read(&conf, AT_FDCWD, path, true, err) < 0)
		return -1;
	if (!conf.path)
		return 0;
	if (parse_phase(&conf, path, &ret->phase, err) < 0)
		return -1;
	ret->this_boot = !strcmp(conf_get_default(&conf, "BOOT", ""), boot);
	ret->init.pid = (pid_t)get_number(&conf, "INIT");
	ret->init.start = get_number(&conf, "INIT_START");
	ret->monitor.pid = (pid_t)get_number(&conf, "MONITOR");
	ret->monitor.start = get_number(&conf, "MONITOR_START");
	ret->ids_base = (unsigned)get_number(&conf, "IDS");
	strvec_split(&ret->groups, conf_get_default(&conf, "GROUPS", ""));
	ret->resources = xstrdup_or_null(conf_get(&conf, "RESOURCES"));
	ret->device = xstrdup_or_null(conf_get(&conf, "DEVICE"));
	ret->netifs = xstrdup_or_null(conf_get(&conf, "NETIF"));
	strvec_split(&ret->neighbours, conf_get_default(&conf, "NEIGHBOURS", ""));
	ret->private_area = xstrdup_or_null(conf_get(&conf, "PRIVATE"));
	ret->rated = get_number(&conf, "RATED");
	ret->frozen = get_number(&conf, "FROZEN");
	ret->suspended = get_number(&conf, "SUSPENDED");
	return 0;
}

/* As base/conf.h reads it. */
static void add_text(struct strbuf *text, const char *key, const char *value)
{
	strbuf_addf(text, "%s=\"", key);
	for (const char *c = value; *c; c++)
		strbuf_addf(text, strchr("\"\\", *c) ? "\\%c" : "%c", *c);
	strbuf_adds(text, "\"\n");
}

static void add_number(struct strbuf *text, const char *key, uint64_t value)
{
	if (value)
		strbuf_addf(text, "%s=%" PRIu64 "\n", key, value);
}

/* Words that hold neither blanks nor quotes. */
static void add_words(struct strbuf *text, const char *key, const struct strvec *words)
{
	if (!words->count)
		return;
	strbuf_addf(text, "%s='", key);
	for (size_t i = 0; i < words->count; i++)
		strbuf_addf(text, "%s%s", i ? " " : "", words->items[i]);
	strbuf_adds(text, "'\n");
}

static void render(const struct ve_state *state, struct strbuf *text)
{
	autofree char *boot = ve_state_boot();
	strbuf_addf(text, "PHASE=%s\nBOOT=%s\n", phase_names[state->phase], boot);
	add_number(text, "INIT", (uint64_t)state->init.pid);
	add_number(text, "INIT_START", state->init.start);
	add_number(text, "MONITOR", (uint64_t)state->monitor.pid);
	add_number(text, "MONITOR_START", state->monitor.start);
	add_number(text, "IDS", state->ids_base);
	add_words(text, "GROUPS", &state->groups);
	if (state->resources)
		add_text(text, "RESOURCES", state->resources);
	if (state->device)
		strbuf_addf(text, "DEVICE=%s\n", state->device);
	if (state->netifs)
		add_text(text, "NETIF", state->netifs);
	add_words(text, "NEIGHBOURS", &state->neighbours);
	if (state->private_area)
		add_text(text, "PRIVATE", state->private_area);
	add_number(text, "RATED", state->rated);
	add_number(text, "FROZEN", state->frozen);
	add_number(text, "SUSPENDED", state->suspended);
}

/* Not file_write_atomic(): one name for the new file, so that a killed writer leaves nothing that the next one does not
 * replace; and what holds for this boot alone need not be on disk, where two fsyncs would be most of the time
 * that a start takes. What is to be undone on disk does have to outlive a power loss. */
int ve_state_replace(int dir, const char *name, const struct strbuf *text, bool durable,
		     struct error *err)
{
	autofree char *temporary = xasprintf("%s.new", name);
	autoclose int fd =
		openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_errno(err, errno, "creating %s", temporary);
	if (write_all(fd, text->text, text->length, temporary, err) < 0)
		return -1;
	if (durable && fsync(fd) < 0)
		return error_errno(err, errno, "syncing %s", temporary);
	if (renameat(dir, temporary, dir, name) < 0)
		return error_errno(err, errno, "renaming to %s", name);
	return durable && fsync(dir) < 0 ? error_errno(err, errno, "syncing %s", name) : 0;
}

int ve_state_save(const struct host_config *host, unsigned ctid, const struct ve_state *state,
		  struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *name = xasprintf("%u.state", ctid);
	autoclose int dir = dir_open(AT_FDCWD, host->lock_dir, true, 0755, err);
	if (dir < 0)
		return -1;
	if (state->phase == VE_STOPPED) {
		autofree char *temporary = xasprintf("%s.new", name);
		if ((unlinkat(dir, name, 0) < 0 || unlinkat(dir, temporary, 0) < 0) &&
		    errno != ENOENT)
			return error_errno(err, errno, "removing %s/%s", host->lock_dir, name);
		return 0;
	}
	render(state, &text);
	bool durable = state->phase == VE_CREATING || state->phase == VE_DESTROYING ||
		       state->phase == VE_DUMPED || state->phase == VE_MIGRATING;
	return ve_state_replace(dir, name, &text, durable, err);
}

void ve_state_release(struct ve_state *state)
{
	strvec_release(&state->groups);
	free(state->resources);
	free(state->device);
	free(state->netifs);
	strvec_release(&state->neighbours);
	free(state->private_area);
	*state = VE_STATE_INIT;
}

int ve_state_devices(const struct ve_state *state, struct strvec *names, struct error *err)
{
	struct netifs there;
	if (netifs_parse(state->netifs ?: "", &there, err) < 0)
		return -1;
	if (state->device)
		strvec_push(names, state->device);
	for (size_t i = 0; i < there.count; i++)
		strvec_push(names, there.items[i].host_ifname);
	netifs_release(&there);
	return 0;
}

int ve_lock(const struct host_config *host, unsigned ctid, unsigned timeout_s,
	    lock_waiting_fn *waiting, void *data, struct lock *lock, struct error *err)
{
	autofree char *name = xasprintf("%u.lck", ctid);
	autoclose int dir = dir_open(AT_FDCWD, host->lock_dir, true, 0755, err);
	if (dir < 0)
		return -1;
	if (lock_take(lock, dir, name, LOCK_EXCLUSIVE, timeout_s, waiting, data, err) == 0)
		return 0;
	/* Who has it, or that nobody waits any more, is said already. */
	if (err->kind == ERROR_LOCKED || err->kind == ERROR_INTERRUPTED)
		return -1;
	return error_wrap(err, "taking the VE's lock in %s", host->lock_dir);
}
