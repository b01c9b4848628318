#include "runtime/ids.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

#define IDS_DIR "ids"

enum {
	FIRST = 0x7000,
	LAST = 0x7ffe,
	/* Used only where the first range is not mapped, as in a VE of somebody else's. */
	LOW_FIRST = 0x0008,
	LOW_LAST = 0x6fff,
};

/* Block numbers (id / 65536) that somebody else uses or that cannot be used here. */
struct taken {
	uint64_t bits[65536 / 64];
};

static void set(struct taken *taken, uint64_t first, uint64_t count)
{
	if (first > UINT32_MAX || count == 0)
		return;
	uint64_t last = first + (count - 1);
	if (last > UINT32_MAX)
		last = UINT32_MAX;
	for (uint64_t block = first >> 16; block <= last >> 16; block++)
		taken->bits[block / 64] |= UINT64_C(1) << block % 64;
}

static bool is_set(const struct taken *taken, unsigned block)
{
	return taken->bits[block / 64] >> block % 64 & 1;
}

/* subuid(5): NAME:FIRST:COUNT */
static void add_subordinate(struct taken *taken, const char *path)
{
	autofclose FILE *file = fopen(path, "re");
	unsigned long long first, count;
	autofree char *line = NULL;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0)
		if (sscanf(line, "%*[^:]:%llu:%llu", &first, &count) == 2)
			set(taken, first, count);
}

/* passwd(5) and group(5): NAME:PASSWORD:ID:… of the host's own accounts. Listing those of a directory service can take
 * long; try_block() asks for the one id that matters. */
static void add_accounts(struct taken *taken, const char *path)
{
	autofclose FILE *file = fopen(path, "re");
	unsigned long long id;
	autofree char *line = NULL;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0)
		if (sscanf(line, "%*[^:]:%*[^:]:%llu", &id) == 1 ||
		    sscanf(line, "%*[^:]::%llu", &id) == 1)
			set(taken, id, 1);
}

/* user_namespaces(7): what no row of the map holds whole cannot be used. */
static void add_unmapped(struct taken *taken, const char *path)
{
	autofclose FILE *file = fopen(path, "re");
	unsigned long long first, count, next = 0;
	autofree char *line = NULL;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0) {
		if (sscanf(line, "%llu %*u %llu", &first, &count) != 2)
			continue;
		if (first > next)
			set(taken, next, first - next);
		next = first + count;
		if (next <= UINT32_MAX && next % ID_BLOCK_SIZE)
			set(taken, next, 1);
	}
	if (next <= UINT32_MAX)
		set(taken, next, UINT32_MAX - next + 1);
}

static void find_taken(struct taken *taken)
{
	add_subordinate(taken, "/etc/subuid");
	add_subordinate(taken, "/etc/subgid");
	add_accounts(taken, "/etc/passwd");
	add_accounts(taken, "/etc/group");
	add_unmapped(taken, "/proc/self/uid_map");
	add_unmapped(taken, "/proc/self/gid_map");
}

static char *record_name(unsigned base)
{
	return xasprintf("%u.cgroups", base);
}

static char *kept_name(unsigned base)
{
	return xasprintf("%u.ve", base);
}

/* Which VE keeps the block; 0: none. A link, since that is there whole or not at all, whenever we are killed. */
static unsigned kept_by(int dir, unsigned base)
{
	autofree char *name = kept_name(base);
	char text[16];
	ssize_t got = readlinkat(dir, name, text, sizeof(text) - 1);
	if (got < 0)
		return errno == ENOENT ? 0 : UINT32_MAX;
	text[got] = 0;
	unsigned ctid = (unsigned)strtoul(text, NULL, 10);
	return ctid ? ctid : UINT32_MAX; /* not ours: somebody's */
}

