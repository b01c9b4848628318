#include "runtime/resource/resources.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/strvec.h"

enum { LIST_LIMIT = 1 << 16 };

/* ---- from configurations and back -------------------------------------------------------------------- */

static int mistake(const char *path, const struct resource *resource, const char *text,
		   struct error *err)
{
	autofree char *wanted = resource_wanted(resource);
	error_set(err, ERROR_PARSE, "%s: %s=\"%s\": this is not a value that it can have",
		  path ? path : "vz.conf", resource->key, text);
	if (path)
		error_subject(err, "%s", path);
	return error_hint(err, "it is %s", wanted);
}

int resources_load(const struct host_config *host, const struct conf *own, struct resources *ret,
		   struct error *err)
{
	ret->values[RESOURCE_NUMPROC] = (struct resource_value){
		.set = true,
		.barrier = PROCESSES_DEFAULT,
		.limit = PROCESSES_DEFAULT,
	};
	for (int i = 0; i < RESOURCE_COUNT; i++) {
		const char *text = conf_get(own, resource_table[i].key);
		const char *path = text ? own->path : host->conf.path;
		if (!text)
			text = conf_get(&host->conf, resource_table[i].key);
		if (text && *text && resource_parse(&resource_table[i], text, &ret->values[i]) < 0)
			return mistake(path, &resource_table[i], text, err);
	}
	return 0;
}

int resources_give(struct resources *resources, const struct conf *given, struct error *err)
{
	for (int i = 0; i < RESOURCE_COUNT; i++) {
		const struct resource *resource = &resource_table[i];
		const char *text = conf_get(given, resource->key);
		if (!text || !*text)
			continue;
		if (resource_parse(resource, text, &resources->values[i]) < 0)
			return resource_check(resource, resource->key, text, err);
	}
	return 0;
}

char *resources_text(const struct resources *resources)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	for (int i = 0; i < RESOURCE_COUNT; i++) {
		const struct resource_value *value = &resources->values[i];
		enum resource_unit unit = resource_table[i].unit;
		if (!value->set || unit == UNIT_FACTOR)
			continue;
		strbuf_addf(&text, "%s%s=", text.length ? " " : "", resource_table[i].key);
		if (unit == UNIT_LIST)
			strbuf_adds(&text, value->list ?: "all");
		else if (unit <= UNIT_BYTES)
			strbuf_addf(&text, "%" PRIu64 ":%" PRIu64, value->barrier, value->limit);
		else if (value->limit == RESOURCE_UNLIMITED)
			strbuf_adds(&text, "unlimited");
		else
			strbuf_addf(&text, "%" PRIu64, value->limit);
	}
	return strbuf_detach(&text);
}

int resources_parse(const char *text, struct resources *ret, struct error *err)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	strvec_split(&words, text);
	for (size_t n = 0; n < words.count; n++) {
		const char *equals = strchr(words.items[n], '=');
		size_t length = equals ? (size_t)(equals - words.items[n]) : 0;
		int i = 0;
		while (i < RESOURCE_COUNT &&
		       (strlen(resource_table[i].key) != length ||
			memcmp(resource_table[i].key, words.items[n], length) != 0))
			i++;
		if (i == RESOURCE_COUNT ||
		    resource_parse(&resource_table[i], equals + 1, &ret->values[i]) < 0)
			return error_set(err, ERROR_PARSE,
					 "\"%s\" is not a limit that this vzctl knows",
					 words.items[n]);
	}
	return 0;
}

int resources_now(const struct host_config *host, const struct conf *own,
		  const struct ve_state *state, struct resources *ret, struct error *err)
{
	if (state->resources && ve_process_alive(state, &state->init))
		return resources_parse(state->resources, ret, err);
	return resources_load(host, own, ret, err);
}

void resources_copy(struct resources *to, const struct resources *from)
{
	resources_release(to);
	*to = *from;
	for (int i = 0; i < RESOURCE_COUNT; i++)
		to->values[i].list = xstrdup_or_null(from->values[i].list);
}

