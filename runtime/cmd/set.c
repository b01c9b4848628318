#include "base/cleanup.h"
#include "runtime/cmd/command.h"
#include "runtime/life/life.h"

static struct strvec ip_add, ip_del, nameservers, searchdomains;
static const char *hostname, *name, *onboot;
static bool save;

static const struct option_row options[] = {
	{ "ipadd", 0, OPTION_LIST, &ip_add, "ADDRESS", "give it an IP address; may be repeated" },
	{ "ipdel", 0, OPTION_LIST, &ip_del, "ADDRESS|all", "take one or all away" },
	{ "nameserver", 0, OPTION_LIST, &nameservers, "ADDRESS",
	  "its name servers, or \"inherit\"; may be repeated" },
	{ "searchdomain", 0, OPTION_LIST, &searchdomains, "DOMAIN",
	  "where it looks for short names; may be repeated" },
	{ "hostname", 0, OPTION_STRING, &hostname, "NAME", "its host name" },
	{ "name", 0, OPTION_STRING, &name, "NAME",
	  "what it can be called instead of its number; \"\" for nothing" },
	{ "onboot", 0, OPTION_STRING, &onboot, "yes|no", "start it with the host" },
	{ "save", 0, OPTION_FLAG, &save, NULL, "keep this in its configuration" },
	{ NULL },
};

/* Several words may be given at once: --ipadd "10.0.0.1 10.0.0.2". */
static const struct strvec *split(const struct strvec *given, struct strvec *words)
{
	for (size_t i = 0; i < given->count; i++)
		strvec_split(words, given->items[i]);
	return given->count ? words : NULL;
}

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	AUTO(strvec_release) struct strvec add = STRVEC_INIT, del = STRVEC_INIT;
	AUTO(strvec_release) struct strvec servers = STRVEC_INIT, domains = STRVEC_INIT;
	const struct life life = command_life(vzctl, ctid);
	const struct life_set set = {
		.ip_add = split(&ip_add, &add),
		.ip_del = split(&ip_del, &del),
		.nameservers = split(&nameservers, &servers),
		.searchdomains = split(&searchdomains, &domains),
		.hostname = hostname,
		.name = name,
		.onboot = onboot,
		.save = save,
	};
	(void)operands;
	if (!set.ip_add && !set.ip_del && !set.nameservers && !set.searchdomains && !hostname &&
	    !name && !onboot) {
		error_set(err, ERROR_USAGE, "nothing to set is given");
		return error_hint(err, "\"vzctl set --help\" shows what there is");
	}
	if (life_set(&life, &set, err) < 0)
		return -1;
	report_info(vzctl->report, save ? "VE %u: saved" : "VE %u: set", ctid);
	ret->json = json_pack("{s:i, s:b}", "ctid", (int)ctid, "saved", save);
	return 0;
}

const struct command command_set = {
	.name = "set",
	.operands = "",
	.summary = "Changes a VE's settings",
	.options = options,
	.run = run,
};
