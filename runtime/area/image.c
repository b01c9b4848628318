#include "runtime/area/image.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/image_file.h"
#include "runtime/mount.h"

/* ext4(5), and fs/ext4/ext4.h of the kernel, which has no header for programs. */
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

enum {
	BLOCK = 4096,
	INODE = 256,
	INODE_RATIO = 16384, /* bytes for each inode, if there is no limit of them */
	INODES_OWN = 16, /* of the file system and of ours */
	GROUP = 32768, /* blocks; and the most inodes in them */
	DESCRIPTORS = BLOCK / 64, /* of groups, in a block */
	MB = 1 << 20,
	PIECE = 64 << 10, /* sizes of images are a multiple */
};

/* ---- how large it is ------------------------------------------------------------------------------------- */

static uint64_t inodes_of(const struct disk_limits *limits)
{
	return (limits->inodes.hard ?: limits->space.hard / INODE_RATIO) + INODES_OWN;
}

static uint64_t journal_of(const struct disk_limits *limits)
{
	uint64_t space = limits->space.hard;
	return (space < UINT64_C(1) << 30 ? 8 : space < UINT64_C(16) << 30 ? 32 : 64) * MB;
}

/* Descriptors of groups are in groups 0, 1 and the powers of 3, 5 and 7 (ext4(5), sparse_super). */
static uint64_t copies_in(uint64_t groups)
{
	uint64_t copies = groups > 1 ? 2 : 1;
	for (uint64_t base = 3; base <= 7; base += 2)
		for (uint64_t group = base; group < groups; group *= base)
			copies++;
	return copies;
}

/* What stays as it was made, also of one that is made larger. */
struct made {
	uint64_t journal; /* bytes */
	uint64_t room; /* blocks for descriptors of groups that there are not yet */
};

/* mke2fs leaves room for a file system that is 1024 times as large. */
static struct made made_of(const struct disk_limits *limits)
{
	enum { ROOM_MAX = BLOCK / 4 };
	uint64_t groups = limits->space.hard / ((uint64_t)GROUP * BLOCK) + 1;
	uint64_t room = groups * 1024 / DESCRIPTORS;
	return (struct made){ journal_of(limits), room < ROOM_MAX ? room : ROOM_MAX };
}

/* With what ext4 needs for itself besides inodes, so that what is left is what was asked for: journal, two bitmaps in each group, and the
 * descriptors of groups. */
static uint64_t size_without_inodes(uint64_t space, const struct made *made)
{
	uint64_t groups = space / ((uint64_t)GROUP * BLOCK) + 1;
	uint64_t descriptors = groups / DESCRIPTORS + 1 + made->room;
	return space + made->journal + (2 * groups + copies_in(groups) * descriptors) * BLOCK;
}

static uint64_t size_of(const struct disk_limits *limits)
{
	struct made made = made_of(limits);
	uint64_t size = size_without_inodes(limits->space.hard, &made) + inodes_of(limits) * INODE;
	return (size + PIECE - 1) / PIECE * PIECE;
}

/* ext4(5): s_reserved_gdt_blocks, and the last two of s_jnl_blocks, which are the journal's size. */
static bool read_made(int file, struct made *ret)
{
	enum { SUPERBLOCK = 1024, RESERVED = 0xce, JOURNAL = 0x148 };
	uint16_t reserved;
	uint32_t journal[2]; /* high, low */
	if (pread(file, &reserved, sizeof(reserved), SUPERBLOCK + RESERVED) != sizeof(reserved) ||
	    pread(file, journal, sizeof(journal), SUPERBLOCK + JOURNAL) != sizeof(journal))
		return false;
	ret->room = le16toh(reserved);
	ret->journal = (uint64_t)le32toh(journal[0]) << 32 | le32toh(journal[1]);
	return true;
}

static int check(const struct disk_limits *limits, struct error *err)
{
	uint64_t groups = limits->space.hard / ((uint64_t)GROUP * BLOCK);
	uint64_t most = (groups ?: 1) * GROUP - INODES_OWN;
	if (!limits->space.hard) {
		error_set(err, ERROR_VALUE, "an image limits inodes only together with space");
		return error_hint(err, "give --diskspace, too");
	}
	if (limits->inodes.hard <= most)
		return 0;
	error_set(err, ERROR_VALUE, "an image of %" PRIu64 " MB cannot hold %" PRIu64 " inodes",
		  limits->space.hard / MB, limits->inodes.hard);
	return error_hint(err, "give it at most %" PRIu64, most);
}

