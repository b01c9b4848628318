#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "image/pack.h"
#include "image/unpack.h"

enum { BLOCK = 512, EPOCH = 1700000000, EARLIER = 1600000000 };

struct fixture {
	char *path;
	int dir; /* scratch */
	int tree; /* what unpack() has made last; -1 */
	struct error err; /* what it said */
	struct image_unpacked unpacked;
	uint64_t bytes_max;
};

/* ---- tar, made by hand ----------------------------------------------------------------------------------- */

static void add_header(struct strbuf *tar, char type, const char *name, const char *link,
		       unsigned mode, unsigned uid, size_t size)
{
	char header[BLOCK + 1] = { 0 };
	unsigned sum = 0;
	memcpy(header, name, strnlen(name, 100));
	snprintf(header + 100, 8, "%07o", mode);
	snprintf(header + 108, 8, "%07o", uid);
	snprintf(header + 116, 8, "%07o", uid);
	snprintf(header + 124, 12, "%011o", (unsigned)size);
	snprintf(header + 136, 12, "%011o", EARLIER);
	memset(header + 148, ' ', 8);
	header[156] = type;
	memcpy(header + 157, link, strnlen(link, 100));
	memcpy(header + 257, "ustar\00000", 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	strbuf_add(tar, header, BLOCK);
}

static void add_zeros(struct strbuf *tar, size_t size)
{
	static const char zeros[BLOCK];
	for (; size > BLOCK; size -= BLOCK)
		strbuf_add(tar, zeros, BLOCK);
	strbuf_add(tar, zeros, size);
}

static void add_file(struct strbuf *tar, const char *name, const char *text)
{
	add_header(tar, '0', name, "", 0644, 0, strlen(text));
	strbuf_adds(tar, text);
	add_zeros(tar, (BLOCK - strlen(text) % BLOCK) % BLOCK);
}

static void add_folder(struct strbuf *tar, const char *name, unsigned mode)
{
	add_header(tar, '5', name, "", mode, 0, 0);
}

static void add_symlink(struct strbuf *tar, const char *name, const char *target)
{
	add_header(tar, '2', name, target, 0777, 0, 0);
}

static void add_end(struct strbuf *tar)
{
	add_zeros(tar, 2 * BLOCK);
}

/* One gzip member. */
static void add_gzip(struct strbuf *gzip, const void *data, size_t size)
{
	z_stream stream = { 0 };
	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, 0), Z_OK);
	size_t bound = deflateBound(&stream, size);
	strbuf_reserve(gzip, bound);
	stream.next_in = (unsigned char *)data;
	stream.avail_in = (unsigned)size;
	stream.next_out = (unsigned char *)gzip->text + gzip->length;
	stream.avail_out = (unsigned)bound;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	gzip->length += bound - stream.avail_out;
	deflateEnd(&stream);
}

/* ---- running ------------------------------------------------------------------------------------------------- */

static void run(const char *const *argv)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("%s ended with %d", argv[0], status);
}

static int unpack_fd(struct fixture *fixture, int fd)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	if (fixture->tree >= 0)
		close(fixture->tree);
	if (tree_remove(fixture->dir, "tree", &err) < 0)
		fail_msg("%s", err.message);
	fixture->tree = dir_open(fixture->dir, "tree", true, 0755, NULL);
	error_clear(&fixture->err);
	struct image_unpack job = {
		.fd = fd,
		.name = "some.tar",
		.tree = fixture->tree,
		.bytes_max = fixture->bytes_max,
	};
	return image_unpack(&job, &fixture->unpacked, &fixture->err);
}

