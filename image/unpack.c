#include "image/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "image/unpack_stream.h"

enum { ID_MAX = 65535, ENTRIES_MAX = 1 << 23, END = 1024 };

/* One that was there before its member: the top, one that came twice, or after what is in it. libarchive sets
 * the times of such at once and not at the end. */
struct folder {
	char *path;
	struct timespec mtime;
};

struct unpacker {
	const struct image_unpack *job;
	struct image_unpacked *result;
	struct unpack_stream *stream;
	struct archive *tar, *disk;
	struct error *err; /* for the callback, which libarchive stands between */
	uint64_t limit;
	struct folder *again;
	size_t again_count, again_capacity;
};

static int bad(const struct unpacker *unpacker, const char *path, const char *why)
{
	autofree char *clean = text_clean(path ?: "");
	return error_set(unpacker->err, ERROR_BAD_TEMPLATE, "%s: its member \"%s\" %s",
			 unpacker->job->name, clean, why);
}

static la_ssize_t read_piece(struct archive *archive, void *data, const void **piece)
{
	struct unpacker *unpacker = data;
	ssize_t got = interrupt_check(unpacker->err) < 0
			      ? -1
			      : unpack_stream_read(unpacker->stream, piece, unpacker->err);
	if (got < 0)
		archive_set_error(archive, EIO, "%s", unpacker->err->message);
	return got;
}

/* NULL if the path has "..". Without "/" and "./" in front, as tar does it. */
static const char *clean_path(const char *path)
{
	while (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1])))
		path++;
	for (const char *part = path; *part;) {
		size_t size = strcspn(part, "/");
		if (size == 2 && part[0] == '.' && part[1] == '.')
			return NULL;
		part += size + (part[size] == '/');
	}
	return path;
}

/* What belongs to a file wherever it is; a tarball may bring what belongs to the host that it was made on. */
static bool wanted_xattr(const char *name)
{
	return !strncmp(name, "user.", 5) || !strcmp(name, "security.capability");
}

static void filter_xattrs(struct archive_entry *entry)
{
	struct {
		char *name;
		void *value;
		size_t size;
	} kept[64];
	const char *name;
	const void *value;
	size_t size, count = 0;
	if (!archive_entry_xattr_reset(entry))
		return;
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
		if (count < 64 && name && wanted_xattr(name)) {
			kept[count].name = xstrdup(name);
			kept[count].value = xmemdup(value, size);
			kept[count++].size = size;
		}
	archive_entry_xattr_clear(entry);
	while (count-- > 0) {
		archive_entry_xattr_add_entry(entry, kept[count].name, kept[count].value,
					      kept[count].size);
		free(kept[count].name);
		free(kept[count].value);
	}
}

/* 1 to go on with it, 0 to pass over it, -1. */
static int prepare(struct unpacker *unpacker, struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry), *path = name ? clean_path(name) : NULL;
	const char *link = archive_entry_hardlink(entry);
	unsigned type = archive_entry_filetype(entry);
	if (!path || strlen(path) >= PATH_MAX)
		return bad(unpacker, name, "would be outside of the tree");
	if (++unpacker->result->entries > ENTRIES_MAX)
		return bad(unpacker, name, "is one too many");
	if (!link && (type == AE_IFCHR || type == AE_IFBLK || type == AE_IFSOCK)) {
		unpacker->result->nodes_dropped++;
		return 0;
	}
	if (archive_entry_uid(entry) < 0 || archive_entry_uid(entry) > ID_MAX ||
	    archive_entry_gid(entry) < 0 || archive_entry_gid(entry) > ID_MAX)
		return bad(unpacker, name, "has an owner that a VE cannot have");
	autofree char *own_path = xstrdup(*path ? path : ".");
	if (link) {
		const char *target = clean_path(link);
		if (!target || !*target)
			return bad(unpacker, name, "is a link to what is outside of the tree");
		autofree char *own_target = xstrdup(target);
		archive_entry_set_hardlink(entry, own_target);
		archive_entry_unset_size(entry);
	}
	archive_entry_set_pathname(entry, own_path);
	filter_xattrs(entry);
	return 1;
}