/* Of one that is there, of which inodes have a share that stays. */
static uint64_t size_for(const struct image *image, uint64_t space)
{
	struct made made;
	struct statvfs st;
	struct stat file;
	if (fstatvfs(image->top, &st) < 0 || fstat(image->file, &file) < 0 ||
	    !read_made(image->file, &made))
		return 0;
	double rest = (double)size_without_inodes(space, &made);
	double share = (double)st.f_files * INODE / (double)file.st_size;
	return (uint64_t)(rest / (1 - share) / PIECE + 0.5) * PIECE;
}

/* What is less than this is not told apart. */
enum { SLACK = 2 * MB };

int image_compare_space(const struct image *image, uint64_t space)
{
	struct stat file;
	uint64_t wanted = size_for(image, space);
	if (!wanted || fstat(image->file, &file) < 0)
		return 0;
	uint64_t size = (uint64_t)file.st_size;
	return size + SLACK < wanted ? -1 : size > wanted + SLACK;
}

/* mke2fs fills up the blocks that inodes are in, in each group. */
bool image_has_inodes(const struct image *image, uint64_t inodes)
{
	struct statvfs st;
	if (fstatvfs(image->top, &st) < 0)
		return false;
	uint64_t groups = st.f_blocks / GROUP + 1, wanted = inodes + INODES_OWN;
	return st.f_files >= wanted && st.f_files - wanted <= groups * 2 * (BLOCK / INODE);
}

/* ---- making ---------------------------------------------------------------------------------------------- */