static int unpack(struct fixture *fixture, const void *data, size_t size)
{
	autoclose int fd = openat(fixture->dir, "in", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(write_all(fd, data, size, "in", NULL), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return unpack_fd(fixture, fd);
}

static void assert_unpacks(struct fixture *fixture, const struct strbuf *file)
{
	if (unpack(fixture, file->text, file->length) < 0)
		fail_msg("%s", fixture->err.message);
}

/* Refused as an archive that is bad, with `word` in the reason. */
static void assert_bad(struct fixture *fixture, const struct strbuf *file, const char *word)
{
	if (unpack(fixture, file->text, file->length) == 0)
		fail_msg("it was unpacked");
	if (fixture->err.kind != ERROR_BAD_TEMPLATE)
		fail_msg("%s: %s", error_kind_name(fixture->err.kind), fixture->err.message);
	if (!strstr(fixture->err.message, "some.tar") || !strstr(fixture->err.message, word))
		fail_msg("no \"%s\" in: %s", word, fixture->err.message);
}

static void assert_content(int dir, const char *name, const char *text)
{
	AUTO(strbuf_release) struct strbuf content = STRBUF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	if (file_read(dir, name, 1 << 20, &content, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(content.text, text);
}

static void assert_missing(int dir, const char *name)
{
	struct stat st;
	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(errno, ENOENT);
}

static struct stat status_of(int dir, const char *name)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s: %s", name, strerror(errno));
	return st;
}

static void read_whole(struct fixture *fixture, const char *name, struct strbuf *text)
{
	assert_int_equal(file_read(fixture->dir, name, 64 << 20, text, NULL), 0);
}

/* ---- a tree with some of everything ----------------------------------------------------------------------- */

static void put(int dir, const char *name, size_t size, unsigned seed)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	strbuf_reserve(&text, size);
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		text.text[i] = (char)(seed >> 24);
	}
	text.length = size;
	autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text.text, text.length, name, NULL), 0);
}

static void set_time(int dir, const char *name, time_t seconds, long nanoseconds)
{
	struct timespec times[2] = { { seconds, nanoseconds }, { seconds, nanoseconds } };
	assert_int_equal(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void put_attributes(int tree)
{
	static const unsigned char binary[] = { 0, 0xff, '\n', '=', 0 };
	/* cap_net_raw=ep, as the kernel stores it */
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 0x20 };
	autoclose int fd = openat(tree, "usr/bin/tool", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "user.binary", binary, sizeof(binary), 0), 0);
	assert_int_equal(fsetxattr(fd, "security.capability", cap, sizeof(cap), 0), 0);
	/* user::rw-, user:1000:r-x, group::r--, mask::rwx, other::--- (linux/posix_acl_xattr.h) */
	static const unsigned char acl[44] = {
		2, 0,   0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 2,   0,   5,
		0, 232, 3,   0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16,  0,
		7, 0,   255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255,
	};
	autoclose int var = openat(tree, "var", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(var, "system.posix_acl_access", acl, sizeof(acl), 0), 0);
	assert_int_equal(fsetxattr(var, "system.posix_acl_default", acl, sizeof(acl), 0), 0);
}

