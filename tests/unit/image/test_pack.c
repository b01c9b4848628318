#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "image/check.h"
#include "image/copy.h"
#include "image/pack.h"
#include "image/precompress.h"
#include "image/settle.h"
#include "image/tar_writer.h"

enum { EPOCH = 1700000000, EARLIER = 1600000000 };

struct fixture {
	char *path;
	int dir; /* scratch */
	int tree;
};

static void put(int dir, const char *name, size_t size, unsigned seed)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	strbuf_reserve(&text, size);
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		text.text[i] = (char)('a' + (seed >> 16) % 20);
	}
	text.length = size;
	autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text.text, text.length, name, NULL), 0);
}

static void set_time(int dir, const char *name, time_t when)
{
	struct timespec times[2] = { { .tv_sec = when }, { .tv_sec = when, .tv_nsec = 123456789 } };
	assert_int_equal(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static char long_name[201];

/* user::rw-, user:70001:r-x, group::r--, mask::rwx, other::--- */
static void put_acl(int tree, const char *name, const char *attribute)
{
	struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entries[5];
	} acl = {
		.header.a_version = POSIX_ACL_XATTR_VERSION,
		.entries = {
			{ ACL_USER_OBJ, 6, ACL_UNDEFINED_ID },
			{ ACL_USER, 5, 70001 },
			{ ACL_GROUP_OBJ, 4, ACL_UNDEFINED_ID },
			{ ACL_MASK, 7, ACL_UNDEFINED_ID },
			{ ACL_OTHER, 0, ACL_UNDEFINED_ID },
		},
	};
	autoclose int fd = openat(tree, name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, attribute, &acl, sizeof(acl), 0), 0);
}

static void put_attributes(int tree)
{
	static const unsigned char binary[] = { 0, 0xff, '\n', '=', 0 };
	autoclose int fd = openat(tree, "usr/bin/exact", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "user.binary", binary, sizeof(binary), 0), 0);
	assert_int_equal(fsetxattr(fd, "user.empty", "", 0, 0), 0);
	put_acl(tree, "usr/bin/small", "system.posix_acl_access");
	put_acl(tree, "empty", "system.posix_acl_access");
	put_acl(tree, "empty", "system.posix_acl_default");
}

/* What a ustar header cannot say. */
static void make_odd_names(int tree)
{
	memset(long_name, 'n', sizeof(long_name) - 1);
	autofree char *longer = xasprintf("%s.d", long_name);
	autofree char *longest = xasprintf("%s/%s", longer, long_name);
	put(tree, long_name, 10, 6);
	assert_int_equal(mkdirat(tree, longer, 0755), 0);
	put(tree, longest, 10, 9);
	autofree char *link = xasprintf("%s/link", longer);
	assert_int_equal(linkat(tree, longest, tree, link, 0), 0);
	autofree char *symlink = xasprintf("%s/symlink", longer);
	assert_int_equal(symlinkat(longest, tree, symlink), 0);
	put(tree,
	    "gr\xc3\xbc\xc3\x9f"
	    "e",
	    10, 7);
	put(tree, "bad\xff\xfe", 10, 8);
	put(tree, "line\nfeed", 10, 10);
	assert_int_equal(symlinkat("bad\xff\xfe", tree, "usr/bad"), 0);
}

