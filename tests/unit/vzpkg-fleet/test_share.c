#include "tests/unit/base/scratch.h"

#include <sys/statfs.h>
#include <sys/wait.h>

#include "base/child.h"
#include "tests/unit/vzpkg-install/make_deb.h"
#include "vzpkg/fleet/share.h"
#include "vzpkg/fleet/share_deb.h"
#include "vzpkg/fleet/share_rpm.h"

enum { LIMIT = 64 << 20, BIG = 5 << 20 };

static const char *scratch;
static int scratch_dir;

static int setup(void **state)
{
	int ret = scratch_setup(state);
	scratch = ((struct scratch *)*state)->path;
	scratch_dir = ((struct scratch *)*state)->dir;
	return ret;
}

#define share_test(function) cmocka_unit_test_setup_teardown(function, setup, scratch_teardown)

static const struct member members[] = {
	{ "./", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./usr/", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./usr/hello", S_IFREG | 0755, "hello", BIG, 0, 0 },
	{ "./usr/link", S_IFLNK | 0777, "hello", 0, 0, 0 },
	{ 0 },
};

/* What the program prints. */
static void output_of(struct strbuf *output, const char *const *argv, int expected)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct child_run run = { .argv = argv, .output_max = LIMIT };
	AUTO(strbuf_release) struct strbuf errors = STRBUF_INIT;
	int status = -1;

	if (child_run(&run, output, &errors, &status, &err) < 0 || status != expected)
		fail_msg("%s: %d, %s%s", argv[0], status, err.message ?: "", errors.text);
}

static void read_whole(int fd, struct strbuf *text)
{
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(file_read_fd(fd, "file", LIMIT, text, NULL), 0);
}

static char *fd_name(int fd)
{
	return xasprintf("/proc/%d/fd/%d", (int)getpid(), fd);
}

/* ---- one .deb ---------------------------------------------------------------------------------------------------------- */

static void make_deb(const char *name, const char *filter, struct strbuf *deb)
{
	autofree char *control =
		xasprintf("Package: %s\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@b.c>\n"
			  "Description: test\n",
			  name);
	deb_make(&(struct deb){ .control = control, .data = members, .filter = filter }, deb);
}

static void reads_equal(int one, int other, const char *action)
{
	AUTO(strbuf_release) struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	autofree char *first = fd_name(one), *second = fd_name(other);

	output_of(&a, (const char *[]){ "/usr/bin/dpkg-deb", action, first, NULL }, 0);
	output_of(&b, (const char *[]){ "/usr/bin/dpkg-deb", action, second, NULL }, 0);
	assert_true(a.length > 0);
	assert_int_equal(a.length, b.length);
	assert_memory_equal(a.text, b.text, a.length);
}

static void test_deb(void **state)
{
	static const char *const filters[] = { "xz", "gzip", "zstd" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		AUTO(strbuf_release) struct strbuf deb = STRBUF_INIT, plain = STRBUF_INIT;
		bool done = false;
		make_deb("hello", filters[i], &deb);
		autoclose int from = deb_file(&deb);
		autoclose int to = memfd_create("to", MFD_CLOEXEC);
		assert_int_equal(share_deb(from, to, LIMIT, "hello", &done, NULL), 0);
		assert_true(done);
		reads_equal(from, to, "--fsys-tarfile");
		reads_equal(from, to, "--ctrl-tarfile");
		read_whole(to, &plain);
		assert_true(plain.length > BIG);
		assert_non_null(memmem(plain.text, 1000, "data.tar    ", 12));
	}
}

/* Such a one is shown as it is. */
static void stays(const struct strbuf *deb, uint64_t limit)
{
	bool done = true;
	autoclose int from = deb_file(deb);
	autoclose int to = memfd_create("to", MFD_CLOEXEC);
	assert_int_equal(share_deb(from, to, limit, "hello", &done, NULL), 0);
	assert_false(done);
}

