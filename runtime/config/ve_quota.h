/*
 * Limits of users and groups in a VE, the second level of its disk quota: USERQUOTA and GROUPQUOTA of CTID.conf, which hold while QUOTAUGIDLIMIT
 * is not 0. Ids are those in the VE.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/config/ve_disk.h"

enum quota_kind { QUOTA_USER, QUOTA_GROUP, QUOTA_KINDS };

struct quota {
	uint32_t id;
	struct disk_limit space; /* bytes */
	struct disk_limit inodes;
};

struct quotas {
	struct quota *items;
	size_t count, capacity;
};

#define QUOTAS_INIT ((struct quotas){ 0 })
#define QUOTAS_FORM "limits as in \"1000,diskspace=100M:120M,diskinodes=5000;1001,diskspace=1G\""

extern const char *const quota_keys[QUOTA_KINDS];

/* "" is none. ERROR_VALUE. */
int quotas_parse(const char *text, struct quotas *ret, struct error *err);
char *quotas_text(const struct quotas *quotas); /* to be freed */
void quotas_release(struct quotas *quotas);

/* false if this is not the number of a user or group. */
bool quota_id_parse(const char *text, size_t length, uint32_t *ret);

/* "diskspace=SOFT:HARD,diskinodes=SOFT:HARD", either of which may be left out and is left as it is then. ERROR_VALUE. */
int quota_change(struct quota *quota, const char *settings, struct error *err);

const struct quota *quotas_find(const struct quotas *quotas, uint32_t id); /* NULL: none */
/* In the place of the id's before; one without limits takes that away. */
void quotas_put(struct quotas *quotas, const struct quota *one);