void resources_release(struct resources *resources)
{
	for (int i = 0; i < RESOURCE_COUNT; i++)
		free(resources->values[i].list);
	*resources = RESOURCES_INIT;
}

/* ---- what they mean ---------------------------------------------------------------------------------- */

/* 2147483647 is what tools for 32 bits wrote. */
bool resource_is_limited(const struct resources *resources, enum resource_id id)
{
	const struct resource_value *value = &resources->values[id];
	if (resource_table[id].unit == UNIT_LIST)
		return value->list;
	return value->set && value->limit < RESOURCE_UNLIMITED &&
	       (value->limit != INT32_MAX || resource_table[id].unit > UNIT_BYTES);
}

static uint64_t bytes_of(const struct resources *resources, enum resource_id id)
{
	uint64_t limit = resources->values[id].limit, times = 1, bytes;
	if (!resource_is_limited(resources, id))
		return RESOURCE_UNLIMITED;
	if (resource_table[id].unit == UNIT_PAGES)
		times = page_size();
	return __builtin_mul_overflow(limit, times, &bytes) || bytes > RESOURCE_UNLIMITED
		       ? RESOURCE_UNLIMITED
		       : bytes;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a > RESOURCE_UNLIMITED - b ? RESOURCE_UNLIMITED : a + b;
}

uint64_t resources_memory(const struct resources *resources)
{
	if (resource_is_limited(resources, RESOURCE_PHYSPAGES))
		return bytes_of(resources, RESOURCE_PHYSPAGES);
	uint64_t private = bytes_of(resources, RESOURCE_PRIVVMPAGES);
	return resource_is_limited(resources, RESOURCE_KMEMSIZE)
		       ? sum(private, bytes_of(resources, RESOURCE_KMEMSIZE))
		       : private;
}

/* If nothing is said, a VE with limited memory has no swap space: it would be all of the host's. */
uint64_t resources_swap(const struct resources *resources)
{
	if (resources_memory(resources) == RESOURCE_UNLIMITED)
		return RESOURCE_UNLIMITED;
	return resources->values[RESOURCE_SWAPPAGES].set ? bytes_of(resources, RESOURCE_SWAPPAGES)
							 : 0;
}

/* ---- whether the host has it --------------------------------------------------------------------------- */

/* Of two lists as 0-3,8, whether all of one is in the other. */
static bool is_within(const char *list, const char *all)
{
	for (const char *at = list; *at;) {
		char *end;
		unsigned long first = strtoul(at, &end, 10), last = first;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		bool found = false;
		for (const char *from = all; !found && isdigit((unsigned char)*from);) {
			char *rest;
			unsigned long low = strtoul(from, &rest, 10), high = low;
			if (*rest == '-')
				high = strtoul(rest + 1, &rest, 10);
			found = first >= low && last <= high;
			from = *rest == ',' ? rest + 1 : rest;
		}
		if (!found)
			return false;
		at = *end == ',' ? end + 1 : end;
	}
	return true;
}

static int check_list(const struct resources *resources, enum resource_id id, const char *path,
		      const char *what, struct error *err)
{
	AUTO(strbuf_release) struct strbuf there = STRBUF_INIT;
	const char *list = resources->values[id].list;
	if (!list || file_read(AT_FDCWD, path, LIST_LIMIT, &there, NULL) < 0)
		return 0;
	there.text[strcspn(there.text, "\n")] = 0;
	if (is_within(list, there.text))
		return 0;
	error_set(err, ERROR_VALUE, "%s cannot be \"%s\"", resource_table[id].name, list);
	return error_hint(err, "this host has the %s %s", what, there.text);
}

int resources_check_host(const struct resources *resources, struct error *err)
{
	if (check_list(resources, RESOURCE_CPUMASK, "/sys/devices/system/cpu/online", "processors",
		       err) < 0)
		return -1;
	return check_list(resources, RESOURCE_NODEMASK, "/sys/devices/system/node/has_memory",
			  "nodes with memory", err);
}
