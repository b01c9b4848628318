#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/access/copy_stream.h"

struct receiver {
	int fd;
	const char *path; /* of the target, for messages */
	const char *name; /* what the one thing that comes is to be called; NULL: as it is called */
	bool foreign;
	struct ve_copied *copied;
	struct copy_record record;
	char *buffer; /* of COPY_PIECE_MAX */
	char temporary[40];
};

static int failed(const struct receiver *receiver, const char *what, const char *name,
		  struct error *err)
{
	return error_errno(err, errno, "%s %s in %s", what, name, receiver->path);
}

/* ---- files ----------------------------------------------------------------------------------------------- */

/* Not to be guessed, or somebody else could make it first, again and again. */
static const char *temporary_name(struct receiver *receiver)
{
	unsigned long long number = 0;
	(void)!getrandom(&number, sizeof(number), 0);
	snprintf(receiver->temporary, sizeof(receiver->temporary), ".vzctl-cp-%016llx", number);
	return receiver->temporary;
}

static int receive_content(struct receiver *receiver, int file, const char *name, struct error *err)
{
	uint32_t size;
	for (;;) {
		if (copy_get(receiver->fd, &size, sizeof(size), err) < 0)
			return -1;
		if (size == 0)
			return 0;
		if (size > COPY_PIECE_MAX)
			return error_set(err, ERROR_CHILD, "what arrives is not a copy");
		if (copy_get(receiver->fd, receiver->buffer, size, err) < 0 ||
		    write_all(file, receiver->buffer, size, name, err) < 0)
			return -1;
	}
}

static int put_in_place(struct receiver *receiver, int dir, const char *name, struct error *err)
{
	if (renameat(dir, receiver->temporary, dir, name) == 0)
		return 0;
	failed(receiver, "replacing", name, err);
	unlinkat(dir, receiver->temporary, 0);
	return -1;
}

static int receive_file(struct receiver *receiver, int dir, const char *name, struct error *err)
{
	mode_t mode = receiver->record.mode & 0777;
	const char *temporary = temporary_name(receiver);
	autoclose int file =
		openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0)
		return failed(receiver, "creating", name, err);
	if (receive_content(receiver, file, name, err) < 0) {
		unlinkat(dir, temporary, 0);
		return -1;
	}
	if (fchmod(file, mode) < 0) {
		failed(receiver, "setting the mode of", name, err);
		unlinkat(dir, temporary, 0);
		return -1;
	}
	receiver->copied->files++;
	return put_in_place(receiver, dir, name, err);
}

/* `depth`: folders above it that are part of the copy. */
static int receive_link(struct receiver *receiver, int dir, const char *name, unsigned depth,
			struct error *err)
{
	if (copy_get_record(receiver->fd, &receiver->record, err) < 0)
		return -1;
	const char *target = receiver->record.text;
	if (receiver->foreign && (depth == 0 || !copy_link_stays(target, depth - 1))) {
		copy_left_out(receiver->copied, name);
		return 0;
	}
	if (symlinkat(target, dir, temporary_name(receiver)) < 0)
		return failed(receiver, "creating", name, err);
	return put_in_place(receiver, dir, name, err);
}

/* ---- folders ----------------------------------------------------------------------------------------------- */

static int receive_entries(struct receiver *receiver, int dir, unsigned depth, struct error *err);

static int receive_folder(struct receiver *receiver, int dir, const char *name, unsigned depth,
			  struct error *err)
{
	mode_t mode = receiver->record.mode & 01777;
	bool made = mkdirat(dir, name, 0700) == 0;
	if (!made && errno != EEXIST)
		return failed(receiver, "creating the folder", name, err);
	autofree char *kept = xstrdup(name);
	autoclose int folder = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return failed(receiver, "opening the folder", kept, err);
	if (depth >= COPY_DEPTH_MAX)
		return error_set(err, ERROR_SYSTEM, "%s is too deep", kept);
	if (receive_entries(receiver, folder, depth + 1, err) < 0)
		return -1;
	if (made && fchmod(folder, mode) < 0)
		return failed(receiver, "setting the mode of", kept, err);
	return 0;
}