static void make_tree(int tree)
{
	assert_int_equal(mkdirat(tree, "usr", 0755), 0);
	assert_int_equal(mkdirat(tree, "usr/bin", 0755), 0);
	assert_int_equal(mkdirat(tree, "empty", 01777), 0);
	put(tree, "usr/bin/small", 1000, 1);
	put(tree, "usr/bin/exact", 1024, 2);
	put(tree, "usr/bin/big", (3 << 20) + 77, 3);
	put(tree, "usr/bin/mib", 1 << 20, 4);
	put(tree, "none", 0, 5);
	make_odd_names(tree);
	for (unsigned i = 0; i < 300; i++) {
		autofree char *name = xasprintf("usr/file%03u", i);
		put(tree, name, i * 37, i);
		set_time(tree, name, EARLIER + (time_t)i);
	}
	assert_int_equal(linkat(tree, "usr/bin/small", tree, "a-link", 0), 0);
	assert_int_equal(symlinkat("../target with spaces", tree, "usr/symlink"), 0);
	assert_int_equal(linkat(tree, "usr/symlink", tree, "usr/symlink2", 0), 0);
	assert_int_equal(mkfifoat(tree, "usr/fifo", 0600), 0);
	assert_int_equal(fchmodat(tree, "usr/bin/small", 04755, 0), 0);
	/* "-" is before "/": in the order of the bytes this one would part folder/ from what is in it. */
	assert_int_equal(mkdirat(tree, "folder", 0755), 0);
	assert_int_equal(mkdirat(tree, "folder-2", 0755), 0);
	put(tree, "folder/file", 10, 11);
	put(tree, "folder-2/file", 10, 12);
	set_time(tree, "folder", EARLIER);
	set_time(tree, "folder-2", EARLIER);
	put_attributes(tree);
	if (geteuid() == 0) {
		/* cap_net_raw=ep, as the kernel stores it */
		static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 0x20 };
		autoclose int fd = openat(tree, "usr/bin/exact", O_RDONLY | O_CLOEXEC);
		assert_int_equal(fsetxattr(fd, "security.capability", cap, sizeof(cap), 0), 0);
		assert_int_equal(fchownat(tree, "empty", 70000, 3000000, 0), 0);
	}
	set_time(tree, "usr/bin/exact", EPOCH + 1000);
	set_time(tree, "usr/bin/mib", -1000);
	set_time(tree, "none", (time_t)1 << 33);
}

static int setup(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	const char *tmp = getenv("TMPDIR");
	fixture->path = xasprintf("%s/pack.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(fixture->path));
	fixture->dir = dir_open(AT_FDCWD, fixture->path, false, 0, NULL);
	fixture->tree = dir_open(fixture->dir, "tree", true, 0755, NULL);
	make_tree(fixture->tree);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	close(fixture->tree);
	close(fixture->dir);
	tree_remove(AT_FDCWD, fixture->path, NULL);
	free(fixture->path);
	free(fixture);
	return 0;
}

static int pack(struct fixture *fixture, const char *name, unsigned threads, bool single,
		struct image_packed *packed)
{
	struct error err = ERROR_INIT;
	struct image_pack job = {
		.tree = fixture->tree,
		.epoch = EPOCH,
		.threads = threads,
		.single_member = single,
	};
	int fd = openat(fixture->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	if (image_pack(&job, fd, name, packed, &err) < 0)
		fail_msg("%s", err.message);
	if (image_verify(fd, name, packed, threads, NULL, &err) < 0)
		fail_msg("%s", err.message);
	return fd;
}

static void same_bytes_for_any_thread_count(void **state)
{
	AUTO(image_packed_release) struct image_packed one = IMAGE_PACKED_INIT;
	close(pack(*state, "one", 1, false, &one));
	assert_true(one.members > 10);
	for (unsigned threads = 2; threads <= 5; threads++) {
		AUTO(image_packed_release) struct image_packed more = IMAGE_PACKED_INIT;
		close(pack(*state, "more", threads, false, &more));
		assert_true(digest_equal(&one.gzip, &more.gzip));
		assert_true(digest_equal(&one.tar, &more.tar));
	}
}

static void single_member_has_the_same_tar(void **state)
{
	AUTO(image_packed_release) struct image_packed many = IMAGE_PACKED_INIT;
	AUTO(image_packed_release) struct image_packed single = IMAGE_PACKED_INIT;
	close(pack(*state, "many", 2, false, &many));
	close(pack(*state, "single", 2, true, &single));
	assert_true(digest_equal(&many.tar, &single.tar));
	assert_false(digest_equal(&many.gzip, &single.gzip));
	assert_int_equal(single.members, 1);
}

static void gzip_headers_tell_nothing(void **state)
{
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	for (int single = 0; single < 2; single++) {
		unsigned char header[10];
		int fd = pack(*state, "header", 2, single, &packed);
		assert_int_equal(pread(fd, header, sizeof(header), 0), sizeof(header));
		close(fd);
		static const unsigned char expected[8] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0 };
		assert_memory_equal(header, expected, sizeof(expected));
		assert_int_equal(header[9], 255);
		image_packed_release(&packed);
	}
}

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

static void assert_attribute(int tree, const char *name, const char *attribute, ssize_t size)
{
	char value[256];
	autoclose int fd = openat(tree, name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, attribute, value, sizeof(value)), size);
}

