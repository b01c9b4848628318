#include "runtime/area/quota.h"

#include <errno.h>
#include <linux/quota.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static const int types[QUOTA_KINDS] = { [QUOTA_USER] = USRQUOTA, [QUOTA_GROUP] = GRPQUOTA };

static int control(const struct image *image, unsigned command, enum quota_kind kind, uint32_t id,
		   void *data)
{
	return (int)syscall(SYS_quotactl_fd, image->top, QCMD(command, types[kind]), id, data);
}

static int failed(const char *doing, struct error *err)
{
	error_errno(err, errno, "%s of users and groups in the VE's image", doing);
	if (err)
		err->kind = ERROR_QUOTA;
	return -1;
}

static struct quota_use use_of(const struct if_nextdqblk *found)
{
	return (struct quota_use){
		.limits.id = found->dqb_id,
		.limits.space = { found->dqb_bsoftlimit * QIF_DQBLKSIZE,
				  found->dqb_bhardlimit * QIF_DQBLKSIZE },
		.limits.inodes = { found->dqb_isoftlimit, found->dqb_ihardlimit },
		.space = found->dqb_curspace,
		.inodes = found->dqb_curinodes,
		.space_until = (int64_t)found->dqb_btime,
		.inodes_until = (int64_t)found->dqb_itime,
	};
}

static bool is_limited(const struct quota *quota)
{
	return quota->space.soft || quota->space.hard || quota->inodes.soft || quota->inodes.hard;
}

int quota_read(const struct image *image, enum quota_kind kind, struct quota_uses *ret,
	       struct error *err)
{
	*ret = QUOTA_USES_INIT;
	for (uint32_t next = 0;;) {
		struct if_nextdqblk found = { 0 };
		/* ENOENT: there are no more; ESRCH: users, or groups, are not counted. */
		if (control(image, Q_GETNEXTQUOTA, kind, next, &found) < 0)
			return errno == ENOENT ? 0 : failed("reading what there is", err);
		struct quota_use use = use_of(&found);
		if (use.space || use.inodes || is_limited(&use.limits)) {
			ret->items =
				xgrow(ret->items, ret->count, &ret->capacity, sizeof(*ret->items));
			ret->items[ret->count++] = use;
		}
		if (found.dqb_id == UINT32_MAX)
			return 0;
		next = found.dqb_id + 1;
	}
}

void quota_uses_release(struct quota_uses *uses)
{
	free(uses->items);
	*uses = QUOTA_USES_INIT;
}

static int set_one(const struct image *image, enum quota_kind kind, const struct quota *quota,
		   struct error *err)
{
	struct if_dqblk set = {
		.dqb_bsoftlimit = quota->space.soft / QIF_DQBLKSIZE,
		.dqb_bhardlimit = quota->space.hard / QIF_DQBLKSIZE,
		.dqb_isoftlimit = quota->inodes.soft,
		.dqb_ihardlimit = quota->inodes.hard,
		.dqb_valid = QIF_LIMITS,
	};
	if (control(image, Q_SETQUOTA, kind, quota->id, &set) < 0)
		return failed("setting limits", err);
	return 0;
}

int quota_limit(const struct image *image, enum quota_kind kind, const struct quotas *limits,
		struct error *err)
{
	AUTO(quota_uses_release) struct quota_uses there = QUOTA_USES_INIT;
	if (quota_read(image, kind, &there, err) < 0)
		return -1;
	for (size_t i = 0; i < there.count; i++) {
		const struct quota none = { .id = there.items[i].limits.id };
		if (is_limited(&there.items[i].limits) && !quotas_find(limits, none.id) &&
		    set_one(image, kind, &none, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < limits->count; i++)
		if (set_one(image, kind, &limits->items[i], err) < 0)
			return -1;
	return 0;
}
