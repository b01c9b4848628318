#include "runtime/config/parameter.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/quantity.h"
#include "base/strvec.h"
#include "runtime/config/ctid.h"
#include "runtime/config/resource.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_disk.h"
#include "runtime/config/ve_quota.h"
#include "runtime/net/address.h"
#include "runtime/net/netif.h"
#include "runtime/net/rate.h"

enum {
	HOSTNAME_LENGTH_MAX = 64,
	DOMAIN_LENGTH_MAX = 253,
	TEXT_LENGTH_MAX = 4096,
	IDS = 65536,
	BLOCK = 1024
};

struct parameter {
	const char *key;
	bool (*is_good)(const struct parameter *parameter, const char *value);
	const char *wanted; /* NULL: a number from `least` to `most` */
	unsigned long least, most;
	unsigned unit; /* of what has a barrier and a limit, bytes; 1: bytes, or how many */
	const struct resource *resource; /* its row in the table of those (resource.h) */
	bool own;
};

/* ---- kinds of values ----------------------------------------------------------------------------- */

static bool is_yes_no(const struct parameter *parameter, const char *value)
{
	(void)parameter;
	return !strcmp(value, "yes") || !strcmp(value, "no");
}

static bool is_onboot(const struct parameter *parameter, const char *value)
{
	return is_yes_no(parameter, value) || !strcmp(value, "auto");
}

static bool is_number(const struct parameter *parameter, const char *value)
{
	errno = 0;
	unsigned long number = strtoul(value, NULL, 10);
	return *value && !value[strspn(value, "0123456789")] && !errno &&
	       number >= parameter->least && number <= parameter->most;
}

static bool is_ids(const struct parameter *parameter, const char *value)
{
	return is_number(parameter, value) && strtoul(value, NULL, 10) % IDS == 0;
}

static bool is_text(const struct parameter *parameter, const char *value)
{
	(void)parameter;
	for (const char *c = value; *c; c++)
		if (iscntrl((unsigned char)*c))
			return false;
	return strlen(value) <= TEXT_LENGTH_MAX;
}

static bool is_path(const struct parameter *parameter, const char *value)
{
	return *value == '/' && is_text(parameter, value);
}

static bool is_name(const struct parameter *parameter, const char *value)
{
	(void)parameter;
	return ve_name_check(value, NULL) == 0;
}

/* hostname(7): labels of letters, digits and "-", with dots between. */
static bool is_hostname(const struct parameter *parameter, const char *value)
{
	size_t length = strlen(value);
	bool good = length > 0 && length <= HOSTNAME_LENGTH_MAX;
	(void)parameter;
	for (const char *label = value; good && label; label = strchr(label, '.')) {
		label += *label == '.';
		size_t size = strcspn(label, ".");
		good = size > 0 && label[0] != '-' && label[size - 1] != '-';
		for (size_t i = 0; i < size; i++)
			good &= isalnum((unsigned char)label[i]) || label[i] == '-';
	}
	return good;
}

/* Of a resolver, which is less strict. */
static bool is_domain(const struct parameter *parameter, const char *value)
{
	(void)parameter;
	for (const char *c = value; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			return false;
	return *value && *value != '-' && *value != '.' && strlen(value) <= DOMAIN_LENGTH_MAX;
}

static bool is_server(const struct parameter *parameter, const char *value)
{
	unsigned char bytes[16];
	(void)parameter;
	return inet_pton(AF_INET, value, bytes) == 1 || inet_pton(AF_INET6, value, bytes) == 1;
}

static bool is_address(const struct parameter *parameter, const char *value)
{
	struct address address;
	(void)parameter;
	return address_parse(value, &address, NULL) == 0;
}

/* Each of the words, of which there is at least one. */
static bool are(bool (*is_good)(const struct parameter *, const char *), const char *value)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	strvec_split(&words, value);
	for (size_t i = 0; i < words.count; i++)
		if (!is_good(NULL, words.items[i]))
			return false;
	return words.count > 0;
}

static bool are_servers(const struct parameter *parameter, const char *value)
{
	(void)parameter;
	return !strcmp(value, "inherit") || are(is_server, value);
}

