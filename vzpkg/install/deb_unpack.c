#include "vzpkg/install/deb_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strvec.h"
#include "vzpkg/install/deb_archive.h"
#include "vzpkg/install/deb_control.h"
#include "vzpkg/install/paragraph.h"

enum {
	ENTRIES_MAX = 1 << 20,
	ID_MAX = 65535, /* a VE has the ids 0 to this one */
	SLACK = 64 << 20, /* bytes beyond twice the Installed-Size */
};

/* What the package itself has put there, by path. */
struct own {
	char *path;
	enum { OWN_FILE, OWN_SYMLINK } kind;
	bool parked;
	char *md5; /* in hexadecimal, where dpkg keeps one */
	UT_hash_handle hh;
};

struct unpacker {
	const struct deb_unpack *job;
	struct unpacked *result;
	struct deb_archive *deb;
	struct archive *tar;
	char *name; /* for messages: "bash 5.2.15-2+b2" */
	struct deb_control control;
	struct strvec conffiles; /* paths without the first "/" */
	struct own *own;
	struct strbuf md5sums; /* made here if the package brings none */
	bool make_md5sums;
	uint64_t bytes, bytes_limit;
	char *folder; /* whose descriptor is kept: most members share it with the one before */
	int folder_fd;
};

/* ---- control.tar ------------------------------------------------------------------------------------- */

static char *info_name(const struct unpacker *unpacker)
{
	const struct plan_package *package = unpacker->job->package;
	autofree char *multi_arch = paragraph_get(unpacker->result->control, "Multi-Arch");
	if (unpacker->job->multi_arch && multi_arch && strcmp(multi_arch, "same") == 0)
		return xasprintf("%s:%s", package->name, package->arch);
	return xstrdup(package->name);
}

static int read_control(struct unpacker *unpacker, struct error *err)
{
	const struct deb_control *control = &unpacker->control;

	if (deb_control_read(unpacker->deb, unpacker->name, &unpacker->control, err) < 0)
		return -1;
	const char *paragraph =
		deb_control_check(control, unpacker->job->package, unpacker->name, err);
	if (!paragraph)
		return -1;
	unpacker->result->control = xstrdup(paragraph);
	unpacker->result->info_name = info_name(unpacker);
	unpacker->make_md5sums = unpacker->job->multi_arch && !deb_control_find(control, "md5sums");
	deb_control_conffiles(control, &unpacker->conffiles);
	return 0;
}

/* ---- paths ---------------------------------------------------------------------------------------------- */

static int bad_member(const struct unpacker *unpacker, const char *path, const char *why,
		      struct error *err)
{
	return deb_bad(unpacker->name, err, "its member \"%s\" %s", path, why);
}

/* "./usr/bin/x" becomes "usr/bin/x", "./" becomes "". NULL: it is not a path that a package may have. */
static char *clean_path(const char *path)
{
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (strcmp(path, ".") == 0)
		path++;
	size_t length = strlen(path);
	while (length && path[length - 1] == '/')
		length--;
	autofree char *clean = xstrndup(path, length);
	if (*clean == '/' || length >= PATH_MAX || strpbrk(clean, "\n"))
		return NULL;
	for (const char *part = clean; *part;) {
		size_t size = strcspn(part, "/");
		if (!size || (size == 1 && part[0] == '.') ||
		    (size == 2 && part[0] == '.' && part[1] == '.'))
			return NULL;
		part += size + (part[size] == '/');
	}
	return steal_ptr(clean);
}

static struct own *find_own(const struct unpacker *unpacker, const char *path)
{
	struct own *own;
	HASH_FIND_STR(unpacker->own, path, own);
	return own;
}

static void add_own(struct unpacker *unpacker, const char *path, int kind, bool parked)
{
	struct own *own = xcalloc(1, sizeof(*own));
	own->path = xstrdup(path);
	own->kind = kind;
	own->parked = parked;
	HASH_ADD_KEYPTR(hh, unpacker->own, own->path, strlen(own->path), own);
}

/* Links that other packages put there are followed (that is how /bin becomes /usr/bin), its own are not:
 * no honest package needs that. */