static void make_tree(int tree)
{
	static const char *const folders[] = { "usr", "usr/bin", "var", "var/spool" };
	char name[240];
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(mkdirat(tree, folders[i], 0755), 0);
	put(tree, "usr/bin/tool", 3000, 1);
	put(tree, "usr/big", (3 << 20) + 77, 2);
	put(tree, "usr/empty", 0, 3);
	put(tree,
	    "gr\xc3\xbc\xc3\x9f"
	    "e",
	    10, 4);
	put(tree, "bad\xff\xfe", 10, 5);
	memset(name, 'n', 200);
	memcpy(name + 200, "\xc3\xa9", 3);
	put(tree, name, 10, 6);
	assert_int_equal(linkat(tree, "usr/big", tree, "var/big2", 0), 0);
	assert_int_equal(linkat(tree, name, tree, "zz", 0), 0);
	assert_int_equal(symlinkat("/etc/nowhere", tree, "usr/link"), 0);
	assert_int_equal(linkat(tree, "usr/link", tree, "usr/link2", 0), 0);
	assert_int_equal(mkfifoat(tree, "var/fifo", 0620), 0);
	put_attributes(tree);
	assert_int_equal(fchownat(tree, "usr/empty", 33, 65534, 0), 0);
	assert_int_equal(fchownat(tree, "usr/link", 5, 6, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fchownat(tree, "var/fifo", 7, 8, 0), 0);
	assert_int_equal(fchmodat(tree, "usr/empty", 06751, 0), 0);
	assert_int_equal(fchmodat(tree, "var/spool", 0500, 0), 0);
	assert_int_equal(fchmodat(tree, "usr/bin", 02775, 0), 0);
	set_time(tree, "usr/link", EARLIER + 1, 0);
	set_time(tree, "usr/empty", -1000, 0);
	set_time(tree, "usr/bin", EARLIER + 2, 0);
	set_time(tree, "usr", EARLIER + 3, 0);
	set_time(tree, ".", EARLIER + 4, 0);
}

static void pack(struct fixture *fixture, int tree, const char *name, bool single,
		 struct image_packed *packed)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct image_pack job = {
		.tree = tree, .epoch = EPOCH, .threads = 2, .single_member = single
	};
	autoclose int fd = openat(fixture->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (image_pack(&job, fd, name, packed, &err) < 0)
		fail_msg("%s", err.message);
}

static int setup(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	const char *tmp = getenv("TMPDIR");
	fixture->path = xasprintf("%s/unpack.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(fixture->path));
	fixture->dir = dir_open(AT_FDCWD, fixture->path, false, 0, NULL);
	fixture->tree = -1;
	autoclose int from = dir_open(fixture->dir, "from", true, 0755, NULL);
	autoclose int outside = dir_open(fixture->dir, "outside", true, 0755, NULL);
	put(outside, "kept", 10, 1);
	make_tree(from);
	pack(fixture, from, "from.tar.gz", false, &packed);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	if (fixture->tree >= 0)
		close(fixture->tree);
	close(fixture->dir);
	assert_int_equal(tree_remove(AT_FDCWD, fixture->path, NULL), 0);
	error_clear(&fixture->err);
	free(fixture->path);
	free(fixture);
	return 0;
}

/* ---- what there is, is restored ------------------------------------------------------------------------------ */

/* Packed again it has the same bytes: names, contents, owners, modes, times, attributes, ACLs, links. */
static void assert_same_as_packed(struct fixture *fixture)
{
	AUTO(image_packed_release) struct image_packed again = IMAGE_PACKED_INIT;
	AUTO(strbuf_release) struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	pack(fixture, fixture->tree, "again.tar.gz", false, &again);
	read_whole(fixture, "from.tar.gz", &a);
	read_whole(fixture, "again.tar.gz", &b);
	assert_int_equal(a.length, b.length);
	assert_memory_equal(a.text, b.text, a.length);
}

static void round_trip(struct fixture *fixture, bool single)
{
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
	autoclose int from = dir_open(fixture->dir, "from", false, 0, NULL);
	pack(fixture, from, "round", single, &packed);
	read_whole(fixture, "round", &file);
	assert_unpacks(fixture, &file);
	assert_same_as_packed(fixture);
	assert_int_equal(fixture->unpacked.entries, packed.entries);
	assert_true(digest_equal(&fixture->unpacked.digest, &packed.gzip));
	assert_int_equal(fixture->unpacked.nodes_dropped, 0);
}

static void what_was_packed_comes_back(void **state)
{
	static const char *const locales[] = { "C", "C.UTF-8" };
	for (size_t i = 0; i < 2; i++) {
		assert_non_null(setlocale(LC_ALL, locales[i]));
		round_trip(*state, false);
		round_trip(*state, true);
	}
	struct stat st = status_of(((struct fixture *)*state)->tree, "usr/empty");
	assert_int_equal(st.st_mode & 07777, 06751);
	assert_int_equal(st.st_mtim.tv_sec, -1000);
}

/* Each compression that the contract names, of the same tar. */
static void any_compression(void **state)
{
	struct fixture *fixture = *state;
	static const char *const tools[][2] = {
		{ "gzip", ".gz" }, { "bzip2", ".bz2" }, { "xz", ".xz" }, { "zstd", ".zst" }
	};
	autofree char *plain = xasprintf("%s/comp.tar", fixture->path);
	autofree char *packed = xasprintf("%s/comp.tar.gz", fixture->path);
	autofree char *original = xasprintf("%s/from.tar.gz", fixture->path);
	run((const char *[]){ "cp", original, packed, NULL });
	run((const char *[]){ "gzip", "-dkf", packed, NULL });
	for (size_t i = 0; i < 5; i++) {
		autofree char *name = xasprintf("comp.tar%s", i < 4 ? tools[i][1] : "");
		AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
		struct digest digest;
		if (i < 4)
			run((const char *[]){ tools[i][0], "-kqf", plain, NULL });
		read_whole(fixture, name, &file);
		assert_unpacks(fixture, &file);
		assert_same_as_packed(fixture);
		digest_data(DIGEST_SHA256, file.text, file.length, &digest);
		assert_true(digest_equal(&digest, &fixture->unpacked.digest));
	}
}

/* bsdtar's lz4, which needs no other program. */
static void lz4_by_another_tar(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
	autofree char *from = xasprintf("%s/from", fixture->path);
	autofree char *archive = xasprintf("%s/other.tar.lz4", fixture->path);
	run((const char *[]){ "bsdtar", "--lz4", "-C", from, "-cf", archive, ".", NULL });
	read_whole(fixture, "other.tar.lz4", &file);
	assert_unpacks(fixture, &file);
	assert_same_as_packed(fixture);
}

/* Names of more than 100 and more than 255 bytes as each format of GNU tar says them. */
static void long_names_in_any_format(void **state)
{
	struct fixture *fixture = *state;
	static const char *const formats[] = { "--format=gnu", "--format=pax", "--format=oldgnu" };
	char part[121] = { 0 };
	memset(part, 'p', 120);
	autofree char *deep = xasprintf("%s/%s/%s", part, part, part);
	autofree char *middle = xasprintf("%s/%s", part, part);
	autofree char *from = xasprintf("%s/long", fixture->path);
	autofree char *archive = xasprintf("%s/long.tar", fixture->path);
	autoclose int tree = dir_open(fixture->dir, "long", true, 0755, NULL);
	close(dir_open(tree, middle, true, 0755, NULL));
	put(tree, deep, 100, 9);
	assert_int_equal(linkat(tree, deep, tree, "hard", 0), 0);
	assert_int_equal(symlinkat(deep, tree, "soft"), 0);
	for (size_t i = 0; i < 3; i++) {
		AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
		char target[4096] = { 0 };
		run((const char *[]){ "tar", formats[i], "-C", from, "-cf", archive, ".", NULL });
		read_whole(fixture, "long.tar", &file);
		assert_unpacks(fixture, &file);
		assert_int_equal(status_of(fixture->tree, deep).st_size, 100);
		assert_int_equal(status_of(fixture->tree, deep).st_ino,
				 status_of(fixture->tree, "hard").st_ino);
		assert_true(readlinkat(fixture->tree, "soft", target, sizeof(target) - 1) > 0);
		assert_string_equal(target, deep);
	}
}

/* Holes at the begin, between data and at the end, as GNU tar finds and says them. */
static void sparse_files_stay_sparse(void **state)
{
	struct fixture *fixture = *state;
	static const char *const formats[] = { "--format=gnu", "--format=pax" };
	autofree char *from = xasprintf("%s/sparse", fixture->path);
	autofree char *archive = xasprintf("%s/sparse.tar", fixture->path);
	autoclose int tree = dir_open(fixture->dir, "sparse", true, 0755, NULL);
	autoclose int fd = openat(tree, "holes", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(pwrite(fd, "first", 5, 1 << 20), 5);
	assert_int_equal(pwrite(fd, "second", 6, 20 << 20), 6);
	assert_int_equal(ftruncate(fd, 40 << 20), 0);
	for (size_t i = 0; i < 2; i++) {
		AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
		char text[7] = { 0 };
		run((const char *[]){ "tar", "-S", formats[i], "-C", from, "-cf", archive, ".",
				      NULL });
		read_whole(fixture, "sparse.tar", &file);
		assert_true(file.length < 1 << 20);
		assert_unpacks(fixture, &file);
		struct stat st = status_of(fixture->tree, "holes");
		assert_int_equal(st.st_size, 40 << 20);
		assert_true(st.st_blocks * 512 < 1 << 20);
		autoclose int copy = openat(fixture->tree, "holes", O_RDONLY | O_CLOEXEC);
		assert_int_equal(pread(copy, text, 6, 20 << 20), 6);
		assert_string_equal(text, "second");
		assert_int_equal(pread(copy, text, 6, 1 << 20), 6);
		assert_memory_equal(text, "first", 6);
	}
}

static void times_have_nanoseconds(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
	autofree char *from = xasprintf("%s/nano", fixture->path);
	autofree char *archive = xasprintf("%s/nano.tar", fixture->path);
	autoclose int tree = dir_open(fixture->dir, "nano", true, 0755, NULL);
	close(dir_open(tree, "folder", true, 0755, NULL));
	put(tree, "folder/file", 10, 1);
	set_time(tree, "folder/file", EARLIER, 123456789);
	set_time(tree, "folder", EARLIER, 987654321);
	run((const char *[]){ "tar", "--format=pax", "-C", from, "-cf", archive, ".", NULL });
	read_whole(fixture, "nano.tar", &file);
	assert_unpacks(fixture, &file);
	assert_int_equal(status_of(fixture->tree, "folder/file").st_mtim.tv_nsec, 123456789);
	assert_int_equal(status_of(fixture->tree, "folder").st_mtim.tv_nsec, 987654321);
	assert_int_equal(status_of(fixture->tree, "folder").st_mtim.tv_sec, EARLIER);
}

/* A host's labels stay there. */
static void only_a_files_own_attributes(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
	autofree char *from = xasprintf("%s/label", fixture->path);
	autofree char *archive = xasprintf("%s/label.tar", fixture->path);
	autoclose int tree = dir_open(fixture->dir, "label", true, 0755, NULL);
	char value[8];
	put(tree, "file", 10, 1);
	autoclose int fd = openat(tree, "file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0), 0);
	assert_int_equal(fsetxattr(fd, "user.mine", "y", 1, 0), 0);
	run((const char *[]){ "tar", "--xattrs", "--xattrs-include=*", "-C", from, "-cf", archive,
			      ".", NULL });
	read_whole(fixture, "label.tar", &file);
	assert_non_null(memmem(file.text, file.length, "trusted.overlay.opaque", 22));
	assert_unpacks(fixture, &file);
	autoclose int copy = openat(fixture->tree, "file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(copy, "user.mine", value, sizeof(value)), 1);
	assert_int_equal(fgetxattr(copy, "trusted.overlay.opaque", value, sizeof(value)), -1);
	assert_int_equal(errno, ENODATA);
}

static void a_pipe_will_do(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	int ends[2];
	add_file(&tar, "file", "text");
	add_end(&tar);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write_all(ends[1], tar.text, tar.length, "pipe", NULL), 0);
	close(ends[1]);
	if (unpack_fd(fixture, ends[0]) < 0)
		fail_msg("%s", fixture->err.message);
	close(ends[0]);
	assert_content(fixture->tree, "file", "text");
}

/* The caller's working folder is as before, also after a failure. */
static void the_working_folder_stays(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	autofree char *before = getcwd(NULL, 0);
	add_file(&tar, "file", "text");
	assert_bad(fixture, &tar, "");
	autofree char *failed = getcwd(NULL, 0);
	assert_string_equal(before, failed);
	add_end(&tar);
	assert_unpacks(fixture, &tar);
	autofree char *after = getcwd(NULL, 0);
	assert_string_equal(before, after);
}

/* ---- one after the other ----------------------------------------------------------------------------------- */

static void a_later_member_replaces(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	add_folder(&tar, "folder/", 0700);
	add_file(&tar, "folder/file", "first");
	add_header(&tar, '1', "hard", "folder/file", 0644, 0, 0);
	add_file(&tar, "folder/file", "second");
	add_symlink(&tar, "link", "folder/file");
	add_file(&tar, "link", "no link any more");
	add_folder(&tar, "folder/", 0750);
	add_end(&tar);
	assert_unpacks(fixture, &tar);
	assert_content(fixture->tree, "folder/file", "second");
	assert_content(fixture->tree, "hard", "first");
	assert_content(fixture->tree, "link", "no link any more");
	assert_int_equal(status_of(fixture->tree, "folder").st_mode & 07777, 0750);
}

static void a_file_where_a_folder_is(void **state)
{
	struct fixture *fixture = *state;
	for (int filled = 0; filled < 2; filled++) {
		AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
		add_folder(&tar, "folder/", 0755);
		if (filled)
			add_file(&tar, "folder/file", "text");
		add_file(&tar, "folder", "text");
		add_end(&tar);
		assert_bad(fixture, &tar, "folder");
	}
}

static void modes_do_not_hinder(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	mode_t before = umask(0777);
	add_folder(&tar, "folder/", 0);
	add_header(&tar, '0', "folder/file", "", 04111, 12, 0);
	add_folder(&tar, "folder/below/", 02500);
	add_end(&tar);
	int status = unpack(fixture, tar.text, tar.length);
	umask(before);
	if (status < 0)
		fail_msg("%s", fixture->err.message);
	assert_int_equal(status_of(fixture->tree, "folder").st_mode & 07777, 0);
	assert_int_equal(status_of(fixture->tree, "folder/below").st_mode & 07777, 02500);
	struct stat st = status_of(fixture->tree, "folder/file");
	assert_int_equal(st.st_mode & 07777, 04111);
	assert_int_equal(st.st_uid, 12);
}

/* ---- out of the tree ----------------------------------------------------------------------------------------- */

static void absolute_names_are_below(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	add_folder(&tar, "/", 0755);
	add_file(&tar, "/unpack-test-file", "text");
	add_file(&tar, ".//./other", "text");
	add_header(&tar, '1', "hard", "/unpack-test-file", 0644, 0, 0);
	add_end(&tar);
	assert_unpacks(fixture, &tar);
	assert_content(fixture->tree, "unpack-test-file", "text");
	assert_content(fixture->tree, "hard", "text");
	assert_content(fixture->tree, "other", "text");
	assert_missing(AT_FDCWD, "/unpack-test-file");
}

static void dots_are_refused(void **state)
{
	struct fixture *fixture = *state;
	static const char *const names[] = { "../out", "a/../../out", "./../out",
					     "a/..",   "..",          "/../out" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
		add_file(&tar, names[i], "text");
		add_end(&tar);
		assert_bad(fixture, &tar, names[i]);
		assert_missing(fixture->dir, "out");
	}
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	add_file(&tar, "..a/...", "these are names");
	add_end(&tar);
	assert_unpacks(fixture, &tar);
	assert_content(fixture->tree, "..a/...", "these are names");
}

/* link -> /somewhere, and then a member of each kind below it. */
static void nothing_goes_through_a_link(void **state)
{
	struct fixture *fixture = *state;
	autofree char *absolute = xasprintf("%s/outside", fixture->path);
	const char *const targets[] = { absolute, "../outside" };
	for (size_t i = 0; i < 2 * 5; i++) {
		AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
		add_symlink(&tar, "link", targets[i / 5]);
		switch (i % 5) {
		case 0:
			add_file(&tar, "link/new", "text");
			break;
		case 1:
			add_folder(&tar, "link/new/", 0755);
			break;
		case 2:
			add_symlink(&tar, "link/new", "target");
			break;
		case 3:
			add_header(&tar, '6', "link/new", "", 0644, 0, 0);
			break;
		default:
			add_file(&tar, "file", "text");
			add_header(&tar, '1', "link/new", "file", 0644, 0, 0);
		}
		add_end(&tar);
		assert_bad(fixture, &tar, "link/new");
		assert_missing(fixture->dir, "outside/new");
	}
}

/* A hard link would make a file of the host one of the tree. */
static void no_hard_link_to_the_outside(void **state)
{
	struct fixture *fixture = *state;
	static const char *const targets[] = { "link/kept", "../outside/kept", "absent", "." };
	for (size_t i = 0; i < 4; i++) {
		AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
		add_symlink(&tar, "link", "../outside");
		add_header(&tar, '1', "hard", targets[i], 0644, 0, 0);
		add_end(&tar);
		assert_bad(fixture, &tar, "hard");
		assert_int_equal(status_of(fixture->dir, "outside/kept").st_nlink, 1);
	}
}

/* A folder over a link takes its place; what the link leads to keeps its mode. */
static void a_folder_is_not_what_a_link_leads_to(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	mode_t before = status_of(fixture->dir, "outside").st_mode;
	add_symlink(&tar, "link", "../outside");
	add_folder(&tar, "link/", 0700);
	add_file(&tar, "link/kept", "of the archive");
	add_end(&tar);
	unpack(fixture, tar.text, tar.length);
	assert_int_equal(status_of(fixture->dir, "outside").st_mode, before);
	assert_int_equal(status_of(fixture->dir, "outside/kept").st_size, 10);
}

/* ---- nodes, owners, limits ------------------------------------------------------------------------------------ */

static void nodes_are_counted(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	add_folder(&tar, "dev/", 0755);
	add_header(&tar, '3', "dev/null", "", 0666, 0, 0);
	add_header(&tar, '4', "dev/sda", "", 0660, 0, 0);
	add_file(&tar, "file", "text");
	add_end(&tar);
	assert_unpacks(fixture, &tar);
	assert_int_equal(fixture->unpacked.nodes_dropped, 2);
	assert_missing(fixture->tree, "dev/null");
	assert_missing(fixture->tree, "dev/sda");
	assert_content(fixture->tree, "file", "text");
}

static void owners_that_no_ve_has(void **state)
{
	struct fixture *fixture = *state;
	for (unsigned uid = 65535; uid <= 65536; uid++) {
		AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
		add_header(&tar, '0', "strange-owner", "", 0644, uid, 0);
		add_end(&tar);
		if (uid == 65536) {
			assert_bad(fixture, &tar, "strange-owner");
			continue;
		}
		assert_unpacks(fixture, &tar);
		assert_int_equal(status_of(fixture->tree, "strange-owner").st_uid, uid);
		assert_int_equal(status_of(fixture->tree, "strange-owner").st_gid, uid);
	}
}

static void too_much_content(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	add_file(&tar, "one", "12345");
	add_file(&tar, "two", "12345");
	add_end(&tar);
	fixture->bytes_max = 9;
	int status = unpack(fixture, tar.text, tar.length);
	fixture->bytes_max = 10;
	assert_unpacks(fixture, &tar);
	fixture->bytes_max = 0;
	assert_int_equal(status, -1);
	assert_int_equal(fixture->unpacked.bytes, 10);
}

/* ---- damaged -------------------------------------------------------------------------------------------------- */

static void what_is_no_archive(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
	assert_bad(fixture, &file, "");
	strbuf_adds(&file, "#!/bin/sh\necho this is a script\n");
	assert_bad(fixture, &file, "");
	for (unsigned i = 0; i < 500; i++)
		strbuf_adds(&file, "and it goes on and on\n");
	assert_bad(fixture, &file, "");
	strbuf_truncate(&file, 0);
	add_gzip(&file, "", 0);
	assert_bad(fixture, &file, "");
	strbuf_truncate(&file, 0);
	add_end(&file);
	assert_bad(fixture, &file, "");
	strbuf_truncate(&file, 0);
	strbuf_adds(&file, "\x1f\x8b");
	assert_bad(fixture, &file, "");
}

/* At `count` offsets, and each of the last 40. */
static void assert_bad_when_cut(struct fixture *fixture, const struct strbuf *whole, size_t count)
{
	struct strbuf cut = { .text = whole->text };
	for (size_t i = 0; i < count + 40; i++) {
		cut.length =
			i < count ? whole->length / count * i : whole->length - 1 - (i - count);
		if (unpack(fixture, cut.text, cut.length) == 0)
			fail_msg("%zu of %zu bytes were taken for the whole", cut.length,
				 whole->length);
		assert_int_equal(fixture->err.kind, ERROR_BAD_TEMPLATE);
	}
}

static void cut_short(void **state)
{
	struct fixture *fixture = *state;
	static const char *const tools[][2] = {
		{ "gzip", ".gz" }, { "bzip2", ".bz2" }, { "xz", ".xz" }, { "zstd", ".zst" }
	};
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	autofree char *plain = xasprintf("%s/cut.tar", fixture->path);
	autoclose int fd = openat(fixture->dir, "cut.tar", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	for (unsigned i = 0; i < 30; i++) {
		autofree char *name = xasprintf("file%u", i);
		add_file(&tar, name, "Franz jagt im komplett verwahrlosten Taxi quer durch Bayern");
	}
	add_end(&tar);
	assert_int_equal(write_all(fd, tar.text, tar.length, "cut.tar", NULL), 0);
	assert_bad_when_cut(fixture, &tar, 60);
	for (size_t i = 0; i < 4; i++) {
		AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
		autofree char *name = xasprintf("cut.tar%s", tools[i][1]);
		run((const char *[]){ tools[i][0], "-kqf", plain, NULL });
		read_whole(fixture, name, &file);
		assert_unpacks(fixture, &file);
		assert_bad_when_cut(fixture, &file, 20);
	}
}

static void cut_at_a_member_border(void **state)
{
	struct fixture *fixture = *state;
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
	autoclose int from = dir_open(fixture->dir, "from", false, 0, NULL);
	pack(fixture, from, "border", false, &packed);
	read_whole(fixture, "border", &file);
	assert_true(packed.members > 4);
	for (size_t i = packed.members - 1; i > 0; i--) {
		file.length -= packed.member_sizes[i];
		assert_bad(fixture, &file, "");
	}
}

/* A file that ends with zeros looks like the end of an archive that is cut after it. */
static void zeros_of_a_file_are_no_end(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT, members = STRBUF_INIT;
	add_header(&tar, '0', "zeros", "", 0644, 0, 8 * BLOCK);
	add_zeros(&tar, 8 * BLOCK);
	assert_bad(fixture, &tar, "cut short");
	add_gzip(&members, tar.text, tar.length);
	assert_bad(fixture, &members, "cut short");
	add_zeros(&tar, BLOCK);
	assert_bad(fixture, &tar, "cut short");
	add_zeros(&tar, BLOCK);
	assert_unpacks(fixture, &tar);
}

static void padding_is_fine(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	add_file(&tar, "file", "text");
	add_end(&tar);
	add_zeros(&tar, 700000);
	assert_unpacks(fixture, &tar);
}

static void something_after_the_end(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT, twice = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf gzip = STRBUF_INIT;
	add_file(&tar, "file", "text");
	add_end(&tar);
	strbuf_add(&twice, tar.text, tar.length);
	strbuf_add(&twice, tar.text, tar.length);
	assert_bad(fixture, &twice, "after its end");
	add_gzip(&gzip, tar.text, tar.length);
	add_gzip(&gzip, tar.text, tar.length);
	assert_bad(fixture, &gzip, "after its end");
	add_zeros(&tar, 700000);
	strbuf_addc(&tar, 'x');
	assert_bad(fixture, &tar, "after its end");
}

static void garbage_after_gzip(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT, gzip = STRBUF_INIT;
	add_file(&tar, "file", "text");
	add_end(&tar);
	add_gzip(&gzip, tar.text, tar.length);
	assert_unpacks(fixture, &gzip);
	size_t whole = gzip.length;
	strbuf_adds(&gzip, "garbage");
	assert_bad(fixture, &gzip, "");
	strbuf_truncate(&gzip, whole);
	strbuf_adds(&gzip, "\x1f\x8b\x08");
	assert_bad(fixture, &gzip, "");
}

/* Every byte counts: also those of a check sum. */
static void a_wrong_check_sum(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT, gzip = STRBUF_INIT;
	add_file(&tar, "file", "text");
	add_gzip(&gzip, tar.text, tar.length);
	size_t first = gzip.length;
	strbuf_truncate(&tar, 0);
	add_end(&tar);
	add_gzip(&gzip, tar.text, tar.length);
	for (size_t i = 1; i <= 8; i++) {
		gzip.text[first - i] ^= 1;
		assert_bad(fixture, &gzip, "");
		gzip.text[first - i] ^= 1;
		gzip.text[gzip.length - i] ^= 1;
		assert_bad(fixture, &gzip, "");
		gzip.text[gzip.length - i] ^= 1;
	}
	assert_unpacks(fixture, &gzip);
}

static void a_damaged_header(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	add_file(&tar, "first", "text");
	size_t second = tar.length;
	add_file(&tar, "second", "text");
	add_end(&tar);
	tar.text[second + 3] ^= 1;
	assert_bad(fixture, &tar, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_packed_comes_back),
		cmocka_unit_test(any_compression),
		cmocka_unit_test(lz4_by_another_tar),
		cmocka_unit_test(long_names_in_any_format),
		cmocka_unit_test(sparse_files_stay_sparse),
		cmocka_unit_test(times_have_nanoseconds),
		cmocka_unit_test(only_a_files_own_attributes),
		cmocka_unit_test(a_pipe_will_do),
		cmocka_unit_test(the_working_folder_stays),
		cmocka_unit_test(a_later_member_replaces),
		cmocka_unit_test(a_file_where_a_folder_is),
		cmocka_unit_test(modes_do_not_hinder),
		cmocka_unit_test(absolute_names_are_below),
		cmocka_unit_test(dots_are_refused),
		cmocka_unit_test(nothing_goes_through_a_link),
		cmocka_unit_test(no_hard_link_to_the_outside),
		cmocka_unit_test(a_folder_is_not_what_a_link_leads_to),
		cmocka_unit_test(nodes_are_counted),
		cmocka_unit_test(owners_that_no_ve_has),
		cmocka_unit_test(too_much_content),
		cmocka_unit_test(what_is_no_archive),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(cut_at_a_member_border),
		cmocka_unit_test(zeros_of_a_file_are_no_end),
		cmocka_unit_test(padding_is_fine),
		cmocka_unit_test(something_after_the_end),
		cmocka_unit_test(garbage_after_gzip),
		cmocka_unit_test(a_wrong_check_sum),
		cmocka_unit_test(a_damaged_header),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
