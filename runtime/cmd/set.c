#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/access/password.h"
#include "runtime/cmd/ask.h"
#include "runtime/cmd/command.h"
#include "runtime/cmd/many.h"
#include "runtime/cmd/set_resource.h"
#include "runtime/config/parameter.h"
#include "runtime/life/life.h"

static struct strvec ip_add, ip_del, nameservers, searchdomains, netif_add, netif_del, ifname,
	quotas[QUOTA_KINDS];
static const char *hostname, *name, *sample, *userpasswd, *diskspace, *diskinodes, *quotaugidlimit;
static bool save, reset_ub;

/* What is said in CTID.conf as it is; all but the last mean nothing to a VE that runs. */
static const char *onboot, *bootorder, *disabled, *description, *stop_timeout, *netrate,
	*merge_memory;
static const struct {
	const char *key, *option;
	const char **value;
} kept[] = {
	{ "ONBOOT", "--onboot", &onboot },
	{ "BOOTORDER", "--bootorder", &bootorder },
	{ "DISABLED", "--disabled", &disabled },
	{ "DESCRIPTION", "--description", &description },
	{ "STOP_TIMEOUT", "--stop-timeout", &stop_timeout },
	{ "NETRATE", "--netrate", &netrate },
	{ "MERGE_MEMORY", "--merge-memory", &merge_memory },
};

/* Settings of the interface that --ifname names, by their keys in NETIF. */
static const char *mac, *host_ifname, *host_mac, *bridge, *mac_filter;
static const struct {
	const char *key;
	const char **value;
} netif_settings[] = {
	{ "mac", &mac },       { "host_ifname", &host_ifname }, { "host_mac", &host_mac },
	{ "bridge", &bridge }, { "mac_filter", &mac_filter },
};