/* A folder that is there already stays, with the later one's mode and time, and makes no place for anything
 * else. What is no folder, makes place. */
static int check_place(struct unpacker *unpacker, struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry);
	bool folder = archive_entry_filetype(entry) == AE_IFDIR && !archive_entry_hardlink(entry);
	struct stat st;
	if (fstatat(unpacker->job->tree, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode))
		return 0;
	if (!folder)
		return bad(unpacker, path, "is to be where a folder is already");
	unpacker->again = xgrow(unpacker->again, unpacker->again_count, &unpacker->again_capacity,
				sizeof(*unpacker->again));
	unpacker->again[unpacker->again_count++] = (struct folder){
		.path = xstrdup(path),
		.mtime = { archive_entry_mtime(entry), archive_entry_mtime_nsec(entry) },
	};
	return 0;
}

static int set_times(const struct unpacker *unpacker)
{
	for (size_t i = 0; i < unpacker->again_count; i++) {
		const struct folder *folder = &unpacker->again[i];
		struct timespec times[2] = { folder->mtime, folder->mtime };
		autoclose int fd = open_in_root(unpacker->job->tree, folder->path,
						O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fd < 0 || futimens(fd, times) < 0)
			return error_errno(unpacker->err, errno, "unpacking %s: %s",
					   unpacker->job->name, folder->path);
	}
	return 0;
}

static void folders_release(struct unpacker *unpacker)
{
	for (size_t i = 0; i < unpacker->again_count; i++)
		free(unpacker->again[i].path);
	free(unpacker->again);
}

static int cannot_write(const struct unpacker *unpacker, struct archive_entry *entry)
{
	int number = archive_errno(unpacker->disk);
	const char *path = archive_entry_pathname(entry);
	if (number == ENOSPC || number == EDQUOT || number == EIO || number == EACCES ||
	    number == EPERM || number == EROFS || number == EMFILE || number == ENOTSUP)
		return error_errno(unpacker->err, number, "unpacking %s: %s", unpacker->job->name,
				   path);
	return bad(unpacker, path, archive_error_string(unpacker->disk) ?: "cannot be written");
}

static int broken(const struct unpacker *unpacker)
{
	/* The stream's own reason is better than what libarchive makes of it. */
	if (unpacker->err->message)
		return -1;
	return error_set(unpacker->err, ERROR_BAD_TEMPLATE, "%s is no whole tar archive: %s",
			 unpacker->job->name, archive_error_string(unpacker->tar) ?: "damaged");
}

static int write_content(struct unpacker *unpacker, struct archive_entry *entry)
{
	const void *block;
	size_t size;
	la_int64_t offset;
	for (;;) {
		int got = archive_read_data_block(unpacker->tar, &block, &size, &offset);
		if (got == ARCHIVE_EOF)
			return 0;
		if (got != ARCHIVE_OK)
			return broken(unpacker);
		unpacker->result->bytes += size;
		if (unpacker->result->bytes > unpacker->limit)
			return error_set(unpacker->err, ERROR_NO_SPACE,
					 "%s holds more than the %llu bytes that there is room for",
					 unpacker->job->name, (unsigned long long)unpacker->limit);
		if (archive_write_data_block(unpacker->disk, block, size, offset) < 0)
			return cannot_write(unpacker, entry);
	}
}

static int unpack_one(struct unpacker *unpacker, struct archive_entry *entry)
{
	int wanted = prepare(unpacker, entry);
	if (wanted <= 0)
		return wanted;
	if (check_place(unpacker, entry) < 0)
		return -1;
	if (archive_write_header(unpacker->disk, entry) != ARCHIVE_OK)
		return cannot_write(unpacker, entry);
	if (archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0 &&
	    write_content(unpacker, entry) < 0)
		return -1;
	return archive_write_finish_entry(unpacker->disk) != ARCHIVE_OK
		       ? cannot_write(unpacker, entry)
		       : 0;
}