static bool are_domains(const struct parameter *parameter, const char *value)
{
	(void)parameter;
	return !strcmp(value, "inherit") || are(is_domain, value);
}

static bool are_addresses(const struct parameter *parameter, const char *value)
{
	(void)parameter;
	return !*value || are(is_address, value);
}

static bool are_interfaces(const struct parameter *parameter, const char *value)
{
	struct netifs netifs;
	(void)parameter;
	bool good = netifs_parse(value, &netifs, NULL) == 0;
	netifs_release(&netifs);
	return good;
}

static bool is_rate(const struct parameter *parameter, const char *value)
{
	struct rate rate;
	(void)parameter;
	return rate_parse(value, &rate, NULL) == 0;
}

static bool is_layout(const struct parameter *parameter, const char *value)
{
	enum ve_layout layout;
	(void)parameter;
	return ve_layout_parse(value, &layout, NULL) == 0;
}

static bool is_digest(const struct parameter *parameter, const char *value)
{
	(void)parameter;
	return strlen(value) == 64 && !value[strspn(value, "0123456789abcdef")];
}

/* One side of BARRIER:LIMIT. */
static bool parse_limit(const char *text, size_t length, unsigned unit, uint64_t *ret)
{
	char letter;
	if (length == strlen("unlimited") && !memcmp(text, "unlimited", length)) {
		*ret = UINT64_MAX;
		return true;
	}
	if (quantity_parse(text, length, ret, &letter) < 0)
		return false;
	/* What no host has is how OpenVZ's tools write that there is none. */
	if (*ret == INT64_MAX || (!letter && __builtin_mul_overflow(*ret, unit, ret)))
		*ret = UINT64_MAX;
	return true;
}

static uint64_t in_bytes(const struct resource *resource, uint64_t value)
{
	uint64_t bytes;
	if (value >= RESOURCE_UNLIMITED ||
	    __builtin_mul_overflow(value, resource->unit == UNIT_PAGES ? page_size() : 1, &bytes))
		return UINT64_MAX;
	return bytes;
}

static bool resource_limits(const struct resource *resource, const char *value, uint64_t *barrier,
			    uint64_t *limit)
{
	struct resource_value found = { 0 };
	if (!resource_is_pair(resource) || resource_parse(resource, value, &found) < 0)
		return false;
	*barrier = in_bytes(resource, found.barrier);
	*limit = in_bytes(resource, found.limit);
	return true;
}

bool parameter_limits(const struct parameter *parameter, const char *value, uint64_t *barrier,
		      uint64_t *limit)
{
	if (parameter->resource)
		return resource_limits(parameter->resource, value, barrier, limit);
	const char *colon = strchr(value, ':');
	size_t first = colon ? (size_t)(colon - value) : strlen(value);
	const char *second = colon ? colon + 1 : value;
	return parameter->unit && parse_limit(value, first, parameter->unit, barrier) &&
	       parse_limit(second, strlen(second), parameter->unit, limit);
}

static bool is_space(const struct parameter *parameter, const char *value)
{
	struct disk_limit limit;
	(void)parameter;
	return disk_space_parse("", value, &limit, NULL) == 0;
}

static bool are_inodes(const struct parameter *parameter, const char *value)
{
	struct disk_limit limit;
	(void)parameter;
	return disk_inodes_parse("", value, &limit, NULL) == 0;
}

static bool is_disk(const struct parameter *parameter, const char *value)
{
	(void)parameter;
	return ve_disk_is_folder(value);
}

static bool is_disk_kind(const struct parameter *parameter, const char *value)
{
	enum disk_kind kind;
	(void)parameter;
	return disk_kind_parse(value, &kind, NULL) == 0 && kind != DISK_AUTO;
}

static bool are_quotas(const struct parameter *parameter, const char *value)
{
	AUTO(quotas_release) struct quotas quotas = QUOTAS_INIT;
	(void)parameter;
	return quotas_parse(value, &quotas, NULL) == 0;
}

/* ---- the rows ----------------------------------------------------------------------------------- */

#define YES_NO is_yes_no, "yes or no"
#define TEXT is_text, "a line of at most 4096 characters"
#define PATH is_path, "an absolute path"

