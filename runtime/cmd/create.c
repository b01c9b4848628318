#include "runtime/cmd/command.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_disk.h"
#include "runtime/life/life.h"
#include "runtime/net/address.h"

static const char *ostemplate, *hostname, *name, *layout, *private_area, *root, *config;
static const char *diskspace, *diskinodes, *quotaugidlimit;
static struct strvec addresses, nameservers;
static bool no_build, bundled_init;

static const struct option_row options[] = {
	{ "ostemplate", 0, OPTION_STRING, &ostemplate, "NAME",
	  "the template to make it from (default: DEF_OSTEMPLATE)" },
	{ "hostname", 0, OPTION_STRING, &hostname, "NAME", "its host name" },
	{ "name", 0, OPTION_STRING, &name, "NAME", "what it can be called instead of its number" },
	{ "layout", 0, OPTION_STRING, &layout, "LAYOUT",
	  "overlay (shares the template's files) or simfs (has a copy)" },
	{ "diskspace", 0, OPTION_STRING, &diskspace, "SOFT:HARD",
	  "the disk space that it can fill" },
	{ "diskinodes", 0, OPTION_STRING, &diskinodes, "SOFT:HARD",
	  "how many files and folders it can have" },
	{ "quotaugidlimit", 0, OPTION_STRING, &quotaugidlimit, "NUMBER",
	  "if not 0, its users and groups are counted, and can be limited by \"set\"" },
	{ "ipadd", 0, OPTION_LIST, &addresses, "ADDRESS", "an IP address; may be repeated" },
	{ "nameserver", 0, OPTION_LIST, &nameservers, "ADDRESS",
	  "a name server, or \"inherit\"; may be repeated" },
	{ "config", 0, OPTION_STRING, &config, "SAMPLE",
	  "begin its configuration with ve-SAMPLE.conf-sample" },
	{ "private", 0, OPTION_STRING, &private_area, "FOLDER", "its private area" },
	{ "root", 0, OPTION_STRING, &root, "FOLDER", "where it is mounted" },
	{ "no-build", 0, OPTION_FLAG, &no_build, NULL,
	  "fail if the template has no cache, instead of building it" },
	{ "bundled-init", 0, OPTION_FLAG, &bundled_init, NULL,
	  "if the template has no init, start a small one that runs no services" },
	{ NULL },
};

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	const struct life life = command_life(vzctl, ctid);
	const struct life_create create = {
		.ostemplate = ostemplate,
		.hostname = hostname,
		.name = name,
		.private_area = private_area,
		.root = root,
		.config = config,
		.layout = layout,
		.diskspace = diskspace,
		.diskinodes = diskinodes,
		.quotaugidlimit = quotaugidlimit,
		.addresses = &addresses,
		.nameservers = &nameservers,
		.build = !no_build,
		.bundled_init = bundled_init,
	};
	(void)operands;
	for (size_t i = 0; i < addresses.count; i++) {
		struct address address;
		if (address_parse(addresses.items[i], &address, err) < 0)
			return -1;
	}
	struct disk_limits limits;
	if (disk_space_parse("--diskspace", diskspace, &limits.space, err) < 0 ||
	    disk_inodes_parse("--diskinodes", diskinodes, &limits.inodes, err) < 0 ||
	    (quotaugidlimit &&
	     quotaugidlimit_parse("--quotaugidlimit", quotaugidlimit, &limits.users, err) < 0))
		return -1;
	if (life_create(&life, &create, err) < 0)
		return -1;
	report_info(vzctl->report, "VE %u is created; \"vzctl start %u\" starts it", ctid, ctid);
	ret->json = json_pack("{s:i}", "ctid", (int)ctid);
	return 0;
}

const struct command command_create = {
	.name = "create",
	.operands = "",
	.summary = "Makes a VE from a template",
	.options = options,
	.run = run,
};
