#include "runtime/resource/limit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "runtime/cgroup.h"

enum { PERIOD_US = 100000, LIST_LIMIT = 1 << 16, PROCESSES_MAX = 1 << 22 /* the kernel's */ };

/* ---- what is written ----------------------------------------------------------------------------------
 * One function for each file, of v1 (`v2` is false) and of v2; what none of the parameters says gives the kernel's default. */

static char *number(uint64_t value, const char *unlimited)
{
	return value == RESOURCE_UNLIMITED ? xstrdup(unlimited) : xasprintf("%" PRIu64, value);
}

static uint64_t limit_of(const struct resources *resources, enum resource_id id)
{
	return resource_is_limited(resources, id) ? resources->values[id].limit
						  : RESOURCE_UNLIMITED;
}

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
	return value < least ? least : value > most ? most : value;
}

static char *processes(const struct resources *resources, bool v2)
{
	(void)v2;
	uint64_t limit = limit_of(resources, RESOURCE_NUMPROC);
	return number(limit > PROCESSES_MAX ? RESOURCE_UNLIMITED : limit, "max");
}

static char *memory(const struct resources *resources, bool v2)
{
	return number(resources_memory(resources), v2 ? "max" : "-1");
}

/* v1 counts memory and swap space together. */
static char *swap(const struct resources *resources, bool v2)
{
	uint64_t most = resources_swap(resources), with = resources_memory(resources);
	if (v2)
		return number(most, "max");
	return number(most > RESOURCE_UNLIMITED - with ? RESOURCE_UNLIMITED : with + most, "-1");
}

static char *tcp(const struct resources *resources, bool v2)
{
	uint64_t send = limit_of(resources, RESOURCE_TCPSNDBUF),
		 receive = limit_of(resources, RESOURCE_TCPRCVBUF);
	(void)v2;
	return number(send > RESOURCE_UNLIMITED - receive ? RESOURCE_UNLIMITED : send + receive,
		      "-1");
}

/* 1000 units are a group's default weight. */
static char *cpu_weight(const struct resources *resources, bool v2)
{
	const struct resource_value *value = &resources->values[RESOURCE_CPUUNITS];
	uint64_t units = value->set ? value->limit : 1000;
	return number(v2 ? clamp(units / 10, 1, 10000) : clamp(units * 1024 / 1000, 2, 262144), "");
}

static char *cpu_quota(const struct resources *resources, bool v2)
{
	uint64_t percent = limit_of(resources, RESOURCE_CPULIMIT),
		 cpus = limit_of(resources, RESOURCE_CPUS);
	if (cpus < RESOURCE_UNLIMITED && cpus * 100 < percent)
		percent = cpus * 100;
	uint64_t quota = percent == RESOURCE_UNLIMITED ? percent : percent * PERIOD_US / 100;
	autofree char *text = number(quota, v2 ? "max" : "-1");
	return v2 ? xasprintf("%s %d", text, PERIOD_US) : steal_ptr(text);
}

static char *cpu_list(const struct resources *resources, bool v2)
{
	(void)v2;
	return xstrdup(resources->values[RESOURCE_CPUMASK].list ?: "");
}

static char *node_list(const struct resources *resources, bool v2)
{
	(void)v2;
	return xstrdup(resources->values[RESOURCE_NODEMASK].list ?: "");
}

/* Both kinds of group have 100 by default, which is that of priority 4. */
static char *io_weight(const struct resources *resources, bool v2)
{
	const struct resource_value *value = &resources->values[RESOURCE_IOPRIO];
	(void)v2;
	return number(((value->set ? value->limit : 4) + 1) * 20, "");
}

/* Of one disk, which is written before it. */
static char *io_rate(const struct resources *resources, bool v2)
{
	uint64_t limit = limit_of(resources, RESOURCE_IOLIMIT);
	autofree char *text = number(limit, v2 ? "max" : "0");
	return v2 ? xasprintf("rbps=%s wbps=%s", text, text) : steal_ptr(text);
}