static void test_deb_unusual(void **state)
{
	AUTO(strbuf_release) struct strbuf deb = STRBUF_INIT, plain = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf cut = STRBUF_INIT, strange = STRBUF_INIT;

	(void)state;
	make_deb("hello", NULL, &plain);
	stays(&plain, LIMIT); /* not compressed */
	make_deb("hello", "xz", &deb);
	stays(&deb, BIG); /* larger than it may be */
	for (size_t length = 0; length < deb.length; length += 97) {
		strbuf_truncate(&cut, 0);
		strbuf_add(&cut, deb.text, length);
		stays(&cut, LIMIT);
	}
	strbuf_add(&strange, deb.text, deb.length);
	*(char *)memmem(strange.text, strange.length, "control.tar", 11) = 'x';
	stays(&strange, LIMIT);
	strbuf_truncate(&strange, 0);
	strbuf_add(&strange, deb.text, deb.length);
	strange.text[strange.length - 200] ^= 1;
	stays(&strange, LIMIT);
}

/* ---- one .rpm ---------------------------------------------------------------------------------------------------------- */

/* hello.rpm */
static void make_rpm(const char *shape, const char *compression)
{
	static const char script[] = "printf '%s' \"$1\" | tests/lib/make-rpm-repo repo "
				     "\"$2/repo\" --shape $3 --sign none && "
				     "mv \"$2\"/repo/Packages/hello-1.0-1.noarch.rpm "
				     "\"$2/hello.rpm\" && rm -r \"$2/repo\"";
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT;
	autofree char *spec = xasprintf("Name: hello\nCompression: %s\nFiles:\n"
					" file /usr/hello some text\n sparse /usr/big %d\n"
					" symlink /usr/link hello\n",
					compression, BIG);
	output_of(&output,
		  (const char *[]){ "/bin/sh", "-c", script, "sh", spec, scratch, shape, NULL }, 0);
}

static void same_payload(int from, int to)
{
	AUTO(strbuf_release) struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	autofree char *first = fd_name(from), *second = fd_name(to);

	/* 1: the package does not say how large its payload is. */
	output_of(&a, (const char *[]){ "/usr/bin/rpm2cpio", first, NULL }, 1);
	output_of(&b, (const char *[]){ "/usr/bin/rpm2cpio", second, NULL }, 1);
	assert_true(a.length > BIG);
	assert_int_equal(a.length, b.length);
	assert_memory_equal(a.text, b.text, a.length);
}

/* The host's rpm takes it, told as a VE's is. */
static void can_be_installed(int package)
{
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT, text = STRBUF_INIT;
	autofree char *file = fd_name(package);
	autofree char *root = xasprintf("%s/root", scratch);

	output_of(&output,
		  (const char *[]){ "/usr/bin/rpm", "--root", root, "-U", "--nosignature",
				    "--nodigest", "--nodeps", file, NULL },
		  0);
	assert_int_equal(file_read(scratch_dir, "root/usr/hello", 100, &text, NULL), 0);
	assert_string_equal(text.text, "some text\n");
	assert_int_equal(tree_remove(scratch_dir, "root", NULL), 0);
}

static void test_rpm(void **state)
{
	static const char *const shapes[] = { "old", "modern" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		bool done = false;
		struct stat before, after;
		make_rpm(shapes[i], "gzip");
		autoclose int from = openat(scratch_dir, "hello.rpm", O_RDONLY | O_CLOEXEC);
		autoclose int to = memfd_create("to", MFD_CLOEXEC);
		assert_int_equal(share_rpm(from, to, LIMIT, "hello", &done, NULL), 0);
		assert_true(done);
		assert_int_equal(fstat(from, &before) | fstat(to, &after), 0);
		assert_true(before.st_size < BIG / 2 && after.st_size > BIG);
		same_payload(from, to);
		can_be_installed(to);
	}
}

static void rpm_stays(const char *compression, uint64_t limit, off_t length)
{
	bool done = true;
	make_rpm("modern", compression);
	autoclose int from = openat(scratch_dir, "hello.rpm", O_RDWR | O_CLOEXEC);
	autoclose int to = memfd_create("to", MFD_CLOEXEC);
	if (length)
		assert_int_equal(ftruncate(from, length), 0);
	assert_int_equal(share_rpm(from, to, limit, "hello", &done, NULL), 0);
	assert_false(done);
}