static const struct parameter parameters[] = {
	{ "ONBOOT", is_onboot, "yes, no or auto" },
	{ "BOOTORDER", is_number, .most = INT_MAX },
	{ "DISABLED", YES_NO },
	{ "MERGE_MEMORY", YES_NO },
	{ "STOP_TIMEOUT", is_number, .most = 86400 },
	{ "ACTION_TIMEOUT", is_number, .most = 86400 },
	{ "NAMESERVER", are_servers, "IP addresses, or \"inherit\" for those of the host" },
	{ "SEARCHDOMAIN", are_domains, "names of domains, or \"inherit\" for those of the host" },
	{ "NETRATE", is_rate, RATE_FORM },
	{ "ORIGIN_SAMPLE", TEXT },

	{ "DESCRIPTION", TEXT, .own = true },
	{ "NAME", is_name, "letters, digits, \".\", \"_\" and \"-\", and no number", .own = true },
	{ "HOSTNAME", is_hostname, "labels of letters, digits and \"-\" with dots between",
	  .own = true },
	{ "IP_ADDRESS", are_addresses, "IP addresses", .own = true },
	{ "NETIF", are_interfaces, NETIFS_FORM, .own = true },
	{ "OSTEMPLATE", TEXT, .own = true },
	{ "TEMPLATES", TEXT, .own = true },
	{ "VE_PRIVATE", PATH, .own = true },
	{ "VE_ROOT", PATH, .own = true },
	{ "VE_LAYOUT", is_layout, "overlay or simfs", .own = true },
	{ "VE_LAYER", is_digest, "a SHA-256 digest", .own = true },
	{ "VE_IDS_SHIFTED", YES_NO, .own = true },
	{ "LOCAL_UID", is_ids, "a multiple of 65536", .most = UINT_MAX - IDS, .own = true },
	{ "LOCAL_GID", is_ids, "a multiple of 65536", .most = UINT_MAX - IDS, .own = true },
	{ "BUNDLED_INIT", YES_NO, .own = true },
	{ "VE_DISK", is_disk, "\"disk.\" and a number", .own = true },
	{ "VE_DISK_KIND", is_disk_kind, "project, image, qgroup or none", .own = true },
	{ "VE_DISK_PROJECT", is_number, .most = UINT_MAX, .own = true },
	{ "VE_SNAPSHOT", TEXT, .own = true },
	{ "VE_MIGRATION", TEXT, .own = true },

	{ "DISKSPACE", is_space, DISK_SPACE_FORM, .unit = BLOCK },
	{ "DISKINODES", are_inodes, DISK_INODES_FORM, .unit = 1 },
	{ "QUOTAUGIDLIMIT", is_number, .most = UINT_MAX },
	{ "USERQUOTA", are_quotas, QUOTAS_FORM, .own = true },
	{ "GROUPQUOTA", are_quotas, QUOTAS_FORM, .own = true },
	{ "QUOTATIME", is_number, .most = INT_MAX },
};

static const struct parameter *find_resource(const char *key)
{
	static struct parameter found[RESOURCE_COUNT];
	for (int i = 0; i < RESOURCE_COUNT; i++)
		if (!strcmp(resource_table[i].key, key)) {
			found[i].key = resource_table[i].key;
			found[i].resource = &resource_table[i];
			return &found[i];
		}
	return NULL;
}

const struct parameter *parameter_find(const char *key)
{
	for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++)
		if (!strcmp(parameters[i].key, key))
			return &parameters[i];
	return find_resource(key);
}

bool parameter_is_own(const struct parameter *parameter)
{
	return parameter->own;
}

int parameter_check(const struct parameter *parameter, const char *name, const char *value,
		    struct error *err)
{
	if (parameter->resource)
		return resource_check(parameter->resource, name, value, err);
	if (parameter->is_good(parameter, value))
		return 0;
	if (parameter->wanted)
		return error_set(err, ERROR_VALUE, "%s cannot be \"%s\": it is %s", name, value,
				 parameter->wanted);
	return error_set(err, ERROR_VALUE, "%s cannot be \"%s\": it is a number from %lu to %lu",
			 name, value, parameter->least, parameter->most);
}
