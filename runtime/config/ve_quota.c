#include "runtime/config/ve_quota.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"

const char *const quota_keys[QUOTA_KINDS] = { "USERQUOTA", "GROUPQUOTA" };

void quotas_release(struct quotas *quotas)
{
	free(quotas->items);
	*quotas = QUOTAS_INIT;
}

/* ---- one -------------------------------------------------------------------------------------------- */

/* The last number stands for "nobody" in the kernel. */
bool quota_id_parse(const char *text, size_t length, uint32_t *ret)
{
	autofree char *digits = xstrndup(text, length);
	if (!length || length > 10 || digits[strspn(digits, "0123456789")])
		return false;
	uint64_t number = strtoull(digits, NULL, 10);
	*ret = (uint32_t)number;
	return number < UINT32_MAX;
}

static int change_one(struct quota *quota, const char *setting, struct error *err)
{
	size_t length = strcspn(setting, "=");
	const char *value = setting[length] ? setting + length + 1 : "";
	if (!strncmp(setting, "diskspace", length) && length == strlen("diskspace"))
		return disk_user_space_parse("diskspace", value, &quota->space, err);
	if (!strncmp(setting, "diskinodes", length) && length == strlen("diskinodes"))
		return disk_user_inodes_parse("diskinodes", value, &quota->inodes, err);
	error_set(err, ERROR_VALUE, "\"%s\" limits nothing of a user", setting);
	return error_hint(err, "there are diskspace=SOFT:HARD and diskinodes=SOFT:HARD");
}

int quota_change(struct quota *quota, const char *settings, struct error *err)
{
	autofree char *text = xstrdup(settings);
	char *rest = text;
	for (char *one; (one = strsep(&rest, ","));)
		if (change_one(quota, one, err) < 0)
			return -1;
	return 0;
}

/* ---- all -------------------------------------------------------------------------------------------- */

static size_t position(const struct quotas *quotas, uint32_t id)
{
	size_t i = 0;
	while (i < quotas->count && quotas->items[i].id != id)
		i++;
	return i;
}

const struct quota *quotas_find(const struct quotas *quotas, uint32_t id)
{
	size_t at = position(quotas, id);
	return at < quotas->count ? &quotas->items[at] : NULL;
}

static bool is_limit(const struct disk_limit *limit)
{
	return limit->soft || limit->hard;
}

void quotas_put(struct quotas *quotas, const struct quota *one)
{
	size_t at = position(quotas, one->id);
	if (!is_limit(&one->space) && !is_limit(&one->inodes)) {
		if (at == quotas->count)
			return;
		quotas->count--;
		memmove(&quotas->items[at], &quotas->items[at + 1],
			(quotas->count - at) * sizeof(*quotas->items));
		return;
	}
	if (at == quotas->count) {
		quotas->items = xgrow(quotas->items, quotas->count, &quotas->capacity,
				      sizeof(*quotas->items));
		quotas->count++;
	}
	quotas->items[at] = *one;
}

static int parse_entry(const char *entry, struct quotas *ret, struct error *err)
{
	struct quota one = { 0 };
	size_t length = strcspn(entry, ",");
	if (!quota_id_parse(entry, length, &one.id) || !entry[length])
		return error_set(err, ERROR_VALUE, "\"%s\" is not NUMBER,LIMIT=VALUE", entry);
	if (quota_change(&one, entry + length + 1, err) < 0)
		return -1;
	quotas_put(ret, &one);
	return 0;
}

int quotas_parse(const char *text, struct quotas *ret, struct error *err)
{
	autofree char *copy = xstrdup(text);
	char *rest = *copy ? copy : NULL;
	*ret = QUOTAS_INIT;
	for (char *entry; (entry = strsep(&rest, ";"));)
		if (*entry && parse_entry(entry, ret, err) < 0) {
			quotas_release(ret);
			return -1;
		}
	return 0;
}

static void add_limit(struct strbuf *text, const char *name, const struct disk_limit *limit,
		      uint64_t unit)
{
	if (is_limit(limit))
		strbuf_addf(text, ",%s=%" PRIu64 ":", name, limit->soft / unit);
	if (limit->hard)
		strbuf_addf(text, "%" PRIu64, limit->hard / unit);
	else if (limit->soft)
		strbuf_adds(text, "unlimited");
}

char *quotas_text(const struct quotas *quotas)
{
	enum { KB = 1024 };
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	for (size_t i = 0; i < quotas->count; i++) {
		const struct quota *one = &quotas->items[i];
		strbuf_addf(&text, "%s%" PRIu32, i ? ";" : "", one->id);
		add_limit(&text, "diskspace", &one->space, KB);
		add_limit(&text, "diskinodes", &one->inodes, 1);
	}
	return strbuf_detach(&text);
}