static void test_rpm_unusual(void **state)
{
	struct stat st;

	(void)state;
	rpm_stays("xz", LIMIT, 0);
	rpm_stays("zstd", LIMIT, 0);
	rpm_stays("gzip", BIG, 0);
	assert_int_equal(fstatat(scratch_dir, "hello.rpm", &st, 0), 0);
	rpm_stays("gzip", LIMIT, st.st_size - 1);
	rpm_stays("gzip", LIMIT, st.st_size / 2);
	rpm_stays("gzip", LIMIT, 500);
	rpm_stays("gzip", LIMIT, 50);
}

/* ---- the folder -------------------------------------------------------------------------------------------------------- */

enum { COUNT = 5 };

struct world {
	struct plan_package packages[COUNT];
	struct plan_repository repository;
	struct plan plan;
	struct store *store;
	int pm;
};

/* Every second one is compressed. */
static void store_package(struct world *world, size_t index)
{
	struct plan_package *package = &world->packages[index];
	AUTO(strbuf_release) struct strbuf deb = STRBUF_INIT;
	char hex[DIGEST_MAX * 2 + 1];

	*package = (struct plan_package){
		.name = xasprintf("hello%zu", index),
		.version = xstrdup("1.0"),
		.location = xstrdup("pool/hello_1.0_all.deb"),
		.installed_size = BIG,
	};
	make_deb(package->name, index % 2 ? NULL : "xz", &deb);
	package->size = deb.length;
	digest_data(DIGEST_SHA256, deb.text, deb.length, &package->digest);
	digest_hex(&package->digest, hex);
	autofree char *folder = xasprintf("pm/packages/sha256/%.2s", hex);
	autofree char *path = xasprintf("%s/%s.deb", folder, hex);
	close(dir_open(scratch_dir, folder, true, 0755, NULL));
	assert_int_equal(file_write_atomic(scratch_dir, path, 0600, deb.text, deb.length, NULL), 0);
}

static void world_make(struct world *world)
{
	memset(world, 0, sizeof(*world));
	for (size_t i = 0; i < COUNT; i++)
		store_package(world, i);
	world->plan = (struct plan){
		.repositories = &world->repository,
		.repository_count = 1,
		.packages = world->packages,
		.count = COUNT,
	};
	world->pm = dir_open(scratch_dir, "pm", true, 0755, NULL);
	assert_int_equal(store_open(world->pm, &world->store, NULL), 0);
}

static void world_release(struct world *world)
{
	store_free(world->store);
	close(world->pm);
	for (size_t i = 0; i < COUNT; i++) {
		free(world->packages[i].name);
		free(world->packages[i].version);
		free(world->packages[i].location);
	}
}

static struct share *open_share(const struct world *world, uint64_t memory_max)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct share *share = NULL;
	struct share_spec spec = {
		.store = world->store,
		.work_dir = scratch,
		.memory_max = memory_max,
		.jobs = 2,
	};
	if (share_open(&spec, &share, &err) < 0)
		fail_msg("%s", err.message);
	return share;
}

static void add(struct share *share, const struct plan *plan)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	if (share_add(share, plan, PACKAGE_DEB, NULL, &err) < 0)
		fail_msg("%s", err.message);
}

