#include "runtime/resource/usage.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "runtime/resource/processes.h"
#include "runtime/resource/resources.h"

enum { FILE_LIMIT = 1 << 16 };

/* Files of v1 and of v2, as FILE, or FILE:WORD where a line begins with that word. The first that is there counts. */
struct counter {
	const char *v1, *v2;
};

static const struct {
	struct counter held, maxheld, failcnt;
} counters[BEANCOUNTERS] = {
	[RESOURCE_KMEMSIZE] = { { "memory.kmem.usage_in_bytes", "memory.stat:kernel" },
				{ "memory.kmem.max_usage_in_bytes", NULL },
				{ "memory.kmem.failcnt", NULL } },
	[RESOURCE_LOCKEDPAGES] = { { "memory.stat:total_unevictable", "memory.stat:unevictable" } },
	[RESOURCE_PRIVVMPAGES] = { { "memory.stat:total_rss", "memory.stat:anon" } },
	[RESOURCE_SHMPAGES] = { { "memory.stat:total_shmem", "memory.stat:shmem" } },
	[RESOURCE_NUMPROC] = { { "pids.current", NULL },
			       { "pids.peak", NULL },
			       { "pids.events:max", NULL } },
	[RESOURCE_PHYSPAGES] = { { "memory.usage_in_bytes", "memory.current" },
				 { "memory.max_usage_in_bytes", "memory.peak" },
				 { "memory.oom_control:oom_kill", "memory.events:oom_kill" } },
	[RESOURCE_OOMGUARPAGES] = { { "memory.memsw.usage_in_bytes", "memory.current" },
				    { "memory.memsw.max_usage_in_bytes", "memory.peak" },
				    { "memory.oom_control:oom_kill", "memory.events:oom_kill" } },
	[RESOURCE_TCPSNDBUF] = { { "memory.kmem.tcp.usage_in_bytes", "memory.stat:sock" },
				 { "memory.kmem.tcp.max_usage_in_bytes", NULL },
				 { "memory.kmem.tcp.failcnt", NULL } },
	[RESOURCE_TCPRCVBUF] = { { "memory.kmem.tcp.usage_in_bytes", "memory.stat:sock" },
				 { "memory.kmem.tcp.max_usage_in_bytes", NULL },
				 { "memory.kmem.tcp.failcnt", NULL } },
	[RESOURCE_DCACHESIZE] = { { NULL, "memory.stat:slab_reclaimable" } },
	[RESOURCE_SWAPPAGES] = { { "memory.stat:total_swap", "memory.swap.current" },
				 { NULL, "memory.swap.peak" },
				 { NULL, "memory.swap.events:fail" } },
};

/* The number after `word` at the beginning of a line; of the first line, without a word. -1: there is none. */
static int64_t number_in(const char *text, const char *word)
{
	size_t length = word ? strlen(word) : 0;
	for (; text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL) {
		const char *at = text + length;
		if (word && (strncmp(text, word, length) != 0 || *at++ != ' '))
			continue;
		if (isdigit((unsigned char)*at))
			return strtoll(at, NULL, 10);
	}
	return -1;
}

static int64_t read_one(const struct strvec *folders, const char *name)
{
	const char *colon = name ? strchr(name, ':') : NULL;
	int length = colon ? (int)(colon - name) : name ? (int)strlen(name) : 0;
	int64_t found = -1;
	for (size_t i = 0; name && found < 0 && i < folders->count; i++) {
		AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
		autofree char *path = xasprintf("%s/%.*s", folders->items[i], length, name);
		if (file_read(AT_FDCWD, path, FILE_LIMIT, &text, NULL) == 0)
			found = number_in(text.text, colon ? colon + 1 : NULL);
	}
	return found;
}

static int64_t read_counter(const struct strvec *folders, const struct counter *counter)
{
	int64_t found = read_one(folders, counter->v1);
	return found < 0 ? read_one(folders, counter->v2) : found;
}

/* ---- what no control group counts -------------------------------------------------------------------- */

/* The words are of sockstat, per network namespace: "TCP: inuse 3 orphan 0 …". */
static int64_t sockets(pid_t init, const char *file, const char *prefix)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *path = xasprintf("/proc/%d/net/%s", init, file);
	if (file_read(AT_FDCWD, path, FILE_LIMIT, &text, NULL) < 0)
		return -1;
	return number_in(text.text, prefix);
}

static void count_sockets(pid_t init, struct usage ret[BEANCOUNTERS])
{
	int64_t all = sockets(init, "sockstat", "sockets: used");
	int64_t tcp = sockets(init, "sockstat", "TCP: inuse"),
		tcp6 = sockets(init, "sockstat6", "TCP6: inuse");
	if (tcp < 0)
		return;
	tcp += tcp6 > 0 ? tcp6 : 0;
	ret[RESOURCE_NUMTCPSOCK].held = tcp;
	ret[RESOURCE_NUMOTHERSOCK].held = all > tcp ? all - tcp : 0;
}

/* proc(5): since Linux 6.2 the size of /proc/PID/fd is the number of what is in it. */
static int64_t files_of(pid_t pid)
{
	autofree char *path = xasprintf("/proc/%d/fd", pid);
	struct stat st;
	int64_t count = 0;
	autoclosedir DIR *dir = opendir(path);
	if (!dir)
		return -1;
	if (fstat(dirfd(dir), &st) == 0 && st.st_size > 0)
		return st.st_size;
	for (const struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	return count;
}

/* As it is limited: those of the process that has most. */
static int64_t count_files(const struct strvec *folders)
{
	AUTO(processes_release) struct processes list = PROCESSES_INIT;
	int64_t most = -1;
	processes_list(folders, &list);
	for (size_t i = 0; i < list.count; i++) {
		int64_t files = files_of(list.pids[i]);
		most = files > most ? files : most;
	}
	return most;
}

/* ------------------------------------------------------------------------------------------------------- */

static int64_t in_unit(enum resource_id id, int64_t value)
{
	int64_t size = (int64_t)page_size();
	return resource_table[id].unit == UNIT_PAGES && value > 0 ? (value + size - 1) / size
								  : value;
}

void usage_read(const struct strvec *folders, pid_t init, struct usage ret[BEANCOUNTERS])
{
	for (int i = 0; i < BEANCOUNTERS; i++)
		ret[i] = (struct usage){
			.held = in_unit(i, read_counter(folders, &counters[i].held)),
			.maxheld = in_unit(i, read_counter(folders, &counters[i].maxheld)),
			.failcnt = read_counter(folders, &counters[i].failcnt),
		};
	count_sockets(init, ret);
	ret[RESOURCE_NUMFILE].held = count_files(folders);
	/* Where only the one is counted, and where they were read one after the other. */
	for (int i = 0; i < BEANCOUNTERS; i++)
		if (ret[i].maxheld < ret[i].held)
			ret[i].maxheld = ret[i].held;
}

void usage_bounds(const struct resources *resources, enum resource_id id, uint64_t *barrier,
		  uint64_t *limit)
{
	const struct resource_value *value = &resources->values[id];
	*barrier = value->set ? value->barrier : RESOURCE_UNLIMITED;
	*limit = value->set ? value->limit : RESOURCE_UNLIMITED;
}