static const struct option_row own_options[] = {
	{ "ipadd", 0, OPTION_LIST, &ip_add, "ADDRESS", "give it an IP address; may be repeated" },
	{ "ipdel", 0, OPTION_LIST, &ip_del, "ADDRESS|all", "take one or all away" },
	{ "netif_add", 0, OPTION_LIST, &netif_add, "INTERFACE",
	  "NAME[,MAC,HOST_IFNAME,HOST_MAC,BRIDGE]: give it one; may be repeated" },
	{ "netif_del", 0, OPTION_LIST, &netif_del, "NAME|all", "take one or all away" },
	{ "ifname", 0, OPTION_LIST, &ifname, "NAME", "change this interface of it, by …" },
	{ "mac", 0, OPTION_STRING, &mac, "MAC",
	  "… its MAC address in the VE; \"\": one is made up" },
	{ "host_ifname", 0, OPTION_STRING, &host_ifname, "NAME", "… its name on the host" },
	{ "host_mac", 0, OPTION_STRING, &host_mac, "MAC", "… its MAC address on the host" },
	{ "bridge", 0, OPTION_STRING, &bridge, "NAME",
	  "… the bridge that it is a port of; \"\": none" },
	{ "mac_filter", 0, OPTION_STRING, &mac_filter, "on|off",
	  "… whether frames with another sender than its MAC address are dropped" },
	{ "netrate", 0, OPTION_STRING, &netrate, "KBIT[:KBIT]",
	  "the most that it may send, and be sent, in a second; \"unlimited\"" },
	{ "nameserver", 0, OPTION_LIST, &nameservers, "ADDRESS",
	  "its name servers, or \"inherit\"; may be repeated" },
	{ "searchdomain", 0, OPTION_LIST, &searchdomains, "DOMAIN",
	  "where it looks for short names; may be repeated" },
	{ "hostname", 0, OPTION_STRING, &hostname, "NAME", "its host name" },
	{ "name", 0, OPTION_STRING, &name, "NAME",
	  "what it can be called instead of its number; \"\" for nothing" },
	{ "onboot", 0, OPTION_STRING, &onboot, "yes|no|auto", "start it with the host" },
	{ "bootorder", 0, OPTION_STRING, &bootorder, "NUMBER",
	  "with the host, those with a higher one are started earlier" },
	{ "disabled", 0, OPTION_STRING, &disabled, "yes|no", "do not let it be started" },
	{ "merge-memory", 0, OPTION_STRING, &merge_memory, "yes|no",
	  "keep equal pages of its processes once, from its next start on" },
	{ "description", 0, OPTION_STRING, &description, "TEXT", "any text; \"\" for none" },
	{ "stop-timeout", 0, OPTION_STRING, &stop_timeout, "SECONDS",
	  "what it has to shut down before it is killed" },
	{ "applyconfig", 0, OPTION_STRING, &sample, "SAMPLE",
	  "all that ve-SAMPLE.conf-sample says, but for what is this VE's own" },
	{ "userpasswd", 0, OPTION_SECRET, &userpasswd, "USER[:PASSWORD]",
	  "the password of a user in it; without one here, it is asked for" },
	{ "diskspace", 0, OPTION_STRING, &diskspace, "SOFT:HARD",
	  "the disk space that it can fill" },
	{ "diskinodes", 0, OPTION_STRING, &diskinodes, "SOFT:HARD",
	  "how many files and folders it can have" },
	{ "quotaugidlimit", 0, OPTION_STRING, &quotaugidlimit, "NUMBER",
	  "if not 0, its users and groups are counted, and can be limited …" },
	{ "userquota", 0, OPTION_LIST, &quotas[QUOTA_USER], "LIMITS",
	  "… by USER[,diskspace=SOFT:HARD][,diskinodes=SOFT:HARD]; may be repeated" },
	{ "groupquota", 0, OPTION_LIST, &quotas[QUOTA_GROUP], "LIMITS",
	  "… and GROUP[,diskspace=SOFT:HARD][,diskinodes=SOFT:HARD]" },
	{ "reset_ub", 0, OPTION_FLAG, &reset_ub, NULL,
	  "set its resources to what its configuration says" },
	{ "save", 0, OPTION_FLAG, &save, NULL, "keep this in its configuration" },
	MANY_OPTIONS,
	{ NULL },
};

enum { OWN_OPTIONS = sizeof(own_options) / sizeof(*own_options) };
static struct option_row options[OWN_OPTIONS + SET_RESOURCE_OPTIONS];

static void make_options(void)
{
	set_resource_options(options);
	memcpy(options + SET_RESOURCE_OPTIONS, own_options, sizeof(own_options));
}

/* Several words may be given at once: --ipadd "10.0.0.1 10.0.0.2". */
static const struct strvec *split(const struct strvec *given, struct strvec *words)
{
	for (size_t i = 0; i < given->count; i++)
		strvec_split(words, given->items[i]);
	return given->count ? words : NULL;
}

static const struct strvec *given(const struct strvec *list)
{
	return list->count ? list : NULL;
}

static int take_kept(struct conf *ret, struct error *err)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		const char *value = *kept[i].value;
		if (!value)
			continue;
		if (parameter_check(parameter_find(kept[i].key), kept[i].option, value, err) < 0)
			return -1;
		conf_set(ret, kept[i].key, value);
	}
	return 0;
}

static int take_interface(struct conf *ret, struct error *err)
{
	for (size_t i = 0; i < sizeof(netif_settings) / sizeof(*netif_settings); i++)
		if (*netif_settings[i].value)
			conf_set(ret, netif_settings[i].key, *netif_settings[i].value);
	if (ifname.count > 1) {
		error_set(err, ERROR_USAGE, "--ifname is given twice");
		return error_hint(err, "change one interface at a time");
	}
	if (ifname.count && !ret->count) {
		error_set(err, ERROR_USAGE, "what to change of the interface %s is not given",
			  ifname.items[0]);
		return error_hint(err, "--bridge, --mac, --host_ifname, --host_mac, --mac_filter");
	}
	return 0;
}

