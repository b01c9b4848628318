/* Blocks of user ids: which there are is said by the host's accounts, and in a container by what is mapped into it. */
#include "base/alloc.h"
#include "runtime/doctor/doctor.h"
#include "runtime/ids.h"

void doctor_ids(struct doctor *doctor)
{
	struct id_blocks blocks = id_blocks_count(doctor->host->lock_dir);
	unsigned all = blocks.used + blocks.free;
	bool few = all < doctor->ves;
	doctor_add(doctor,
		   !all  ? DOCTOR_FAIL
		   : few ? DOCTOR_WARN
			 : DOCTOR_OK,
		   "user ids",
		   xasprintf("%u blocks of %d are free, %u are VEs'", blocks.free, ID_BLOCK_SIZE,
			     blocks.used),
		   all ? xasprintf("enough for %u more VEs that run", blocks.free)
		       : xstrdup("no VE can be started"),
		   few ? xstrdup("shorter ranges in /etc/subuid and /etc/subgid; in a container, "
				 "more ids in its map (/proc/self/uid_map)")
		       : NULL);
}