static bool is_through_own_link(const struct unpacker *unpacker, const char *path)
{
	autofree char *part = xstrdup(path);
	for (char *slash = part; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		const struct own *own = find_own(unpacker, part);
		if (own && own->kind == OWN_SYMLINK)
			return true;
		*slash = '/';
	}
	return false;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* The descriptor of the folder that `path` is in; kept for the next member. */
static int parent_of(struct unpacker *unpacker, const char *path, struct error *err)
{
	size_t length = (size_t)(base_name(path) - path);

	if (unpacker->folder && strlen(unpacker->folder) == length &&
	    memcmp(unpacker->folder, path, length) == 0)
		return unpacker->folder_fd;
	if (unpacker->folder_fd >= 0)
		close(unpacker->folder_fd);
	free(unpacker->folder);
	unpacker->folder = xstrndup(path, length);
	unpacker->folder_fd = open_in_root(unpacker->job->tree, length ? unpacker->folder : ".",
					   O_RDONLY | O_DIRECTORY, 0);
	if (unpacker->folder_fd >= 0)
		return unpacker->folder_fd;
	int number = errno;
	free(steal_ptr(unpacker->folder));
	if (number == ENOENT || number == ENOTDIR)
		return bad_member(unpacker, path, "has no folder to be in", err);
	return error_errno(err, number, "unpacking %s: %s", unpacker->name, path);
}

/* ---- data.tar ------------------------------------------------------------------------------------------- */

static struct unpacked_entry *add_entry(struct unpacker *unpacker, const char *path,
					enum unpacked_kind kind)
{
	struct unpacked *result = unpacker->result;
	result->entries =
		xgrow(result->entries, result->count, &result->capacity, sizeof(*result->entries));
	struct unpacked_entry *entry = &result->entries[result->count++];
	*entry = (struct unpacked_entry){
		.path = *path ? xasprintf("/%s", path) : xstrdup("/."),
		.kind = kind,
	};
	return entry;
}

static int failed(const struct unpacker *unpacker, const char *path, struct error *err)
{
	return error_errno(err, errno, "unpacking %s: %s", unpacker->name, path);
}

static int unpack_folder(struct unpacker *unpacker, const char *path, struct archive_entry *from,
			 struct error *err)
{
	struct unpacked_entry *entry = add_entry(unpacker, path, UNPACKED_FOLDER);
	entry->mode = archive_entry_perm(from) & 07777;
	entry->uid = (uid_t)archive_entry_uid(from);
	entry->gid = (gid_t)archive_entry_gid(from);
	if (!*path)
		return 0;
	int parent = parent_of(unpacker, path, err);
	if (parent < 0)
		return -1;
	if (mkdirat(parent, base_name(path), 0755) == 0) {
		entry->created = true;
		return 0;
	}
	if (errno != EEXIST)
		return failed(unpacker, path, err);
	/* A link to a folder is as good (usrmerge). */
	autoclose int fd = open_in_root(unpacker->job->tree, path, O_PATH | O_DIRECTORY, 0);
	return fd < 0 ? bad_member(unpacker, path, "is a folder where a file is already", err) : 0;
}

/* Runs `make` for the entry's own name and, if something is there, for a name beside it. */
static int place(struct unpacker *unpacker, const char *path, struct unpacked_entry *entry,
		 int (*make)(int parent, const char *name, void *data), void *data,
		 struct error *err)
{
	const char *diverted =
		dpkg_diverted(unpacker->job->overrides, path, unpacker->job->package->name);
	if (diverted)
		path = diverted;
	int parent = parent_of(unpacker, path, err);
	if (parent < 0)
		return -1;
	int ret = make(parent, base_name(path), data);
	/* What a diversion leads to is of no package's name: nobody else can claim it. */
	if (ret < 0 && errno == EEXIST && diverted && unlinkat(parent, base_name(path), 0) == 0)
		ret = make(parent, base_name(path), data);
	if (ret < 0 && errno == EEXIST) {
		autofree char *beside = parked_name(base_name(path), unpacker->job->index);
		ret = make(parent, beside, data);
		entry->parked = true;
	}
	return ret < 0 ? failed(unpacker, path, err) : ret;
}

static int make_file(int parent, const char *name, void *data)
{
	(void)data;
	return openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static bool is_conffile(const struct unpacker *unpacker, const char *path)
{
	return strvec_contains(&unpacker->conffiles, path);
}

static int write_content(struct unpacker *unpacker, const char *path, int fd, struct hasher *hasher,
			 struct error *err)
{
	const void *block;
	la_int64_t offset, end = 0;
	size_t size;
	int status;

	while ((status = archive_read_data_block(unpacker->tar, &block, &size, &offset)) ==
	       ARCHIVE_OK) {
		if (offset != end)
			return bad_member(unpacker, path, "has holes", err);
		end += (la_int64_t)size;
		unpacker->bytes += size;
		if (unpacker->bytes > unpacker->bytes_limit)
			return deb_bad(
				unpacker->name, err, "it is larger than the %llu kB that it says",
				(unsigned long long)unpacker->job->package->installed_size / 1024);
		if (write_all(fd, block, size, path, err) < 0)
			return error_wrap(err, "unpacking %s", unpacker->name);
		if (hasher)
			hasher_update(hasher, block, size);
	}
	return status == ARCHIVE_EOF ? 0 : deb_tar_failed(unpacker->deb, unpacker->tar, err);
}

/* dpkg keeps an MD5 of conffiles, and of all files where the package brings no list. */
static void note_md5(struct unpacker *unpacker, const char *path, const char *md5)
{
	find_own(unpacker, path)->md5 = xstrdup(md5);
	if (unpacker->make_md5sums)
		strbuf_addf(&unpacker->md5sums, "%s  %s\n", md5, path);
}

static void note_digest(struct unpacker *unpacker, const char *path, struct hasher *hasher)
{
	struct digest digest;
	char hex[DIGEST_MAX * 2 + 1];

	hasher_finish(hasher, &digest);
	note_md5(unpacker, path, digest_hex(&digest, hex));
}

static int unpack_file(struct unpacker *unpacker, const char *path, struct archive_entry *from,
		       struct error *err)
{
	struct unpacked_entry *entry = add_entry(unpacker, path, UNPACKED_FILE);
	autoclose int fd = place(unpacker, path, entry, make_file, NULL, err);
	AUTO(hasher_freep) struct hasher *hasher = NULL;

	if (fd < 0)
		return -1;
	add_own(unpacker, path, OWN_FILE, entry->parked);
	if (unpacker->make_md5sums || is_conffile(unpacker, path))
		hasher = hasher_new(DIGEST_MD5);
	if (write_content(unpacker, path, fd, hasher, err) < 0)
		return -1;
	if (hasher)
		note_digest(unpacker, path, hasher);
	struct timespec times[2] = { { .tv_sec = archive_entry_mtime(from) },
				     { .tv_sec = archive_entry_mtime(from) } };
	/* The owner first: changing it takes set-user-id bits away. */
	if (fchown(fd, (uid_t)archive_entry_uid(from), (gid_t)archive_entry_gid(from)) < 0 ||
	    fchmod(fd, archive_entry_perm(from) & 07777) < 0 || futimens(fd, times) < 0)
		return failed(unpacker, path, err);
	if (archive_entry_mtime(from) > unpacker->result->newest)
		unpacker->result->newest = archive_entry_mtime(from);
	return 0;
}

static int make_symlink(int parent, const char *name, void *data)
{
	struct archive_entry *from = data;
	struct timespec times[2] = { { .tv_sec = archive_entry_mtime(from) },
				     { .tv_sec = archive_entry_mtime(from) } };
	if (symlinkat(archive_entry_symlink(from), parent, name) < 0)
		return -1;
	if (fchownat(parent, name, (uid_t)archive_entry_uid(from), (gid_t)archive_entry_gid(from),
		     AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW);
}

static int unpack_symlink(struct unpacker *unpacker, const char *path, struct archive_entry *from,
			  struct error *err)
{
	struct unpacked_entry *entry = add_entry(unpacker, path, UNPACKED_SYMLINK);
	if (place(unpacker, path, entry, make_symlink, from, err) < 0)
		return -1;
	add_own(unpacker, path, OWN_SYMLINK, entry->parked);
	return 0;
}

struct link_source {
	int parent;
	char *name;
};

static int make_hardlink(int parent, const char *name, void *data)
{
	const struct link_source *source = data;
	return linkat(source->parent, source->name, parent, name, 0);
}

static int unpack_hardlink(struct unpacker *unpacker, const char *path, const char *target,
			   struct error *err)
{
	autofree char *clean = clean_path(target);
	const struct own *own = clean ? find_own(unpacker, clean) : NULL;

	if (!own || own->kind != OWN_FILE)
		return bad_member(unpacker, path, "is a hard link to what is not the package's own",
				  err);
	int parent = parent_of(unpacker, clean, err);
	autoclose int source_fd = parent < 0 ? -1 : fcntl(parent, F_DUPFD_CLOEXEC, 3);
	if (source_fd < 0)
		return parent < 0 ? -1 : failed(unpacker, path, err);
	struct link_source source = {
		.parent = source_fd,
		.name = own->parked ? parked_name(base_name(clean), unpacker->job->index)
				    : xstrdup(base_name(clean)),
	};
	struct unpacked_entry *entry = add_entry(unpacker, path, UNPACKED_FILE);
	int ret = place(unpacker, path, entry, make_hardlink, &source, err);
	free(source.name);
	if (ret < 0)
		return -1;
	add_own(unpacker, path, OWN_FILE, entry->parked);
	if (own->md5)
		note_md5(unpacker, path, own->md5);
	return 0;
}

static int make_fifo(int parent, const char *name, void *data)
{
	struct archive_entry *from = data;
	if (mkfifoat(parent, name, 0600) < 0)
		return -1;
	if (fchownat(parent, name, (uid_t)archive_entry_uid(from), (gid_t)archive_entry_gid(from),
		     AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return fchmodat(parent, name, archive_entry_perm(from) & 07777, 0);
}

static int unpack_fifo(struct unpacker *unpacker, const char *path, struct archive_entry *from,
		       struct error *err)
{
	struct unpacked_entry *entry = add_entry(unpacker, path, UNPACKED_FILE);
	if (place(unpacker, path, entry, make_fifo, from, err) < 0)
		return -1;
	add_own(unpacker, path, OWN_FILE, entry->parked);
	return 0;
}

/* A VE has these in a /dev of its own, and a template holds no nodes: they are passed over, others are
 * refused. */
static int unpack_node(struct unpacker *unpacker, const char *path, struct error *err)
{
	static const char *const known[] = { "null",    "zero", "full",    "random",
					     "urandom", "tty",  "console", "ptmx" };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(path, "dev/", 4) == 0 && strcmp(path + 4, known[i]) == 0) {
			unpacker->result->nodes++;
			return 0;
		}
	return bad_member(unpacker, path, "is a device node", err);
}

/* What the administrator (here: a script of another package) has ordered for the path. */
static void apply_override(const struct unpacker *unpacker, const char *path,
			   struct archive_entry *from)
{
	const struct stat_override *override = dpkg_stat_override(unpacker->job->overrides, path);
	if (!override)
		return;
	archive_entry_set_uid(from, override->uid);
	archive_entry_set_gid(from, override->gid);
	archive_entry_set_perm(from, override->mode);
}

static int unpack_member(struct unpacker *unpacker, struct archive_entry *from, struct error *err)
{
	const char *raw = archive_entry_pathname(from) ?: "";
	autofree char *path = clean_path(raw);

	if (!path)
		return bad_member(unpacker, raw, "leads out of the tree", err);
	if (is_through_own_link(unpacker, path))
		return bad_member(unpacker, path, "leads through a link of the package itself",
				  err);
	if (unpacker->result->count >= ENTRIES_MAX)
		return deb_bad(unpacker->name, err, "it has too many members");
	if (find_own(unpacker, path) || (!*path && archive_entry_filetype(from) != AE_IFDIR))
		return bad_member(unpacker, path, "is in it twice", err);
	if (archive_entry_uid(from) > ID_MAX || archive_entry_gid(from) > ID_MAX)
		return bad_member(unpacker, path, "belongs to an id that no VE has", err);
	apply_override(unpacker, path, from);
	if (archive_entry_hardlink(from))
		return unpack_hardlink(unpacker, path, archive_entry_hardlink(from), err);
	switch (archive_entry_filetype(from)) {
	case AE_IFDIR:
		return unpack_folder(unpacker, path, from, err);
	case AE_IFREG:
		return unpack_file(unpacker, path, from, err);
	case AE_IFLNK:
		return unpack_symlink(unpacker, path, from, err);
	case AE_IFIFO:
		return unpack_fifo(unpacker, path, from, err);
	case AE_IFCHR:
	case AE_IFBLK:
		return unpack_node(unpacker, path, err);
	default:
		return bad_member(unpacker, path, "is of a kind that a package cannot have", err);
	}
}

static int unpack_data(struct unpacker *unpacker, struct error *err)
{
	struct archive_entry *entry;
	int status = -1;

	unpacker->tar = deb_archive_data(unpacker->deb, err);
	while (unpacker->tar &&
	       (status = deb_tar_next(unpacker->deb, unpacker->tar, &entry, err)) > 0)
		if (unpack_member(unpacker, entry, err) < 0)
			return -1;
	return status;
}

/* ---- info/ ------------------------------------------------------------------------------------------------ */

static int write_info(struct unpacker *unpacker, const char *suffix, mode_t mode,
		      const struct strbuf *content, const time_t *time, struct error *err)
{
	autofree char *name = xasprintf("%s.%s", unpacker->result->info_name, suffix);
	/* What another package's script has put there, be it a FIFO, is not written into. */
	unlinkat(unpacker->job->info, name, 0);
	autoclose int fd = openat(unpacker->job->info, name,
				  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0 || fchmod(fd, mode) < 0)
		return error_errno(err, errno, "unpacking %s: creating %s", unpacker->name, name);
	if (write_all(fd, content->text, content->length, name, err) < 0)
		return -1;
	if (time && futimens(fd, (struct timespec[2]){ { *time, 0 }, { *time, 0 } }) < 0)
		return error_errno(err, errno, "unpacking %s: %s", unpacker->name, name);
	return 0;
}

/* What dpkg makes itself, a package cannot bring. */
static bool is_dpkgs_own(const char *name)
{
	return strcmp(name, "control") == 0 || strcmp(name, "list") == 0;
}

/* dpkg unpacks links after everything else, and lists them so. */
static void add_paths(const struct unpacked *unpacked, bool links, struct strbuf *list)
{
	for (size_t i = 0; i < unpacked->count; i++)
		if ((unpacked->entries[i].kind == UNPACKED_SYMLINK) == links)
			strbuf_addf(list, "%s\n", unpacked->entries[i].path);
}

static int write_infos(struct unpacker *unpacker, struct error *err)
{
	AUTO(strbuf_release) struct strbuf list = STRBUF_INIT;

	add_paths(unpacker->result, false, &list);
	add_paths(unpacker->result, true, &list);
	if (write_info(unpacker, "list", 0644, &list, NULL, err) < 0)
		return -1;
	if (unpacker->make_md5sums &&
	    write_info(unpacker, "md5sums", 0644, &unpacker->md5sums, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < unpacker->control.count; i++) {
		const struct control_file *file = &unpacker->control.files[i];
		if (!is_dpkgs_own(file->name) && write_info(unpacker, file->name, file->mode,
							    &file->content, &file->time, err) < 0)
			return -1;
	}
	return 0;
}

/* In the order in which the package lists them, as dpkg writes it. */
static char *conffile_lines(const struct unpacker *unpacker)
{
	AUTO(strbuf_release) struct strbuf lines = STRBUF_INIT;

	for (size_t i = 0; i < unpacker->conffiles.count; i++) {
		const struct own *own = find_own(unpacker, unpacker->conffiles.items[i]);
		if (own && own->md5)
			strbuf_addf(&lines, " /%s %s\n", own->path, own->md5);
	}
	return strbuf_detach(&lines);
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static void unpacker_release(struct unpacker *unpacker)
{
	struct own *own, *next;
	HASH_ITER (hh, unpacker->own, own, next) {
		HASH_DEL(unpacker->own, own);
		free(own->path);
		free(own->md5);
		free(own);
	}
	deb_control_release(&unpacker->control);
	deb_archive_freep(&unpacker->deb);
	strvec_release(&unpacker->conffiles);
	strbuf_release(&unpacker->md5sums);
	if (unpacker->folder_fd >= 0)
		close(unpacker->folder_fd);
	free(unpacker->folder);
	free(unpacker->name);
}

uint64_t deb_bytes_limit(const struct plan_package *package)
{
	return package->installed_size * 2 + SLACK;
}

int deb_unpack(const struct deb_unpack *job, struct unpacked *ret, struct error *err)
{
	const struct plan_package *package = job->package;
	AUTO(unpacker_release)
	struct unpacker unpacker = {
		.job = job,
		.result = ret,
		.name = xasprintf("%s %s", package->name, package->version),
		.md5sums = STRBUF_INIT,
		.folder_fd = -1,
		.bytes_limit = deb_bytes_limit(package),
	};
	if (deb_archive_open(job->deb, unpacker.name, &unpacker.deb, err) < 0 ||
	    read_control(&unpacker, err) < 0 || unpack_data(&unpacker, err) < 0)
		return -1;
	ret->conffiles = conffile_lines(&unpacker);
	return write_infos(&unpacker, err);
}
