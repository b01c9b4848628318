/* Limits of users and groups in a VE (config/ve_quota.h). */
#pragma once

#include "runtime/area/quota.h"
#include "runtime/life/life.h"

/* What there is; and the names as the VE's own files have them (guest/names.h). */
struct life_quotas {
	struct quota_uses uses[QUOTA_KINDS];
	struct strbuf names[QUOTA_KINDS];
};

#define LIFE_QUOTAS_INIT ((struct life_quotas){ .names = { STRBUF_INIT, STRBUF_INIT } })

/* Of a VE that runs, or is stopped. ERROR_QUOTA: they are not counted in it. */
int life_quota(const struct life *life, struct life_quotas *ret, struct error *err);
void life_quotas_release(struct life_quotas *quotas);

/* What "set" gives as it will be in CTID.conf. ERROR_VALUE. */
int quota_plan(const struct life *life, const struct life_set *set, const struct held *held,
	       struct conf *changes, struct error *err);

/* Applies what the configuration has. ERROR_QUOTA, ERROR_PARSE. */
int quota_apply(const struct ve_config *config, const struct disk *disk, struct error *err);

/* The same if `changes` has any of it; `held` has the changed configuration. Of a VE that is stopped, what is not saved is looked at and not applied. */
int quota_set_held(const struct life *life, const struct life_set *set, const struct held *held,
		   const struct conf *changes, struct error *err);