static const char *find_mke2fs(void)
{
	static const char *const paths[] = { "/usr/sbin/mke2fs", "/sbin/mke2fs",
					     "/usr/local/sbin/mke2fs" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

/* Tables that are zero already are not written; nor is the journal. */
static int format(int folder, const struct disk_limits *limits, struct error *err)
{
	AUTO(strbuf_release) struct strbuf errors = STRBUF_INIT;
	autofree char *path = fd_path(folder), *file = xasprintf("%s/" IMAGE_FILE, path);
	autofree char *inodes = xasprintf("%" PRIu64, inodes_of(limits));
	autofree char *journal = xasprintf("size=%" PRIu64, journal_of(limits) / MB);
	const char *program = find_mke2fs();
	const char *const argv[] = {
		program,
		"-t",
		"ext4",
		"-q",
		"-F",
		"-b",
		"4096",
		"-I",
		"256",
		"-m",
		"0",
		"-N",
		inodes,
		"-J",
		journal,
		"-E",
		"nodiscard,lazy_itable_init=1,lazy_journal_init=1",
		"-O",
		limits->users ? "quota" : "^quota",
		file,
		NULL,
	};
	const struct child_run run = { .argv = argv };
	int status = 0;
	if (!program) {
		error_set(err, ERROR_EXEC, "mke2fs(8) is not there, which makes images for VEs");
		return error_hint(err, "install e2fsprogs");
	}
	if (child_run(&run, NULL, &errors, &status, err) < 0)
		return -1;
	if (status == 0)
		return 0;
	errors.text[strcspn(errors.text, "\n")] = 0;
	return error_set(err, ERROR_DISK, "%s failed with status %d: %s", program, status,
			 errors.text);
}

int image_make(int folder, const struct disk_limits *limits, struct error *err)
{
	if (check(limits, err) < 0)
		return -1;
	autoclose int file = openat(folder, IMAGE_FILE,
				    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0 || ftruncate(file, (off_t)size_of(limits)) < 0) {
		error_errno(err, errno, "creating an image of %" PRIu64 " MB",
			    size_of(limits) / MB);
		return errno == EFBIG ? error_hint(err, "the host's file system has no files of "
							"that size")
				      : -1;
	}
	return format(folder, limits, err);
}

/* ext4(5): the feature "quota", of s_feature_ro_compat. */
bool image_has_quotas(const struct image *image)
{
	enum {
		SUPERBLOCK = 1024,
		MAGIC_AT = 0x38,
		MAGIC = 0xef53,
		RO_COMPAT = 0x64,
		QUOTA = 0x100
	};
	uint16_t magic;
	uint32_t features;
	return pread(image->file, &magic, sizeof(magic), SUPERBLOCK + MAGIC_AT) == sizeof(magic) &&
	       le16toh(magic) == MAGIC &&
	       pread(image->file, &features, sizeof(features), SUPERBLOCK + RO_COMPAT) ==
		       sizeof(features) &&
	       le32toh(features) & QUOTA;
}

/* ---- mounting -------------------------------------------------------------------------------------------- */

/* What had it mounted before may not be gone in all respects. */
static int mount_patiently(const struct image *image, struct error *err)
{
	/* Without the last two, what users have is counted and not limited. */
	const char *quotas = image_has_quotas(image) ? "usrquota" : NULL;
	const char *const options[] = { "source",
					image->loop.path,
					"discard",
					NULL,
					"noinit_itable",
					NULL,
					quotas,
					NULL,
					quotas ? "grpquota" : NULL,
					NULL,
					NULL };
	enum { TRIES = 100 };
	int fd = -1;
	for (unsigned i = 0; fd < 0 && i < TRIES; i++) {
		if (i)
			nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		errno = 0;
		fd = mount_new("ext4", options, MOUNT_ATTR_NODEV, err);
		if (fd < 0 && errno != EBUSY)
			break;
	}
	return fd;
}

int image_mount(const struct image *image, struct error *err)
{
	int fd = mount_patiently(image, err);
	if (fd >= 0)
		return fd;
	int number = errno;
	autofree char *path = fd_path(image->file);
	/* EINVAL: it was built without; ESRCH: the module cannot be loaded. */
	bool uncounted = (number == EINVAL || number == ESRCH) && image_has_quotas(image);
	if (uncounted)
		error_set(err, ERROR_DISK,
			  "the kernel cannot count users and groups in an ext4: it has no "
			  "CONFIG_QFMT_V2 (the module quota_v2)");
	else if (err)
		err->kind = ERROR_DISK;
	error_wrap(err, "mounting %s", path);
	if (uncounted)
		return error_hint(err, "\"modprobe quota_v2\" if it is a module; a VE with "
				       "--quotaugidlimit 0 does without");
	return error_hint(err, "dmesg(1) says why; \"e2fsck -f %s\" examines it", path);
}

int image_open(int folder, struct image *ret, struct error *err)
{
	*ret = IMAGE_INIT;
	autofree char *path = fd_path(folder);
	ret->file = openat(folder, IMAGE_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (ret->file < 0) {
		error_set(err, ERROR_NO_PRIVATE, "opening %s/" IMAGE_FILE ": %s", path,
			  strerror(errno));
		return error_hint(err, "restore it from a backup");
	}
	if (loop_attach(ret->file, path, &ret->loop, err) < 0)
		return -1;
	autoclose int mount = image_mount(ret, err);
	if (mount < 0)
		return -1;
	ret->top = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret->top < 0 ? error_errno(err, errno, "opening what is in %s", path) : 0;
}

void image_release(struct image *image)
{
	cleanup_close(&image->top);
	loop_release(&image->loop);
	cleanup_close(&image->file);
	*image = IMAGE_INIT;
}

/* ---- making it larger ------------------------------------------------------------------------------------ */

/* The file first: a file system that ends before its file does is whole. */
int image_grow(const struct image *image, uint64_t space, struct error *err)
{
	uint64_t size = size_for(image, space), blocks = size / BLOCK;
	struct stat before;
	if (!size)
		return error_set(err, ERROR_DISK, "the VE's image cannot be read");
	if (fstat(image->file, &before) < 0 || ftruncate(image->file, (off_t)size) < 0)
		return error_errno(err, errno, "making the VE's image larger");
	if (loop_resized(&image->loop, err) < 0)
		return -1;
	if (ioctl(image->top, EXT4_IOC_RESIZE_FS, &blocks) == 0)
		return 0;
	int number = errno;
	if (ftruncate(image->file, before.st_size) == 0)
		loop_resized(&image->loop, NULL);
	/* Also what this kernel, or this image, has no way for. */
	if (number == EPERM || number == EOPNOTSUPP || number == ENOTTY || number == EINVAL)
		return 1;
	return error_errno(err, number, "making the file system of the VE's image larger");
}