/* From where no further header is: two blocks of zeros at least, padding, and nothing else. A file's own zeros before
 * that are no end. */
static int read_rest(struct unpacker *unpacker)
{
	uint64_t members = (uint64_t)archive_read_header_position(unpacker->tar);
	const void *piece;
	ssize_t got;
	while ((got = unpack_stream_read(unpacker->stream, &piece, unpacker->err)) > 0)
		if (interrupt_check(unpacker->err) < 0)
			return -1;
	if (got < 0)
		return -1;
	uint64_t rest = unpack_stream_size(unpacker->stream) - members;
	if (rest > unpack_stream_zeros(unpacker->stream))
		return error_set(unpacker->err, ERROR_BAD_TEMPLATE,
				 "%s has something after its end", unpacker->job->name);
	if (rest < END)
		return error_set(unpacker->err, ERROR_BAD_TEMPLATE,
				 "%s is cut short: the end of the archive is missing",
				 unpacker->job->name);
	return 0;
}

static int unpack_all(struct unpacker *unpacker)
{
	struct archive_entry *entry;
	if (archive_read_open(unpacker->tar, unpacker, NULL, read_piece, NULL) != ARCHIVE_OK)
		return broken(unpacker);
	for (;;) {
		int got = archive_read_next_header(unpacker->tar, &entry);
		if (got == ARCHIVE_EOF)
			break;
		if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
			return broken(unpacker);
		if (unpack_one(unpacker, entry) < 0)
			return -1;
	}
	if (read_rest(unpacker) < 0)
		return -1;
	if (!unpacker->result->entries)
		return error_set(unpacker->err, ERROR_BAD_TEMPLATE, "%s holds nothing",
				 unpacker->job->name);
	/* Now the folders get their modes and times. */
	if (archive_write_close(unpacker->disk) != ARCHIVE_OK)
		return error_set(unpacker->err, ERROR_SYSTEM, "unpacking %s: %s",
				 unpacker->job->name, archive_error_string(unpacker->disk));
	return set_times(unpacker);
}

/* Without ARCHIVE_EXTRACT_UNLINK: it would also remove a symlink that a member's parent is, and make a folder
 * there. A file or link in a member's own place is replaced all the same. */
static struct archive *disk_new(void)
{
	struct archive *disk = archive_write_disk_new();
	archive_write_disk_set_options(
		disk, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
			      ARCHIVE_EXTRACT_ACL | ARCHIVE_EXTRACT_XATTR |
			      ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
			      ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
	return disk;
}

static int run(struct unpacker *unpacker)
{
	if (unpack_stream_open(unpacker->job->fd, unpacker->job->name, unpacker->job->cache,
			       &unpacker->stream, unpacker->err) < 0)
		return -1;
	unpacker->tar = archive_read_new();
	unpacker->disk = disk_new();
	archive_read_support_format_tar(unpacker->tar);
	int result = unpack_all(unpacker);
	folders_release(unpacker);
	if (result == 0)
		unpack_stream_digest(unpacker->stream, &unpacker->result->digest);
	archive_write_free(unpacker->disk);
	archive_read_free(unpacker->tar);
	unpack_stream_free(unpacker->stream);
	return result;
}

int image_unpack(const struct image_unpack *job, struct image_unpacked *ret, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	struct unpacker unpacker = {
		.job = job,
		.result = ret,
		.err = &why,
		.limit = job->bytes_max ?: space_free(job->tree),
	};
	*ret = (struct image_unpacked){ 0 };
	/* libarchive works in the working folder. */
	autoclose int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fchdir(job->tree) < 0)
		return error_errno(err, errno, "entering the folder for %s", job->name);
	int result = run(&unpacker);
	if (before >= 0 && fchdir(before) < 0 && result == 0)
		result = error_errno(&why, errno, "returning to the working folder");
	if (result < 0)
		error_move(err, &why);
	return result;
}
