#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/access/copy_stream.h"

/* Regular files are all that is opened, but what a name means may change between looking and opening: that does not
 * wait for the other side of a FIFO, and takes no terminal. */
enum { READING = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };

struct sender {
	int fd, root;
	bool folders;
	struct ve_copied *copied;
	char *buffer; /* of COPY_PIECE_MAX */
};

static int open_path(const struct sender *sender, const char *path, int flags)
{
	return sender->root >= 0 ? open_in_root(sender->root, path, (uint64_t)flags, 0)
				 : open(path, flags | O_CLOEXEC);
}

static int put_piece(struct sender *sender, uint32_t size, struct error *err)
{
	return copy_put(sender->fd, &size, sizeof(size), err) < 0 ||
			       copy_put(sender->fd, sender->buffer, size, err) < 0
		       ? -1
		       : 0;
}

static int send_content(struct sender *sender, int file, const char *path, struct error *err)
{
	for (;;) {
		ssize_t got = TEMP_FAILURE_RETRY(read(file, sender->buffer, COPY_PIECE_MAX));
		if (got < 0)
			return error_errno(err, errno, "reading %s", path);
		if (put_piece(sender, (uint32_t)got, err) < 0)
			return -1;
		if (got == 0)
			return 0;
	}
}

/* Takes `file` over. */
static int send_file(struct sender *sender, int file, const char *name, const char *path,
		     struct error *err)
{
	struct stat st;
	autoclose int held = file;
	if (fstat(held, &st) < 0)
		return error_errno(err, errno, "looking at %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_SYSTEM, "%s is not a file any more", path);
	sender->copied->files++;
	if (copy_put_record(sender->fd, COPY_FILE, st.st_mode & 0777, name, err) < 0)
		return -1;
	return send_content(sender, held, path, err);
}

static int leave_out(struct sender *sender, const char *name, const char *path, struct error *err)
{
	copy_left_out(sender->copied, path);
	return copy_put_record(sender->fd, COPY_LEFT_OUT, 0, name, err);
}

static int send_link(struct sender *sender, int dir, const char *name, const char *path,
		     struct error *err)
{
	char target[COPY_TEXT_MAX];
	ssize_t length = readlinkat(dir, name, target, sizeof(target) - 1);
	if (length < 0)
		return error_errno(err, errno, "reading the link %s", path);
	target[length] = '\0';
	return copy_put_record(sender->fd, COPY_LINK, 0, name, err) < 0 ||
			       copy_put_record(sender->fd, COPY_LINK, 0, target, err) < 0
		       ? -1
		       : 0;
}

static int send_folder(struct sender *sender, int folder, const char *name, const char *path,
		       unsigned depth, struct error *err);

static int send_entry(struct sender *sender, int dir, const char *name, const char *path,
		      unsigned depth, struct error *err)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "looking at %s", path);
	if (S_ISLNK(st.st_mode))
		return send_link(sender, dir, name, path, err);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return leave_out(sender, name, path, err);
	int fd = openat(dir, name, READING | O_NOFOLLOW | (S_ISDIR(st.st_mode) ? O_DIRECTORY : 0));
	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "opening %s", path);
	return S_ISDIR(st.st_mode) ? send_folder(sender, fd, name, path, depth + 1, err)
				   : send_file(sender, fd, name, path, err);
}

/* Of the kernel, without end and of no use in another place. */
static bool is_kernel_tree(int folder)
{
	struct statfs fs;
	if (fstatfs(folder, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
		return true;
	default:
		return false;
	}
}

static int send_entries(struct sender *sender, DIR *dir, const char *path, unsigned depth,
			struct error *err)
{
	struct dirent *entry;
	while ((errno = 0, entry = readdir(dir))) {
		if (!copy_name_is_good(entry->d_name))
			continue;
		autofree char *below = xasprintf("%s/%s", path, entry->d_name);
		if (send_entry(sender, dirfd(dir), entry->d_name, below, depth, err) < 0)
			return -1;
	}
	return errno ? error_errno(err, errno, "reading %s", path) : 0;
}

/* Takes `folder` over. */
static int send_folder(struct sender *sender, int folder, const char *name, const char *path,
		       unsigned depth, struct error *err)
{
	struct stat st;
	autoclose int held = folder;
	if (depth >= COPY_DEPTH_MAX)
		return error_set(err, ERROR_SYSTEM, "%s is too deep", path);
	if (is_kernel_tree(held))
		return leave_out(sender, name, path, err);
	if (fstat(held, &st) < 0)
		return error_errno(err, errno, "looking at %s", path);
	autoclosedir DIR *dir = fdopendir(held);
	if (!dir)
		return error_errno(err, errno, "reading %s", path);
	steal_fd(&held);
	if (copy_put_record(sender->fd, COPY_FOLDER, st.st_mode & 01777, name, err) < 0 ||
	    send_entries(sender, dir, path, depth, err) < 0)
		return -1;
	return copy_put_record(sender->fd, COPY_UP, 0, "", err);
}

/* The last component without slashes behind it; "" where it is none that could be a name. To be freed. */
static char *base_name(const char *path)
{
	size_t end = strlen(path);
	while (end && path[end - 1] == '/')
		end--;
	size_t begin = end;
	while (begin && path[begin - 1] != '/')
		begin--;
	char *name = xstrndup(path + begin, end - begin);
	if (!copy_name_is_good(name))
		*name = '\0';
	return name;
}

static int refuse(const char *path, mode_t mode, struct error *err)
{
	if (S_ISDIR(mode)) {
		error_set(err, ERROR_USAGE, "%s is a folder", path);
		return error_hint(err, "-r copies folders");
	}
	error_set(err, ERROR_USAGE, "%s is neither a file nor a folder", path);
	return error_subject(err, "%s", path);
}

static int send_source(struct sender *sender, const char *path, struct error *err)
{
	struct stat st;
	autofree char *name = base_name(path);
	autoclose int look = open_path(sender, path, O_PATH);
	if (look < 0 || fstat(look, &st) < 0)
		return error_errno(err, errno, "opening %s", path);
	bool folder = S_ISDIR(st.st_mode);
	if (!(S_ISREG(st.st_mode) || (folder && sender->folders)))
		return refuse(path, st.st_mode, err);
	int fd = open_path(sender, path, READING | (folder ? O_DIRECTORY : 0));
	if (fd < 0)
		return error_errno(err, errno, "opening %s", path);
	if (folder && is_kernel_tree(fd)) {
		close(fd);
		return error_set(err, ERROR_USAGE, "%s is the kernel's, and no folder to copy",
				 path);
	}
	return folder ? send_folder(sender, fd, name, path, 0, err)
		      : send_file(sender, fd, name, path, err);
}

int copy_send(int fd, int root, const struct strvec *sources, bool folders, struct ve_copied *ret,
	      struct error *err)
{
	autofree char *buffer = xmalloc(COPY_PIECE_MAX);
	struct sender sender = { fd, root, folders, ret, buffer };
	for (size_t i = 0; i < sources->count; i++)
		if (send_source(&sender, sources->items[i], err) < 0)
			return -1;
	return copy_put_record(fd, COPY_END, 0, "", err);
}