/* 1: it is ours; 0: somebody has it. */
static int try_block(struct id_block *block, unsigned number, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	unsigned base = number * ID_BLOCK_SIZE;
	autofree char *name = xasprintf("%u", base), *record = record_name(base);
	if (lock_take(&block->lock, block->dir, name, LOCK_EXCLUSIVE, 0, NULL, NULL, &why) < 0) {
		if (why.kind == ERROR_LOCKED)
			return 0;
		error_move(err, &why);
		return -1;
	}
	/* Its last owner was killed and something of it may still be there: left to the sweep. */
	if (faccessat(block->dir, record, F_OK, 0) == 0 || kept_by(block->dir, base)) {
		lock_release(&block->lock);
		return 0;
	}
	/* Accounts of a directory service that cannot be listed can still be asked for. */
	if (getpwuid(base) || getgrgid(base)) {
		lock_remove(&block->lock, block->dir, name);
		return 0;
	}
	block->base = base;
	return 1;
}

/* Starts somewhere that depends on the lock folder: two installations with folders of their own then
 * hardly ever use the same ids. */
static int try_range(struct id_block *block, const struct taken *taken, unsigned first,
		     unsigned last, struct error *err)
{
	struct stat st;
	unsigned count = last - first + 1, start = 0;
	if (fstat(block->dir, &st) == 0)
		start = (unsigned)((st.st_ino * 2654435761u ^ st.st_dev) % count);
	for (unsigned i = 0; i < count; i++) {
		unsigned number = first + (start + i) % count;
		int ret = is_set(taken, number) ? 0 : try_block(block, number, err);
		if (ret)
			return ret;
	}
	return 0;
}

int id_block_take(const char *lock_dir, struct id_block *block, struct error *err)
{
	autofree char *path = xasprintf("%s/" IDS_DIR, lock_dir);
	autofree struct taken *taken = xcalloc(1, sizeof(*taken));

	*block = ID_BLOCK_INIT;
	block->dir = dir_open(AT_FDCWD, path, true, 0755, err);
	if (block->dir < 0)
		return -1;
	find_taken(taken);
	int ret = try_range(block, taken, FIRST, LAST, err);
	if (!ret)
		ret = try_range(block, taken, LOW_FIRST, LOW_LAST, err);
	if (ret > 0)
		return 0;
	id_block_release(block);
	if (ret < 0)
		return error_wrap(err, "taking a block of user ids in %s", path);
	error_set(err, ERROR_CONTAINER, "no free block of %d user ids for a VE in %s",
		  ID_BLOCK_SIZE, path);
	return error_hint(err, "see /proc/self/uid_map and /etc/subuid; inside another container, "
			       "map more ids into that one");
}

int id_block_take_at(const char *lock_dir, unsigned base, unsigned ctid, struct id_block *block,
		     struct error *err)
{
	autofree char *path = xasprintf("%s/" IDS_DIR, lock_dir), *name = xasprintf("%u", base);
	*block = ID_BLOCK_INIT;
	block->dir = dir_open(AT_FDCWD, path, true, 0755, err);
	if (block->dir < 0)
		return -1;
	bool locked = lock_try(&block->lock, block->dir, name, LOCK_EXCLUSIVE);
	unsigned owner = kept_by(block->dir, base);
	if (locked && (!owner || owner == ctid)) {
		block->base = base;
		return 0;
	}
	if (locked)
		lock_remove(&block->lock, block->dir, name);
	id_block_release(block);
	error_set(err, ERROR_CONTAINER, "the ids from %u on (LOCAL_UID) are another VE's", base);
	return error_hint(err, "remove LOCAL_UID, or choose another multiple of %d", ID_BLOCK_SIZE);
}

int id_block_keep(struct id_block *block, unsigned ctid, struct error *err)
{
	autofree char *name = kept_name(block->base), *lock = xasprintf("%u", block->base);
	autofree char *text = xasprintf("%u", ctid);
	if (symlinkat(text, block->dir, name) < 0 &&
	    (errno != EEXIST || kept_by(block->dir, block->base) != ctid))
		return error_errno(err, errno, "creating %s", name);
	lock_remove(&block->lock, block->dir, lock);
	close(block->dir);
	*block = ID_BLOCK_INIT;
	return 0;
}

void id_block_unkeep(const char *lock_dir, unsigned base, unsigned ctid)
{
	autofree char *path = xasprintf("%s/" IDS_DIR, lock_dir), *name = kept_name(base);
	autoclose int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && kept_by(dir, base) == ctid)
		unlinkat(dir, name, 0);
}