static void assert_attributes(int tree)
{
	assert_attribute(tree, "usr/bin/exact", "user.binary", 5);
	assert_attribute(tree, "usr/bin/exact", "user.empty", 0);
	assert_attribute(tree, "usr/bin/small", "system.posix_acl_access", 4 + 5 * 8);
	assert_attribute(tree, "empty", "system.posix_acl_default", 4 + 5 * 8);
	if (geteuid() == 0)
		assert_attribute(tree, "usr/bin/exact", "security.capability", 20);
}

/* Unpacked by GNU tar and by bsdtar it is the same tree: packed again it has the same bytes. */
static void tar_unpacks_the_same_tree(void **state)
{
	struct fixture *fixture = *state;
	static const char *const readers[] = { "tar", "bsdtar" };

	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	close(pack(fixture, "round.tar.gz", 2, false, &packed));
	for (size_t i = 0; i < 2; i++) {
		autofree char *archive = xasprintf("%s/round.tar.gz", fixture->path);
		autofree char *copy = xasprintf("%s/%s", fixture->path, readers[i]);
		assert_int_equal(mkdir(copy, 0755), 0);
		const char *gnu[] = { "tar",      "-C",
				      copy,       "--numeric-owner",
				      "--xattrs", "--xattrs-include=*",
				      "--acls",   "-xpzf",
				      archive,    NULL };
		const char *bsd[] = { "bsdtar", "-C",    copy, "--numeric-owner",
				      "-xpzf",  archive, NULL };
		run(i ? bsd : gnu);
		struct fixture again = { .path = fixture->path, .dir = fixture->dir };
		again.tree = dir_open(AT_FDCWD, copy, false, 0, NULL);
		AUTO(image_packed_release) struct image_packed repacked = IMAGE_PACKED_INIT;
		close(pack(&again, "again", 2, false, &repacked));
		assert_attributes(again.tree);
		close(again.tree);
		assert_int_equal(packed.entries, repacked.entries);
		if (!digest_equal(&packed.tar, &repacked.tar))
			fail_msg("what %s unpacked differs", readers[i]);
	}
}

static void expect_damage(struct fixture *fixture, int fd, const struct image_packed *packed)
{
	struct error err = ERROR_INIT;
	(void)fixture;
	assert_int_equal(image_verify(fd, "damaged", packed, 2, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_TRUST);
	error_clear(&err);
}

static void damage_is_found(void **state)
{
	for (int single = 0; single < 2; single++) {
		AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
		autoclose int fd = pack(*state, "damage", 2, single, &packed);
		char byte;
		off_t middle = (off_t)packed.gzip_bytes / 2;

		assert_int_equal(pread(fd, &byte, 1, middle), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, middle), 1);
		expect_damage(*state, fd, &packed);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, middle), 1);
		assert_int_equal(image_verify(fd, "mended", &packed, 2, NULL, NULL), 0);

		assert_int_equal(ftruncate(fd, (off_t)packed.gzip_bytes + 1), 0);
		expect_damage(*state, fd, &packed);
		assert_int_equal(ftruncate(fd, (off_t)packed.gzip_bytes - 1), 0);
		expect_damage(*state, fd, &packed);
	}
}

static void cut_at_a_member_border_is_found(void **state)
{
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	autoclose int fd = pack(*state, "cut", 2, false, &packed);
	uint32_t last = packed.member_sizes[packed.members - 1];

	assert_int_equal(ftruncate(fd, (off_t)(packed.gzip_bytes - last)), 0);
	expect_damage(*state, fd, &packed);
}

