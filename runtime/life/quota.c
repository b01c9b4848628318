/* Limits of users and groups in a VE: what is to be, what is held, and what there is. */
#include "runtime/life/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/guest/names.h"

/* ---- names -------------------------------------------------------------------------------------------- */

/* The VE's root, to be read alone. */
static int open_tree(const struct life *life, const struct held *held,
		     const struct private_area *area, struct error *err)
{
	if (held->state.phase != VE_RUNNING)
		return private_show_apart(area, true, life->host->lock_dir, err);
	autofree char *path = xasprintf("/proc/%d/root", (int)held->state.init.pid);
	int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? error_errno(err, errno, "opening the VE's root") : root;
}

static int read_names(const struct life *life, const struct held *held,
		      const struct private_area *area, enum quota_kind kind, struct strbuf *ret,
		      struct error *err)
{
	autoclose int root = open_tree(life, held, area, err);
	if (root < 0)
		return -1;
	guest_names_read(root, kind == QUOTA_GROUP, ret);
	return 0;
}

static const char *const words[QUOTA_KINDS] = { "user", "group" };

/* ---- "set --userquota" -------------------------------------------------------------------------------- */

static int find_id(const struct life *life, const struct held *held, enum quota_kind kind,
		   const char *name, uint32_t *ret, struct error *err)
{
	AUTO(private_release) struct private_area area = PRIVATE_AREA_INIT;
	AUTO(strbuf_release) struct strbuf names = STRBUF_INIT;
	if (quota_id_parse(name, strlen(name), ret))
		return 0;
	if (private_open(life->host, &held->config, &area, err) < 0 ||
	    read_names(life, held, &area, kind, &names, err) < 0)
		return -1;
	if (guest_id_of(&names, name, ret))
		return 0;
	error_set(err, ERROR_VALUE, "the VE %u has no %s \"%s\"", life->ctid, words[kind], name);
	return error_hint(err, "a number does, too");
}

/* NAME or NUMBER, and limits behind commas. */
static int plan_one(const struct life *life, const struct held *held, enum quota_kind kind,
		    const char *text, struct quotas *quotas, struct error *err)
{
	size_t length = strcspn(text, ",");
	autofree char *name = xstrndup(text, length);
	struct quota one = { 0 };
	if (!length || !text[length]) {
		error_set(err, ERROR_VALUE, "\"%s\" limits nothing of a %s", text, words[kind]);
		return error_hint(err, "give --%squota %s,diskspace=SOFT:HARD,diskinodes=SOFT:HARD",
				  words[kind], length ? name : "NAME");
	}
	if (find_id(life, held, kind, name, &one.id, err) < 0)
		return -1;
	one = *(quotas_find(quotas, one.id) ?: &one);
	if (quota_change(&one, text + length + 1, err) < 0)
		return error_wrap(err, "--%squota %s", words[kind], name);
	quotas_put(quotas, &one);
	return 0;
}

static int load(const struct ve_config *config, enum quota_kind kind, struct quotas *ret,
		struct error *err)
{
	const char *text = conf_get_default(&config->conf, quota_keys[kind], "");
	if (quotas_parse(text, ret, err) == 0)
		return 0;
	if (err)
		err->kind = ERROR_PARSE;
	return error_wrap(err, "%s: %s", config->conf.path, quota_keys[kind]);
}

int quota_plan(const struct life *life, const struct life_set *set, const struct held *held,
	       struct conf *changes, struct error *err)
{
	for (enum quota_kind kind = 0; kind < QUOTA_KINDS; kind++) {
		AUTO(quotas_release) struct quotas quotas = QUOTAS_INIT;
		const struct strvec *given = set->quotas[kind];
		if (!given)
			continue;
		if (load(&held->config, kind, &quotas, err) < 0)
			return -1;
		for (size_t i = 0; i < given->count; i++)
			if (plan_one(life, held, kind, given->items[i], &quotas, err) < 0)
				return -1;
		autofree char *text = quotas_text(&quotas);
		conf_set(changes, quota_keys[kind], text);
	}
	return 0;
}

/* ---- held --------------------------------------------------------------------------------------------- */

static int check_counted(unsigned ctid, const struct disk *disk, struct error *err)
{
	if (disk->kind == DISK_IMAGE && image_has_quotas(&disk->image))
		return 0;
	error_set(err, ERROR_QUOTA, "users and groups of the VE %u are not counted", ctid);
	return error_hint(err,
			  "\"vzctl set %u --quotaugidlimit 1000 --save\" of the stopped VE "
			  "has them counted",
			  ctid);
}

int quota_apply(const struct ve_config *config, const struct disk *disk, struct error *err)
{
	if (check_counted(config->ctid, disk, err) < 0)
		return -1;
	for (enum quota_kind kind = 0; kind < QUOTA_KINDS; kind++) {
		AUTO(quotas_release) struct quotas quotas = QUOTAS_INIT;
		if (load(config, kind, &quotas, err) < 0 ||
		    quota_limit(&disk->image, kind, &quotas, err) < 0)
			return -1;
	}
	return 0;
}

int quota_set_held(const struct life *life, const struct life_set *set, const struct held *held,
		   const struct conf *changes, struct error *err)
{
	bool kept = set->save || held->state.phase == VE_RUNNING;
	AUTO(private_release) struct private_area area = PRIVATE_AREA_INIT;
	if (!conf_get(changes, quota_keys[QUOTA_USER]) &&
	    !conf_get(changes, quota_keys[QUOTA_GROUP]))
		return 0;
	if (private_open(life->host, &held->config, &area, err) < 0)
		return -1;
	return kept ? quota_apply(&held->config, &area.disk, err)
		    : check_counted(life->ctid, &area.disk, err);
}

/* ---- what there is ------------------------------------------------------------------------------------ */

static int read_kind(const struct life *life, const struct held *held,
		     const struct private_area *area, enum quota_kind kind, struct life_quotas *ret,
		     struct error *err)
{
	if (quota_read(&area->disk.image, kind, &ret->uses[kind], err) < 0)
		return -1;
	return read_names(life, held, area, kind, &ret->names[kind], err);
}

int life_quota(const struct life *life, struct life_quotas *ret, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	AUTO(private_release) struct private_area area = PRIVATE_AREA_INIT;
	*ret = LIFE_QUOTAS_INIT;
	if (held_take(life, true, &held, err) < 0 ||
	    private_open(life->host, &held.config, &area, err) < 0)
		return -1;
	if (check_counted(life->ctid, &area.disk, err) < 0)
		return -1;
	for (enum quota_kind kind = 0; kind < QUOTA_KINDS; kind++)
		if (read_kind(life, &held, &area, kind, ret, err) < 0) {
			life_quotas_release(ret);
			return -1;
		}
	return 0;
}

void life_quotas_release(struct life_quotas *quotas)
{
	for (enum quota_kind kind = 0; kind < QUOTA_KINDS; kind++) {
		quota_uses_release(&quotas->uses[kind]);
		strbuf_release(&quotas->names[kind]);
	}
}
