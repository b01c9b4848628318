/* Which kind of disk a VE with limits gets: what the host can do is found by doing it. */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "runtime/area/disk.h"
#include "runtime/area/project.h"

/* Numbers of VEs end below this, so each has two projects: that of its disk, and that of the one that takes its place. */
#define OTHER_PROJECT (UINT32_C(1) << 31)

/* First those that hold every limit and that df shows in the VE. */
static const enum disk_kind order[] = { DISK_PROJECT, DISK_IMAGE, DISK_QGROUP };

static unsigned project_for(const struct disk_choice *choice)
{
	unsigned project = choice->ctid;
	if (choice->before->project == project || project_in_use(choice->private_area, project))
		project ^= OTHER_PROJECT;
	return project;
}

static int cannot_hold(enum disk_kind kind, const struct disk_limits *limits, struct error *err)
{
	if (limits->users && kind != DISK_IMAGE)
		return error_set(err, ERROR_QUOTA,
				 "users and groups in a VE are limited in an image alone");
	if (limits->users && !limits->space.hard) {
		error_set(err, ERROR_QUOTA, "an image needs a limit of its space");
		return error_hint(err, "give --diskspace, too");
	}
	if (kind == DISK_QGROUP)
		return error_set(err, ERROR_QUOTA, "btrfs does not limit inodes");
	if (kind == DISK_IMAGE)
		return error_set(err, ERROR_QUOTA,
				 "an image limits inodes only together with space");
	return error_set(err, ERROR_QUOTA, "VE_DISK_KIND of vz.conf is none");
}

static int try(const struct disk_choice *choice, enum disk_kind kind, const char *name,
	       struct ve_disk *which, struct disk *ret, struct error *err)
{
	const struct disk_make make = {
		.parent = choice->private_area,
		.name = name,
		.kind = kind,
		.project = kind == DISK_PROJECT ? project_for(choice) : 0,
		.limits = choice->limits,
	};
	if (!disk_can_hold(kind, choice->limits))
		return cannot_hold(kind, choice->limits, err);
	int result = choice->from ? disk_copy(choice->from, choice->layout, false, &make, err)
				  : disk_make(&make, ret, err);
	if (result < 0)
		return -1;
	*which = (struct ve_disk){ kind, xstrdup(name), make.project };
	return 0;
}

static bool is_final(const struct error *err)
{
	return err->kind == ERROR_NO_SPACE || err->kind == ERROR_INTERRUPTED;
}

int disk_choose(const struct disk_choice *choice, struct ve_disk *which, struct disk *ret,
		struct error *err)
{
	AUTO(strbuf_release) struct strbuf reasons = STRBUF_INIT;
	autofree char *name = ve_disk_next(choice->before);
	bool limited = disk_limited(choice->limits);
	enum disk_kind wanted = limited ? choice->wanted : DISK_NONE;
	if (wanted == DISK_AUTO && choice->limits->users)
		wanted = DISK_IMAGE;
	*which = VE_DISK_INIT;
	if (wanted != DISK_AUTO)
		return try(choice, wanted, name, which, ret, err);
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		if (try(choice, order[i], name, which, ret, &why) == 0)
			return 0;
		if (is_final(&why)) {
			error_move(err, &why);
			return -1;
		}
		strbuf_addf(&reasons, "%s%s: %s", i ? "; " : "", disk_kind_name(order[i]),
			    why.message);
	}
	error_set(err, ERROR_QUOTA, "nothing here limits a VE's disk space: %s", reasons.text);
	return error_hint(err, "see VE_DISK_KIND in vz.conf(5) for what each needs");
}

int disk_choose_copy(const struct disk_choice *choice, struct ve_disk *which, struct error *err)
{
	struct disk unused = DISK_INIT;
	return disk_choose(choice, which, &unused, err);
}
