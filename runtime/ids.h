/*
 * Blocks of 65536 user and group ids, one for each running VE, allotted under lock. A block belongs
 * to whoever holds the lock on its file LOCK_DIR/ids/BASE, so it is free again when that process ends,
 * however it ends. Beside it, BASE.cgroups lists what else is to be removed then, a folder a line.
 */
#pragma once

#include "base/error.h"
#include "base/lock.h"
#include "base/strvec.h"

enum { ID_BLOCK_SIZE = 65536 };

struct id_block {
	int dir;
	unsigned base; /* first id; 0: none */
	struct lock lock;
};

#define ID_BLOCK_INIT ((struct id_block){ .dir = -1, .lock = LOCK_INIT })

/* Blocks are from 0x70000000 up, which systemd's map of the id space leaves free, and else from
 * 0x80000 up; one that /etc/subuid, /etc/subgid or an account known to NSS touches is passed by, and
 * so is one that is not mapped where this process runs. */
int id_block_take(const char *lock_dir, struct id_block *block, struct error *err);

/* Writes what a sweep would have to remove, before it is made. */
int id_block_record(struct id_block *block, const struct strvec *folders, struct error *err);

void id_block_release(struct id_block *block);

/*
 * A block of a VE that outlives this process: BASE.ve, a link to the number of the VE, is there as long as it has the
 * block. Whoever calls id_block_keep() writes before where the block is to be found by whoever frees it.
 */
int id_block_keep(struct id_block *block, unsigned ctid, struct error *err);
void id_block_unkeep(const char *lock_dir, unsigned base, unsigned ctid);

/* The block at `base` (a setting) for that VE; ERROR_CONTAINER if another has it. */
int id_block_take_at(const char *lock_dir, unsigned base, unsigned ctid, struct id_block *block,
		     struct error *err);

/* How many VEs have a block, and how many more could have one. Looks only: accounts of a directory service that cannot be listed are not asked for. */
struct id_blocks {
	unsigned used, free;
};

struct id_blocks id_blocks_count(const char *lock_dir);

/* Takes each block that has files but no owner, calls `remove` with its recorded folders, and frees
 * it. Returns how many. */
unsigned id_blocks_sweep(const char *lock_dir, void (*remove)(const struct strvec *folders));