static char *io_count(const struct resources *resources, bool v2)
{
	uint64_t limit = limit_of(resources, RESOURCE_IOPSLIMIT);
	if (!v2) /* has 32 bits */
		return number(limit > UINT32_MAX ? 0 : limit, "0");
	autofree char *text = number(limit, "max");
	return xasprintf("riops=%s wiops=%s", text, text);
}

/* By the parameter whose files in the table these are; parameters that have a file together have one row. */
static const struct {
	enum resource_id id;
	char *(*text)(const struct resources *resources, bool v2);
	bool for_each_disk;
} rows[] = {
	{ RESOURCE_NUMPROC, processes, false },   { RESOURCE_PHYSPAGES, memory, false },
	{ RESOURCE_SWAPPAGES, swap, false },      { RESOURCE_TCPSNDBUF, tcp, false },
	{ RESOURCE_CPUUNITS, cpu_weight, false }, { RESOURCE_CPULIMIT, cpu_quota, false },
	{ RESOURCE_CPUMASK, cpu_list, false },    { RESOURCE_NODEMASK, node_list, false },
	{ RESOURCE_IOPRIO, io_weight, false },    { RESOURCE_IOLIMIT, io_rate, true },
	{ RESOURCE_IOPSLIMIT, io_count, true },
};

enum { ROWS = sizeof(rows) / sizeof(*rows), MEMORY_ROW = 1, SWAP_ROW = 2 };

/* ---- where it is written ------------------------------------------------------------------------------- */

struct place {
	const char *folder; /* NULL: there is none */
	bool v2;
	struct strvec files;
};

static void place_release(struct place *place)
{
	strvec_release(&place->files);
}

static const char *find_folder(const struct strvec *folders, const char *file)
{
	for (size_t i = 0; i < folders->count; i++) {
		autofree char *path = xasprintf("%s/%s", folders->items[i], file);
		if (access(path, F_OK) == 0)
			return folders->items[i];
	}
	return NULL;
}

static bool is_v2(const char *folder)
{
	autofree char *path = xasprintf("%s/cgroup.events", folder);
	return access(path, F_OK) == 0;
}

/* Names that both have mean the same. */
static struct place find(const struct strvec *folders, enum resource_id id)
{
	struct place place = { .files = STRVEC_INIT };
	const char *const names[] = { resource_table[id].v2, resource_table[id].v1 };
	for (int i = 0; i < 2 && !place.folder; i++) {
		if (!names[i])
			continue;
		strvec_release(&place.files);
		strvec_split(&place.files, names[i]);
		place.folder = find_folder(folders, place.files.items[0]);
	}
	place.v2 = place.folder && is_v2(place.folder);
	return place;
}

static int refused(enum resource_id id, const struct place *place, const char *file,
		   const char *text, struct error *err)
{
	int number = errno;
	error_errno(err, number, "setting %s: writing \"%s\" to %s/%s", resource_table[id].name,
		    text, place->folder, file);
	err->kind = ERROR_LIMIT;
	if (number == ENOENT || number == ENODEV)
		return error_hint(err,
				  "the VE's control groups have been removed; \"vzctl restart\" "
				  "makes new ones");
	return number == EBUSY ? error_hint(err, "it uses more; stop something in it first") : -1;
}

/* An empty list means what the group above has, which v1 wants to be told. */
static char *list_above(const struct place *place, const char *file)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *path = xasprintf("%s/../%s", place->folder, file);
	if (place->v2 || file_read(AT_FDCWD, path, LIST_LIMIT, &text, NULL) < 0)
		return xstrdup("\n");
	return strbuf_detach(&text);
}

/* v2 takes the list from a group no more that has processes (ENOSPC). All that this machine can have is the same, as the group above has
 * the last word. */