static const char *own_name(struct receiver *receiver, unsigned depth)
{
	return depth == 0 && receiver->name ? receiver->name : receiver->record.text;
}

static int receive_entry(struct receiver *receiver, int dir, unsigned depth, struct error *err)
{
	enum copy_type type = receiver->record.type;
	/* What is in a folder, and not the folder. */
	bool content =
		depth == 0 && type == COPY_FOLDER && !receiver->name && !*receiver->record.text;
	if (content)
		return receive_entries(receiver, dir, depth + 1, err);
	autofree char *name = xstrdup(own_name(receiver, depth));
	if (!copy_name_is_good(name))
		return error_set(err, ERROR_CHILD, "what arrives has the bad name \"%s\"", name);
	if (type == COPY_FOLDER)
		return receive_folder(receiver, dir, name, depth, err);
	if (type == COPY_FILE)
		return receive_file(receiver, dir, name, err);
	return receive_link(receiver, dir, name, depth, err);
}

/* Up to UP, or at the top to END. */
static int receive_entries(struct receiver *receiver, int dir, unsigned depth, struct error *err)
{
	for (;;) {
		if (copy_get_record(receiver->fd, &receiver->record, err) < 0)
			return -1;
		switch (receiver->record.type) {
		case COPY_END:
		case COPY_UP:
			if ((depth == 0) == (receiver->record.type == COPY_END))
				return 0;
			return error_set(err, ERROR_CHILD, "what arrives is not a copy");
		case COPY_LEFT_OUT:
			copy_left_out(receiver->copied, receiver->record.text);
			break;
		default:
			if (receive_entry(receiver, dir, depth, err) < 0)
				return -1;
		}
	}
}

/* ---- the target --------------------------------------------------------------------------------------------- */

static int open_folder(int root, const char *path)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	return root >= 0 ? open_in_root(root, path, (uint64_t)flags, 0) : open(path, flags);
}

/* Not there, or no folder: then its name is the last component, which is created or replaced. */
static int open_parent(int root, const char *target, char **name, struct error *err)
{
	const char *slash = strrchr(target, '/');
	autofree char *parent = !slash            ? xstrdup(".")
				: slash == target ? xstrdup("/")
						  : xstrndup(target, (size_t)(slash - target));
	const char *last = slash ? slash + 1 : target;
	if (!copy_name_is_good(last)) {
		errno = ENOTDIR;
		return error_errno(err, errno, "opening the folder %s", target);
	}
	int dir = open_folder(root, parent);
	if (dir < 0)
		return error_errno(err, errno, "opening the folder %s", parent);
	*name = xstrdup(last);
	return dir;
}

static int open_target(int root, const char *target, bool many, char **name, struct error *err)
{
	int dir = open_folder(root, target);
	if (dir >= 0)
		return dir;
	if ((errno == ENOTDIR || errno == ENOENT) && !many)
		return open_parent(root, target, name, err);
	return error_errno(err, errno, "opening the folder %s", target);
}

int copy_receive(int fd, int root, const char *target, bool many, bool foreign,
		 struct ve_copied *ret, struct error *err)
{
	autofree char *name = NULL, *buffer = xmalloc(COPY_PIECE_MAX);
	autoclose int dir = open_target(root, target, many, &name, err);
	if (dir < 0)
		return -1;
	struct receiver *receiver = xcalloc(1, sizeof(*receiver));
	*receiver = (struct receiver){
		.fd = fd,
		.path = target,
		.name = name,
		.foreign = foreign,
		.copied = ret,
		.buffer = buffer,
	};
	int result = receive_entries(receiver, dir, 0, err);
	free(receiver);
	return result;
}