/* All of them are there, for everybody to be read, and no links. */
static void check_files(const struct share *share, const struct world *world)
{
	autoclose int dir = dir_open(AT_FDCWD, share_path(share), false, 0, NULL);
	struct stat st;

	assert_int_equal(fstat(dir, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	for (size_t i = 0; i < COUNT; i++) {
		AUTO(strbuf_release) struct strbuf name = STRBUF_INIT;
		autofree char *file = share_file(share, &world->packages[i]);
		autofree char *path = xasprintf("%s/%s", share_path(share), file);
		assert_int_equal(fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0644);
		assert_int_equal(st.st_uid | st.st_gid, 0);
		assert_int_equal(st.st_nlink, 1);
		assert_true(st.st_size > BIG);
		output_of(&name,
			  (const char *[]){ "/usr/bin/dpkg-deb", "-f", path, "Package", NULL }, 0);
		assert_int_equal(strncmp(name.text, world->packages[i].name, 6), 0);
	}
}

static void test_share(void **state)
{
	struct world world;
	struct share_counters counters;
	struct statfs fs;

	(void)state;
	umask(077);
	world_make(&world);
	AUTO(share_freep) struct share *share = open_share(&world, 0);
	struct plan first = world.plan;
	first.count = 2;
	add(share, &first);
	share_count(share, &counters);
	assert_int_equal(counters.packages, 2);
	assert_int_equal(counters.decompressions, 1);
	add(share, &world.plan);
	add(share, &world.plan);
	share_count(share, &counters);
	assert_int_equal(counters.packages, COUNT);
	assert_int_equal(counters.decompressions, 3);
	assert_true(counters.in_memory);
	assert_true(counters.bytes > COUNT * (uint64_t)BIG);
	check_files(share, &world);
	assert_int_equal(statfs(share_path(share), &fs), 0);
	assert_int_equal(fs.f_type, 0x01021994); /* tmpfs(5) */
	autofree char *path = xstrdup(share_path(share));
	share_freep(&share);
	assert_int_equal(access(path, F_OK), -1);
	world_release(&world);
}

/* What does not fit into memory is on the disk, with what is there already. */
static void test_disk(void **state)
{
	struct world world;
	struct share_counters counters;

	(void)state;
	world_make(&world);
	AUTO(share_freep) struct share *share = open_share(&world, 2 * BIG + (1 << 20));
	struct plan first = world.plan;
	first.count = 2;
	add(share, &first);
	autofree char *before = xstrdup(share_path(share));
	add(share, &world.plan);
	share_count(share, &counters);
	assert_false(counters.in_memory);
	assert_int_equal(counters.packages, COUNT);
	assert_string_not_equal(before, share_path(share));
	check_files(share, &world);
	/* Who was shown the other one still reads it. */
	autofree char *file = share_file(share, &world.packages[0]);
	autofree char *path = xasprintf("%s/%s", before, file);
	assert_int_equal(access(path, R_OK), 0);
	share_freep(&share);
	assert_int_equal(access(before, F_OK), -1);
	world_release(&world);
}

/* Damaged in the store: nobody gets it. */
static void test_damaged(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct world world;

	(void)state;
	world_make(&world);
	char hex[DIGEST_MAX * 2 + 1];
	digest_hex(&world.packages[3].digest, hex);
	autofree char *path = xasprintf("pm/packages/sha256/%.2s/%s.deb", hex, hex);
	autoclose int fd = openat(scratch_dir, path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 5000), 1);
	AUTO(share_freep) struct share *share = open_share(&world, 0);
	assert_int_equal(share_add(share, &world.plan, PACKAGE_DEB, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_TRUST);
	assert_string_equal(err.subject, "hello3");
	autofree char *file = share_file(share, &world.packages[3]);
	autofree char *shown = xasprintf("%s/%s", share_path(share), file);
	assert_int_equal(access(shown, F_OK), -1);
	world_release(&world);
}

/* The host does not see it, and nothing is left of it when we are killed. */
static void test_killed(void **state)
{
	struct world world;
	int fds[2];
	char c;

	(void)state;
	world_make(&world);
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct share *share = open_share(&world, 0);
		add(share, &world.plan);
		_exit(write(fds[1], "x", 1) == 1 ? pause() : 1);
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	autofree char *path = xasprintf("%s/share", scratch);
	autofree char *pattern = xasprintf(" %s ", path);
	AUTO(strbuf_release) struct strbuf mounts = STRBUF_INIT, theirs = STRBUF_INIT;
	autofree char *child_mounts = xasprintf("/proc/%d/mounts", (int)pid);
	assert_int_equal(file_read(AT_FDCWD, child_mounts, 1 << 20, &theirs, NULL), 0);
	assert_non_null(strstr(theirs.text, pattern));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/mounts", 1 << 20, &mounts, NULL), 0);
	assert_null(strstr(mounts.text, pattern));
	assert_int_equal(rmdir(path), 0);
	close(fds[0]);
	close(fds[1]);
	world_release(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		share_test(test_deb),         share_test(test_deb_unusual), share_test(test_rpm),
		share_test(test_rpm_unusual), share_test(test_killed),      share_test(test_share),
		share_test(test_disk),        share_test(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