static int write_all_possible(int row, const struct place *place, const char *file)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *path = rows[row].id == RESOURCE_NODEMASK ? "/sys/devices/system/node/possible"
							     : "/sys/devices/system/cpu/possible";
	if (file_read(AT_FDCWD, path, LIST_LIMIT, &text, NULL) < 0) {
		errno = ENOSPC;
		return -1;
	}
	return cgroup_write(place->folder, file, text.text);
}

static int write_list_above(int row, const struct place *place, const char *file, struct error *err)
{
	autofree char *list = list_above(place, file);
	int result = cgroup_write(place->folder, file, list);
	if (result < 0 && errno == ENOSPC && place->v2)
		result = write_all_possible(row, place, file);
	list[strcspn(list, "\n")] = 0;
	return result < 0 ? refused(rows[row].id, place, file, list, err) : 0;
}

static int write_one(int row, const struct place *place, const char *file, const char *text,
		     struct error *err)
{
	return cgroup_write(place->folder, file, text) < 0
		       ? refused(rows[row].id, place, file, text, err)
		       : 0;
}

static int write_file(int row, const struct place *place, const char *file,
		      const struct strvec *disks, const char *text, struct error *err)
{
	if (!rows[row].for_each_disk)
		return *text ? write_one(row, place, file, text, err)
			     : write_list_above(row, place, file, err);
	for (size_t i = 0; i < disks->count; i++) {
		autofree char *line = xasprintf("%s %s", disks->items[i], text);
		if (write_one(row, place, file, line, err) < 0)
			return -1;
	}
	return 0;
}

static int write_row(int row, const struct place *place, const struct strvec *disks,
		     const char *text, struct error *err)
{
	for (size_t i = 0; i < place->files.count; i++)
		if (write_file(row, place, place->files.items[i], disks, text, err) < 0)
			return -1;
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------------------- */

static int apply_row(int row, const struct limit_target *target, const struct resources *wanted,
		     const struct resources *before, struct error *err)
{
	AUTO(place_release) struct place place = find(target->folders, rows[row].id);
	static const struct resources fresh = { 0 };
	if (!place.folder)
		return 0;
	autofree char *text = rows[row].text(wanted, place.v2);
	autofree char *old = rows[row].text(before ?: &fresh, place.v2);
	return strcmp(text, old) ? write_row(row, &place, target->disks, text, err) : 0;
}

/* In v1 memory must never be more than memory and swap space: where it grows, it comes second. */
static int apply_memory(const struct limit_target *target, const struct resources *wanted,
			const struct resources *before, struct error *err)
{
	bool grows = before && resources_memory(wanted) > resources_memory(before);
	int first = grows ? SWAP_ROW : MEMORY_ROW, second = grows ? MEMORY_ROW : SWAP_ROW;
	if (apply_row(first, target, wanted, before, err) < 0)
		return -1;
	return apply_row(second, target, wanted, before, err);
}

/* A column that is empty says that there it is no limit of its own, which is no fault of this host. */
void limit_missing(const struct limit_target *target, const struct resources *wanted,
		   struct strvec *missing)
{
	for (int i = 0; i < RESOURCE_COUNT; i++) {
		bool on_disk = i == RESOURCE_IOLIMIT || i == RESOURCE_IOPSLIMIT;
		if (!resource_table[i].v2 || !resource_is_limited(wanted, i))
			continue;
		AUTO(place_release) struct place place = find(target->folders, i);
		if (!place.folder || (on_disk && !target->disks->count))
			strvec_push(missing, resource_table[i].name);
	}
}

int limit_apply(const struct limit_target *target, const struct resources *wanted,
		const struct resources *before, struct error *err)
{
	for (int row = 0; row < ROWS; row++) {
		if (row == SWAP_ROW)
			continue;
		int result = row == MEMORY_ROW ? apply_memory(target, wanted, before, err)
					       : apply_row(row, target, wanted, before, err);
		if (result < 0)
			return -1;
	}
	return 0;
}
