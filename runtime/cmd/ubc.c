#include <inttypes.h>

#include "base/cleanup.h"
#include "runtime/cmd/command.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"
#include "runtime/resource/resources.h"
#include "runtime/resource/usage.h"

/* A place in OpenVZ's file that no resource has. */
enum { DUMMY = -1 };

static const int lines[] = {
	RESOURCE_KMEMSIZE,
	RESOURCE_LOCKEDPAGES,
	RESOURCE_PRIVVMPAGES,
	RESOURCE_SHMPAGES,
	DUMMY,
	RESOURCE_NUMPROC,
	RESOURCE_PHYSPAGES,
	RESOURCE_VMGUARPAGES,
	RESOURCE_OOMGUARPAGES,
	RESOURCE_NUMTCPSOCK,
	RESOURCE_NUMFLOCK,
	RESOURCE_NUMPTY,
	RESOURCE_NUMSIGINFO,
	RESOURCE_TCPSNDBUF,
	RESOURCE_TCPRCVBUF,
	RESOURCE_OTHERSOCKBUF,
	RESOURCE_DGRAMRCVBUF,
	RESOURCE_NUMOTHERSOCK,
	RESOURCE_DCACHESIZE,
	RESOURCE_NUMFILE,
	DUMMY,
	DUMMY,
	DUMMY,
	RESOURCE_NUMIPTENT,
	RESOURCE_SWAPPAGES,
};

enum { LINES = sizeof(lines) / sizeof(*lines) };

/* Programs read this: what is not counted is 0 there. */
static uint64_t shown(int64_t value)
{
	return value < 0 ? 0 : (uint64_t)value;
}

static void add_line(struct strbuf *text, int id, const struct resources *resources,
		     const struct usage *usage)
{
	uint64_t barrier = 0, limit = 0;
	if (id != DUMMY)
		usage_bounds(resources, (enum resource_id)id, &barrier, &limit);
	strbuf_addf(text,
		    "%-12s %20" PRIu64 " %20" PRIu64 " %20" PRIu64 " %20" PRIu64 " %20" PRIu64 "\n",
		    id == DUMMY ? "dummy" : resource_table[id].name,
		    id == DUMMY ? 0 : shown(usage[id].held),
		    id == DUMMY ? 0 : shown(usage[id].maxheld), barrier, limit,
		    id == DUMMY ? 0 : shown(usage[id].failcnt));
}

static json_t *counted(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static json_t *bound(uint64_t value)
{
	return value >= RESOURCE_UNLIMITED ? json_null() : json_integer((json_int_t)value);
}

static json_t *in_json(const struct resources *resources, const struct usage *usage)
{
	json_t *all = json_object();
	for (int i = 0; i < BEANCOUNTERS; i++) {
		uint64_t barrier, limit;
		usage_bounds(resources, i, &barrier, &limit);
		json_object_set_new(
			all, resource_table[i].name,
			json_pack("{s:o s:o s:o s:o s:o}", "held", counted(usage[i].held),
				  "maxheld", counted(usage[i].maxheld), "barrier", bound(barrier),
				  "limit", bound(limit), "failcnt", counted(usage[i].failcnt)));
	}
	return all;
}

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	AUTO(ve_state_release) struct ve_state state = VE_STATE_INIT;
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	AUTO(resources_release) struct resources resources = RESOURCES_INIT;
	struct usage usage[BEANCOUNTERS];
	(void)operands;
	if (ve_config_load(&vzctl->host, ctid, &config, err) < 0 ||
	    ve_state_load(&vzctl->host, ctid, &state, err) < 0)
		return -1;
	if (!ve_process_alive(&state, &state.init)) {
		error_set(err, ERROR_NOT_RUNNING, "the VE %u is not running", ctid);
		return error_hint(err, "\"vzlist -o numproc.b,numproc.l,… %u\" shows its limits",
				  ctid);
	}
	if (resources_now(&vzctl->host, &config.conf, &state, &resources, err) < 0)
		return -1;
	usage_read(&state.groups, state.init.pid, usage);
	strbuf_addf(&ret->text, "Version: 2.5\n%10s  %-12s %20s %20s %20s %20s %20s\n", "uid",
		    "resource", "held", "maxheld", "barrier", "limit", "failcnt");
	for (int i = 0; i < LINES; i++) {
		if (i == 0)
			strbuf_addf(&ret->text, "%10u: ", ctid);
		else
			strbuf_addf(&ret->text, "%12s", "");
		add_line(&ret->text, lines[i], &resources, usage);
	}
	ret->json = json_pack("{s:i s:o}", "ctid", (int)ctid, "beancounters",
			      in_json(&resources, usage));
	return 0;
}

const struct command command_ubc = {
	.name = "ubc",
	.operands = "",
	.summary = "Prints what a VE has of each resource, and its limits",
	.flags = COMMAND_ANYBODY,
	.run = run,
};