static int prepare(const struct vzctl *vzctl, const struct strvec *operands, struct error *err)
{
	(void)vzctl;
	(void)operands;
	if (!userpasswd)
		return 0;
	if (*userpasswd && !strchr(userpasswd, ':')) {
		autofree char *password = NULL;
		/* Nobody types a password for a user who cannot be. */
		autofree char *anybody = xasprintf("%s:x", userpasswd);
		if (password_check(anybody, err) < 0)
			return -1;
		autofree char *prompt = xasprintf("Password of %s: ", userpasswd);
		if (ask_secret(prompt, &password, err) < 0)
			return -1;
		userpasswd = xasprintf("%s:%s", userpasswd, password);
	}
	return password_check(userpasswd, err);
}

/* By the VE's own programs, which no configuration knows of. */
static int set_password(const struct vzctl *vzctl, unsigned ctid, struct error *err)
{
	const struct visit_spec visit = {
		.host = &vzctl->host,
		.ctid = ctid,
		.timeout_s = vzctl->timeout_s,
		.report = vzctl->report,
	};
	if (!userpasswd)
		return 0;
	if (password_set(&visit, userpasswd, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u: the password of %.*s is set", ctid,
		    (int)strcspn(userpasswd, ":"), userpasswd);
	return 0;
}

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	AUTO(strvec_release) struct strvec add = STRVEC_INIT, del = STRVEC_INIT;
	AUTO(strvec_release) struct strvec servers = STRVEC_INIT, domains = STRVEC_INIT;
	AUTO(conf_release)
	struct conf settings = CONF_INIT, resources = CONF_INIT, interface = CONF_INIT;
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	if (take_kept(&settings, err) < 0 || set_resource_take(&resources, err) < 0 ||
	    take_interface(&interface, err) < 0)
		return -1;
	const struct life_set set = {
		.ip_add = split(&ip_add, &add),
		.ip_del = split(&ip_del, &del),
		.netif_add = given(&netif_add),
		.netif_del = given(&netif_del),
		.ifname = ifname.count ? ifname.items[0] : NULL,
		.netif_settings = &interface,
		.nameservers = split(&nameservers, &servers),
		.searchdomains = split(&searchdomains, &domains),
		.hostname = hostname,
		.name = name,
		.diskspace = diskspace,
		.diskinodes = diskinodes,
		.quotaugidlimit = quotaugidlimit,
		.quotas = { given(&quotas[QUOTA_USER]), given(&quotas[QUOTA_GROUP]) },
		.sample = sample,
		.kept = &settings,
		.resources = &resources,
		.reset_resources = reset_ub,
		.save = save,
	};
	bool settings_given = set.ip_add || set.ip_del || set.netif_add || set.netif_del ||
			      interface.count || set.nameservers || set.searchdomains || hostname ||
			      name || diskspace || diskinodes || quotaugidlimit ||
			      set.quotas[QUOTA_USER] || set.quotas[QUOTA_GROUP] || sample ||
			      settings.count || resources.count || reset_ub;
	if (!settings_given && !userpasswd) {
		error_set(err, ERROR_USAGE, "nothing to set is given");
		return error_hint(err, "\"vzctl set --help\" shows what there is");
	}
	if (settings_given) {
		if (life_set(&life, &set, err) < 0)
			return -1;
		report_info(vzctl->report, save ? "VE %u: saved" : "VE %u: set", ctid);
	}
	if (set_password(vzctl, ctid, err) < 0)
		return -1;
	ret->json = json_pack("{s:i, s:b}", "ctid", (int)ctid, "saved", save);
	return 0;
}

const struct command command_set = {
	.name = "set",
	.operands = "",
	.summary = "Changes a VE's settings",
	.options = options,
	.flags = COMMAND_MANY,
	.past = "set",
	.progress = "setting",
	.make_options = make_options,
	.prepare = prepare,
	.run = run,
};