static void a_change_moves_few_members(void **state)
{
	struct fixture *fixture = *state;
	AUTO(image_packed_release) struct image_packed before = IMAGE_PACKED_INIT;
	AUTO(image_packed_release) struct image_packed after = IMAGE_PACKED_INIT;
	close(pack(fixture, "before", 2, false, &before));
	put(fixture->tree, "usr/file000a", 2000, 99);
	set_time(fixture->tree, "usr/file000a", EARLIER);
	set_time(fixture->tree, "usr", EPOCH);
	close(pack(fixture, "after", 2, false, &after));
	assert_int_equal(unlinkat(fixture->tree, "usr/file000a", 0), 0);
	assert_int_equal(after.entries, before.entries + 1);
	/* The members at the end are the same ones. */
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(before.member_sizes[before.members - i],
				 after.member_sizes[after.members - i]);
}

static bool no_usr(const char *path, void *data)
{
	(void)data;
	return strcmp(path, "usr") == 0;
}

static void left_out_and_dropped(void **state)
{
	struct fixture *fixture = *state;
	struct image_pack job = {
		.tree = fixture->tree, .epoch = EPOCH, .threads = 1, .leave_out = no_usr
	};
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	autoclose int fd = openat(fixture->dir, "out", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(mknodat(fixture->tree, "sock", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(image_pack(&job, fd, "out", &packed, NULL), 0);
	assert_int_equal(unlinkat(fixture->tree, "sock", 0), 0);
	assert_int_equal(packed.nodes_dropped, 1);
	/* ., a-link, bad.., empty, folder and one in it, folder-2 and one in it, gr..e, line.., none,
	 * nnn.., nnn...d and three in it */
	assert_int_equal(packed.entries, 16);
}

/* libarchive converts names by the locale. */
static void same_bytes_in_any_locale(void **state)
{
	AUTO(image_packed_release) struct image_packed one = IMAGE_PACKED_INIT;
	AUTO(image_packed_release) struct image_packed other = IMAGE_PACKED_INIT;
	assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
	close(pack(*state, "one", 2, false, &one));
	assert_non_null(setlocale(LC_ALL, "C"));
	close(pack(*state, "other", 2, false, &other));
	assert_true(digest_equal(&one.gzip, &other.gzip));
}

static void later_times_are_clamped(void **state)
{
	struct fixture *fixture = *state;
	AUTO(image_packed_release) struct image_packed before = IMAGE_PACKED_INIT;
	AUTO(image_packed_release) struct image_packed after = IMAGE_PACKED_INIT;
	close(pack(fixture, "before", 2, false, &before));
	set_time(fixture->tree, "usr/bin/exact", EPOCH + 99999);
	close(pack(fixture, "after", 2, false, &after));
	assert_true(digest_equal(&before.tar, &after.tar));
	set_time(fixture->tree, "usr/bin/exact", EPOCH - 1);
	image_packed_release(&after);
	close(pack(fixture, "after", 2, false, &after));
	assert_false(digest_equal(&before.tar, &after.tar));
	set_time(fixture->tree, "usr/bin/exact", EPOCH + 1000);
}

struct changer {
	int tree;
	bool seen_one, seen_two;
};

/* Of two files the one that was looked at first changes when it comes to the second. */
static bool change_the_first(const char *path, void *data)
{
	struct changer *changer = data;
	bool one = strcmp(path, "changing1") == 0, two = strcmp(path, "changing2") == 0;

	if (one || two) {
		const char *other = one ? "changing2" : "changing1";
		autoclose int fd = openat(changer->tree, other, O_WRONLY | O_CLOEXEC);
		if (one ? changer->seen_two : changer->seen_one)
			assert_int_equal(write_all(fd, "longer than it was", 18, other, NULL), 0);
		changer->seen_one |= one;
		changer->seen_two |= two;
	}
	return false;
}

static void a_changing_file_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	struct changer changer = { .tree = fixture->tree };
	struct image_pack job = { .tree = fixture->tree,
				  .epoch = EPOCH,
				  .threads = 2,
				  .leave_out = change_the_first,
				  .data = &changer };
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	autoclose int fd = openat(fixture->dir, "changed", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	put(fixture->tree, "changing1", 10, 1);
	put(fixture->tree, "changing2", 10, 2);
	int status = image_pack(&job, fd, "changed", &packed, &err);
	assert_int_equal(unlinkat(fixture->tree, "changing1", 0), 0);
	assert_int_equal(unlinkat(fixture->tree, "changing2", 0), 0);
	assert_int_equal(status, -1);
	assert_non_null(strstr(err.message, "changed meanwhile"));
	assert_non_null(strstr(err.message, "changing"));
}

/* 9 GiB say their size in an extended header; the content would take too long here. */
static void a_large_file_has_its_size(void **state)
{
	struct fixture *fixture = *state;
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	struct walk_entry entry = {
		.path = (char *)"large",
		.mode = S_IFREG | 0644,
		.size = (uint64_t)9 << 30,
	};
	struct tar_writer *writer = tar_writer_new(fixture->tree, EPOCH, NULL);
	assert_non_null(writer);
	assert_int_equal(tar_write(writer, &entry, 0, 0, &tar, NULL), 0);
	assert_non_null(memmem(tar.text, tar.length, " size=9663676416\n", 17));
	tar_writer_free(writer);
}

/* A full disk is told as such. */
static void no_space(void **state)
{
	struct fixture *fixture = *state;
	struct image_pack job = { .tree = fixture->tree, .epoch = EPOCH, .threads = 2 };
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	autoclose int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	assert_int_equal(image_pack(&job, fd, "full", &packed, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_SPACE);
}

/* The child has compressed the tree; then a part of it changes. */
static void members_are_taken_over(void **state)
{
	struct fixture *fixture = *state;
	AUTO(member_cache_freep) struct member_cache *cache = NULL;
	AUTO(image_packed_release) struct image_packed plain = IMAGE_PACKED_INIT;
	AUTO(image_packed_release) struct image_packed taken = IMAGE_PACKED_INIT;
	struct precompress precompress = PRECOMPRESS_INIT;

	assert_int_equal(member_cache_new(fixture->dir, &cache, NULL), 0);
	assert_int_equal(precompress_start(&precompress, fixture->tree, EPOCH, cache, NULL), 0);
	assert_true(waitpid(precompress.child.pid, NULL, 0) > 0);
	precompress.child = BACKGROUND_INIT;
	put(fixture->tree, "usr/file000a", 2000, 99);
	close(pack(fixture, "plain", 2, false, &plain));

	struct image_pack job = { .tree = fixture->tree, .epoch = EPOCH, .threads = 2 };
	autoclose int fd = openat(fixture->dir, "taken", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(member_cache_load(cache, NULL), 0);
	job.cache = cache;
	assert_int_equal(image_pack(&job, fd, "taken", &taken, NULL), 0);
	assert_true(digest_equal(&plain.gzip, &taken.gzip));
	assert_int_equal(unlinkat(fixture->tree, "usr/file000a", 0), 0);
}

static off_t size_of(int fd)
{
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

/* Until the child has appended more than `size` bytes and then pauses: 20 s at most. */
static off_t wait_for_more(int fd, off_t size)
{
	off_t now = size, before;

	for (int i = 0; i < 400 && now == size; i++) {
		usleep(50000);
		now = size_of(fd);
	}
	assert_true(now > size);
	do {
		before = now;
		usleep(200000);
		now = size_of(fd);
	} while (now != before);
	return now;
}

/* What comes after the start is compressed too, and the tarball is the same. */
static void a_growing_tree_is_followed(void **state)
{
	struct fixture *fixture = *state;
	AUTO(member_cache_freep) struct member_cache *cache = NULL;
	AUTO(image_packed_release) struct image_packed plain = IMAGE_PACKED_INIT;
	AUTO(image_packed_release) struct image_packed taken = IMAGE_PACKED_INIT;
	struct precompress precompress = PRECOMPRESS_INIT;
	int records = dup(fixture->tree); /* the lowest free descriptor, which the cache gets */

	close(records);
	assert_int_equal(member_cache_new(fixture->dir, &cache, NULL), 0);
	assert_int_equal(precompress_follow(&precompress, fixture->tree, EPOCH, cache, NULL), 0);
	off_t first = wait_for_more(records, 0);
	put(fixture->tree, "usr/late", 3 << 20, 5);
	assert_true(wait_for_more(records, first) > first + (1 << 20));
	assert_int_equal(kill(precompress.child.pid, 0), 0);
	precompress_stop(&precompress);
	close(pack(fixture, "plain", 2, false, &plain));

	struct image_pack job = {
		.tree = fixture->tree, .epoch = EPOCH, .threads = 2, .cache = cache
	};
	autoclose int fd = openat(fixture->dir, "taken", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(image_pack(&job, fd, "taken", &taken, NULL), 0);
	assert_true(digest_equal(&plain.gzip, &taken.gzip));
	assert_int_equal(unlinkat(fixture->tree, "usr/late", 0), 0);
}

static void a_member_is_what_was_kept(void **state)
{
	struct fixture *fixture = *state;
	AUTO(member_cache_freep) struct member_cache *cache = NULL;
	AUTO(strbuf_release) struct strbuf kept = STRBUF_INIT, found = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct mac key, other;
	bool unpacked = false;

	strbuf_adds(&kept, "gzip");
	assert_int_equal(member_cache_new(fixture->dir, &cache, NULL), 0);
	strbuf_adds(&text, "rat");
	member_cache_key(cache, &text, &other);
	text.text[0] = 't', text.text[2] = 'r';
	member_cache_key(cache, &text, &key);
	assert_int_equal(member_cache_append(cache, &key, &kept, true, NULL), 0);
	assert_false(member_cache_find(cache, &key, &found, &unpacked));
	assert_int_equal(member_cache_load(cache, NULL), 0);
	assert_true(member_cache_find(cache, &key, &found, &unpacked));
	assert_string_equal(found.text, "gzip");
	assert_true(unpacked);
	assert_false(member_cache_find(cache, &other, &found, &unpacked));
}

/* A writer that is killed in the middle of a record, and one after it. */
static void a_cut_member_is_not_continued(void **state)
{
	struct fixture *fixture = *state;
	AUTO(member_cache_freep) struct member_cache *cache = NULL;
	AUTO(strbuf_release) struct strbuf kept = STRBUF_INIT, found = STRBUF_INIT;
	struct mac cut = { "cut" }, whole = { "whole" };
	bool unpacked = true;
	int status;

	for (int i = 0; i < 1000; i++)
		strbuf_adds(&kept, "gzip");
	assert_int_equal(member_cache_new(fixture->dir, &cache, NULL), 0);
	pid_t writer = fork();
	if (writer == 0) {
		struct rlimit room = { 2000, 2000 };
		setrlimit(RLIMIT_FSIZE, &room);
		member_cache_append(cache, &cut, &kept, false, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(member_cache_load(cache, NULL), 0);
	assert_int_equal(member_cache_append(cache, &whole, &kept, false, NULL), 0);
	assert_int_equal(member_cache_load(cache, NULL), 0);
	assert_false(member_cache_find(cache, &cut, &found, &unpacked));
	assert_true(member_cache_find(cache, &whole, &found, &unpacked));
	assert_string_equal(found.text, kept.text);
	assert_false(unpacked);
}

/* ---- a tree and its tarball stand for each other -------------------------------------------------------------------- */

static int check(int fd, int tree, struct member_cache *cache, struct digest *digest,
		 struct error *err)
{
	const struct image_check job = {
		.fd = fd,
		.name = "checked",
		.tree = tree,
		.epoch = EPOCH,
		.cache = cache,
	};
	return image_check(&job, digest, err);
}

static void expect_other(int fd, int tree)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct digest digest;
	assert_int_equal(check(fd, tree, NULL, &digest, &err), -1);
	assert_int_equal(err.kind, ERROR_TRUST);
}

static int copy_of(struct fixture *fixture, const char *name, unsigned jobs)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	int copy = dir_open(fixture->dir, name, true, 0755, NULL);
	if (tree_copy(fixture->tree, copy, jobs, &err) < 0)
		fail_msg("%s", err.message);
	return copy;
}

static void a_copy_is_the_same_tree(void **state)
{
	struct fixture *fixture = *state;
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	autoclose int fd = pack(fixture, "of-copy", 2, false, &packed);
	for (unsigned jobs = 1; jobs <= 3; jobs++) {
		autofree char *name = xasprintf("copy%u", jobs);
		autoclose int copy = copy_of(fixture, name, jobs);
		struct digest digest;
		struct stat a, b;
		assert_int_equal(check(fd, copy, NULL, &digest, NULL), 0);
		assert_true(digest_equal(&digest, &packed.gzip));
		assert_attributes(copy);
		assert_int_equal(fstatat(copy, "a-link", &a, 0), 0);
		assert_int_equal(fstatat(copy, "usr/bin/small", &b, 0), 0);
		assert_int_equal(a.st_ino, b.st_ino);
		/* What a tarball does not have of it. */
		assert_int_equal(fstatat(fixture->tree, "usr/bin/exact", &a, 0), 0);
		assert_int_equal(fstatat(copy, "usr/bin/exact", &b, 0), 0);
		assert_int_equal(b.st_mtim.tv_nsec, a.st_mtim.tv_nsec);
		assert_true(b.st_mtim.tv_sec > EPOCH && b.st_ino != a.st_ino);
		assert_int_equal(tree_remove(fixture->dir, name, NULL), 0);
	}
}

static void a_copy_that_fails_says_where(void **state)
{
	struct fixture *fixture = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	autoclose int copy = dir_open(fixture->dir, "occupied", true, 0755, NULL);
	assert_int_equal(mkdirat(copy, "usr", 0755), 0);
	assert_int_equal(tree_copy(fixture->tree, copy, 2, &err), -1);
	assert_non_null(strstr(err.message, "/usr"));
	assert_int_equal(tree_remove(fixture->dir, "occupied", NULL), 0);
}

static void what_differs_from_its_tarball_is_found(void **state)
{
	struct fixture *fixture = *state;
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	autoclose int fd = pack(fixture, "of-other", 2, false, &packed);
	autoclose int copy = copy_of(fixture, "differing", 2);
	struct digest digest;

	assert_int_equal(fchmodat(copy, "none", 0600, 0), 0);
	expect_other(fd, copy);
	assert_int_equal(fchmodat(copy, "none", 0644, 0), 0);
	put(copy, "one-more", 1, 1);
	expect_other(fd, copy);
	assert_int_equal(unlinkat(copy, "one-more", 0), 0);
	assert_int_equal(unlinkat(copy, "usr/file007", 0), 0);
	expect_other(fd, copy);
	put(copy, "usr/file007", 7 * 37, 8);
	set_time(copy, "usr/file007", EARLIER + 7);
	set_time(copy, "usr", EPOCH);
	expect_other(fd, copy);
	assert_int_equal(unlinkat(copy, "usr/file007", 0), 0);
	put(copy, "usr/file007", 7 * 37, 7);
	set_time(copy, "usr/file007", EARLIER + 7);
	struct stat st;
	assert_int_equal(fstatat(fixture->tree, "usr", &st, 0), 0);
	set_time(copy, "usr", st.st_mtim.tv_sec);
	set_time(copy, ".", st.st_mtim.tv_sec);
	assert_int_equal(check(fd, copy, NULL, &digest, NULL), 0);

	char byte = 0;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)packed.gzip_bytes), 1);
	expect_other(fd, copy);
	uint32_t last = packed.member_sizes[packed.members - 1];
	assert_int_equal(ftruncate(fd, (off_t)(packed.gzip_bytes - last)), 0);
	expect_other(fd, copy);
	assert_int_equal(tree_remove(fixture->dir, "differing", NULL), 0);
}

/* What was compared is taken over, need not be unpacked once more, and is still looked for on the disk. */
static void what_was_compared_is_taken_over(void **state)
{
	struct fixture *fixture = *state;
	AUTO(image_packed_release) struct image_packed before = IMAGE_PACKED_INIT;
	AUTO(image_packed_release) struct image_packed after = IMAGE_PACKED_INIT;
	AUTO(member_cache_freep) struct member_cache *cache = NULL;
	autoclose int fd = pack(fixture, "compared", 2, false, &before);
	autoclose int again =
		openat(fixture->dir, "compared-2", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct digest digest;

	assert_int_equal(member_cache_new(fixture->dir, &cache, NULL), 0);
	assert_int_equal(check(fd, fixture->tree, cache, &digest, NULL), 0);
	put(fixture->tree, "usr/file000a", 2000, 99);
	const struct image_pack job = {
		.tree = fixture->tree,
		.epoch = EPOCH,
		.threads = 2,
		.cache = cache,
	};
	assert_int_equal(image_pack(&job, again, "taken", &after, NULL), 0);
	assert_int_equal(unlinkat(fixture->tree, "usr/file000a", 0), 0);
	size_t unpacked = 0;
	for (size_t i = 0; i < after.members; i++)
		unpacked += after.member_unpacked[i];
	assert_true(unpacked > 10 && unpacked < after.members);
	assert_true(after.member_unpacked[after.members - 1]);
	assert_int_equal(image_verify(again, "taken", &after, 2, NULL, NULL), 0);
	size_t index = 0;
	off_t offset = 0;
	while (!after.member_unpacked[index])
		offset += after.member_sizes[index++];
	char byte;
	assert_int_equal(pread(again, &byte, 1, offset + 20), 1);
	byte ^= 1;
	assert_int_equal(pwrite(again, &byte, 1, offset + 20), 1);
	expect_damage(fixture, again, &after);
}

static void a_settled_tree_is_what_is_unpacked(void **state)
{
	struct fixture *fixture = *state;
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	autoclose int fd = pack(fixture, "of-settled", 2, false, &packed);
	autoclose int copy = copy_of(fixture, "settled", 2);
	struct digest digest;
	struct stat st;
	bool settled = true;

	/* Not with what would be missing in the tarball. */
	assert_int_equal(mknodat(copy, "socket", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(tree_settle(copy, EPOCH, &settled, NULL), 0);
	assert_false(settled);
	assert_int_equal(fstatat(copy, "usr/bin/exact", &st, 0), 0);
	assert_true(st.st_mtim.tv_sec > EPOCH);
	assert_int_equal(unlinkat(copy, "socket", 0), 0);

	assert_int_equal(tree_settle(copy, EPOCH, &settled, NULL), 0);
	assert_true(settled);
	assert_int_equal(check(fd, copy, NULL, &digest, NULL), 0);
	assert_int_equal(fstatat(copy, "usr/bin/exact", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, EPOCH);
	assert_int_equal(st.st_mtim.tv_nsec, 0);
	assert_int_equal(fstatat(copy, "none", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, EPOCH);
	assert_int_equal(fstatat(copy, "usr/file001", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, EARLIER + 1);
	assert_int_equal(st.st_mtim.tv_nsec, 0);
	assert_int_equal(fstatat(copy, ".", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, EPOCH);
	assert_int_equal(tree_remove(fixture->dir, "settled", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bytes_for_any_thread_count),
		cmocka_unit_test(single_member_has_the_same_tar),
		cmocka_unit_test(gzip_headers_tell_nothing),
		cmocka_unit_test(tar_unpacks_the_same_tree),
		cmocka_unit_test(damage_is_found),
		cmocka_unit_test(cut_at_a_member_border_is_found),
		cmocka_unit_test(a_change_moves_few_members),
		cmocka_unit_test(left_out_and_dropped),
		cmocka_unit_test(same_bytes_in_any_locale),
		cmocka_unit_test(later_times_are_clamped),
		cmocka_unit_test(a_changing_file_is_an_error),
		cmocka_unit_test(a_large_file_has_its_size),
		cmocka_unit_test(no_space),
		cmocka_unit_test(members_are_taken_over),
		cmocka_unit_test(a_growing_tree_is_followed),
		cmocka_unit_test(a_member_is_what_was_kept),
		cmocka_unit_test(a_cut_member_is_not_continued),
		cmocka_unit_test(a_copy_is_the_same_tree),
		cmocka_unit_test(a_copy_that_fails_says_where),
		cmocka_unit_test(what_differs_from_its_tarball_is_found),
		cmocka_unit_test(what_was_compared_is_taken_over),
		cmocka_unit_test(a_settled_tree_is_what_is_unpacked),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
