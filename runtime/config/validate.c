#include "runtime/config/validate.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "runtime/config/parameter.h"

struct looking {
	struct conf conf;
	const char *name;
	finding_fn *found;
	void *data;
};

/* ---- single lines -------------------------------------------------------------------------------- */

/* The message has the file and the line in front. */
static void mistaken(unsigned line, const struct error *why, void *data)
{
	const struct looking *looking = data;
	autofree char *place = xasprintf("%s:%u: ", looking->name, line);
	size_t length = strlen(place);
	bool placed = !strncmp(why->message, place, length);
	looking->found(FINDING_ERROR, line, why->message + (placed ? length : 0), looking->data);
}

static void check_sides(const struct looking *looking, const struct parameter *parameter,
			const struct conf_entry *entry)
{
	uint64_t barrier, limit;
	if (!parameter_limits(parameter, entry->value, &barrier, &limit) || barrier <= limit)
		return;
	autofree char *message =
		xasprintf("%s=\"%s\": the barrier is above the limit", entry->key, entry->value);
	looking->found(FINDING_ERROR, entry->line, message, looking->data);
}

static void check_value(const struct looking *looking, const struct conf_entry *entry)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	const struct parameter *parameter = parameter_find(entry->key);
	if (!parameter) {
		autofree char *message =
			xasprintf("%s means nothing to vzctl, which keeps it", entry->key);
		looking->found(FINDING_RECOMMENDATION, entry->line, message, looking->data);
		return;
	}
	/* As if it were not there. */
	if (!*entry->value)
		return;
	if (parameter_check(parameter, entry->key, entry->value, &why) < 0)
		looking->found(FINDING_ERROR, entry->line, why.message, looking->data);
	else
		check_sides(looking, parameter, entry);
}

/* ---- what does not fit each other ---------------------------------------------------------------- */

/* From OpenVZ's documentation: what is on the left has to be at least the factor times what is on the right, and the
 * addend. `span`: it is the way from the barrier to the limit that counts. */
static const struct {
	const char *left;
	bool span;
	double factor;
	const char *right, *addend;
	const char *why;
} rules[] = {
	{ "KMEMSIZE", false, 40 * 1024, "AVNUMPROC", "DCACHESIZE",
	  "40 KB for each of AVNUMPROC, and DCACHESIZE" },
	{ "PRIVVMPAGES", false, 1, "VMGUARPAGES", NULL, "VMGUARPAGES" },
	{ "TCPSNDBUF", true, 2.5 * 1024, "NUMTCPSOCK", NULL, "2.5 KB for each of NUMTCPSOCK" },
	{ "TCPRCVBUF", true, 2.5 * 1024, "NUMTCPSOCK", NULL, "2.5 KB for each of NUMTCPSOCK" },
	{ "OTHERSOCKBUF", true, 2.5 * 1024, "NUMOTHERSOCK", NULL,
	  "2.5 KB for each of NUMOTHERSOCK" },
	{ "NUMFILE", false, 32, "AVNUMPROC", NULL, "32 for each of AVNUMPROC" },
};

static bool get_limits(const struct looking *looking, const char *key, uint64_t *barrier,
		       uint64_t *limit)
{
	const char *value = conf_get(&looking->conf, key);
	return value && parameter_limits(parameter_find(key), value, barrier, limit);
}

static unsigned line_of(const struct looking *looking, const char *key)
{
	for (size_t i = 0; i < looking->conf.count; i++)
		if (!strcmp(looking->conf.entries[i].key, key))
			return looking->conf.entries[i].line;
	return 0;
}

static void check_rules(const struct looking *looking)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		uint64_t barrier, limit, right, none, addend = 0;
		if (!get_limits(looking, rules[i].left, &barrier, &limit) ||
		    !get_limits(looking, rules[i].right, &right, &none) || barrier > limit)
			continue;
		if (rules[i].addend && !get_limits(looking, rules[i].addend, &none, &addend))
			continue;
		bool enough = limit == UINT64_MAX && rules[i].span;
		double wanted = rules[i].factor * (double)right + (double)addend;
		if (enough || (double)(rules[i].span ? limit - barrier : barrier) >= wanted)
			continue;
		autofree char *message = xasprintf(
			"%s=\"%s\": %s is less than %s", rules[i].left,
			conf_get(&looking->conf, rules[i].left),
			rules[i].span ? "from the barrier to the limit it" : "the barrier",
			rules[i].why);
		looking->found(FINDING_WARNING, line_of(looking, rules[i].left), message,
			       looking->data);
	}
}

static void check_ids(const struct looking *looking)
{
	const char *uid = conf_get_default(&looking->conf, "LOCAL_UID", "0");
	const char *gid = conf_get_default(&looking->conf, "LOCAL_GID", uid);
	if (strcmp(uid, gid) != 0)
		looking->found(FINDING_ERROR, line_of(looking, "LOCAL_GID"),
			       "LOCAL_GID must be the same as LOCAL_UID", looking->data);
}

void validate(const char *name, const char *text, size_t length, finding_fn *found, void *data)
{
	struct looking looking = { CONF_INIT, name, found, data };
	conf_parse_all(&looking.conf, name, text, length, mistaken, &looking);
	for (size_t i = 0; i < looking.conf.count; i++)
		check_value(&looking, &looking.conf.entries[i]);
	check_ids(&looking);
	check_rules(&looking);
	conf_release(&looking.conf);
}