int id_block_record(struct id_block *block, const struct strvec *folders, struct error *err)
{
	autofree char *name = record_name(block->base);
	autofree char *dir = fd_path(block->dir), *path = xasprintf("%s/%s", dir, name);
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	for (size_t i = 0; i < folders->count; i++)
		strbuf_addf(&text, "%s\n", folders->items[i]);
	autoclose int fd = openat(block->dir, name,
				  O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_errno(err, errno, "creating %s", path);
	return write_all(fd, text.text, text.length, path, err);
}

void id_block_release(struct id_block *block)
{
	if (block->base) {
		autofree char *record = record_name(block->base);
		autofree char *name = xasprintf("%u", block->base);
		/* A sweep goes by the files of locks. */
		if (unlinkat(block->dir, record, 0) == 0 || errno == ENOENT)
			lock_remove(&block->lock, block->dir, name);
		else
			lock_release(&block->lock);
	}
	if (block->dir >= 0)
		close(block->dir);
	*block = ID_BLOCK_INIT;
}

/* The block that a file of the folder is of (BASE, BASE.ve, BASE.cgroups); 0: of none. */
static unsigned block_of(const char *name)
{
	char *end;
	unsigned long base = strtoul(name, &end, 10);
	bool ours =
		base && base <= UINT32_MAX && base % ID_BLOCK_SIZE == 0 && (!*end || *end == '.');
	return ours ? (unsigned)(base / ID_BLOCK_SIZE) : 0;
}

static unsigned count_clear(const struct taken *taken, unsigned first, unsigned last)
{
	unsigned count = 0;
	for (unsigned block = first; block <= last; block++)
		count += !is_set(taken, block);
	return count;
}

struct id_blocks id_blocks_count(const char *lock_dir)
{
	autofree char *path = xasprintf("%s/" IDS_DIR, lock_dir);
	autofree struct taken *taken = xcalloc(1, sizeof(*taken));
	autofree struct taken *used = xcalloc(1, sizeof(*used));
	autoclosedir DIR *dir = opendir(path);
	struct id_blocks ret = { 0 };
	find_taken(taken);
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		unsigned block = block_of(entry->d_name);
		if (!block)
			continue;
		set(used, (uint64_t)block * ID_BLOCK_SIZE, 1);
		set(taken, (uint64_t)block * ID_BLOCK_SIZE, 1);
	}
	ret.used = 65536 - count_clear(used, 0, 65535);
	ret.free = count_clear(taken, FIRST, LAST) + count_clear(taken, LOW_FIRST, LOW_LAST);
	return ret;
}

static void read_record(int dir, unsigned base, struct strvec *folders)
{
	autofree char *name = record_name(base);
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	autofclose FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	autofree char *line = NULL;
	size_t size = 0;
	ssize_t length;
	while (file && (length = getline(&line, &size, file)) > 0) {
		line[length - 1] = 0; /* a line that power loss cut short names nothing that is */
		if (*line)
			strvec_push(folders, line);
	}
}

static bool sweep_block(int dir, unsigned base, void (*remove)(const struct strvec *folders))
{
	AUTO(strvec_release) struct strvec folders = STRVEC_INIT;
	struct id_block block = ID_BLOCK_INIT;
	autofree char *name = xasprintf("%u", base);
	if (!lock_try(&block.lock, dir, name, LOCK_EXCLUSIVE))
		return false;
	block.base = base;
	block.dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	read_record(dir, base, &folders);
	remove(&folders);
	id_block_release(&block);
	return true;
}

unsigned id_blocks_sweep(const char *lock_dir, void (*remove)(const struct strvec *folders))
{
	autofree char *path = xasprintf("%s/" IDS_DIR, lock_dir);
	autoclosedir DIR *dir = opendir(path);
	unsigned swept = 0;
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		char *end;
		unsigned long base = strtoul(entry->d_name, &end, 10);
		if (base && base <= UINT32_MAX && !*end)
			swept += sweep_block(dirfd(dir), (unsigned)base, remove);
	}
	return swept;
}
