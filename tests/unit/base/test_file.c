#include "tests/unit/base/scratch.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>

static void test_dir_open(void **state)
{
	struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct stat st;

	assert_int_equal(dir_open(scratch->dir, "a/b/c", false, 0, &err), -1);
	assert_non_null(strstr(err.message, "a/b/c"));
	autoclose int made = dir_open(scratch->dir, "a/b/c", true, 0700, &err);
	autoclose int again = dir_open(scratch->dir, "a/b/c/", true, 0755, &err);
	assert_true(made >= 0 && again >= 0);
	assert_int_equal(fcntl(made, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(again, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	put_file(made, "file", "");
	assert_int_equal(dir_open(scratch->dir, "a/b/c/file", true, 0755, &err), -1);
	assert_int_equal(dir_open(scratch->dir, "a/b/c/file/x", true, 0755, &err), -1);
	assert_non_null(strstr(err.message, "Not a directory"));
}

/* ---- open_in_root() -------------------------------------------------------------------------- */

/* root/ is the root, secret lies beside it. */
static int make_root(const struct scratch *scratch)
{
	assert_int_equal(mkdirat(scratch->dir, "root", 0755), 0);
	int root = openat(scratch->dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(scratch->dir, "secret", "outside");
	put_file(root, "secret", "inside");
	assert_int_equal(mkdirat(root, "sub", 0755), 0);
	return root;
}

static void assert_inside(int root, const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autoclose int fd = open_in_root(root, path, O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(file_read_fd(fd, path, 100, &text, NULL), 0);
	assert_string_equal(text.text, "inside");
}

static void test_nothing_leads_out(void **state)
{
	struct scratch *scratch = *state;
	autoclose int root = make_root(scratch);
	autofree char *absolute = xasprintf("%s/secret", scratch->path);

	assert_int_equal(symlinkat("/secret", root, "absolute"), 0);
	assert_int_equal(symlinkat("../../../../../secret", root, "sub/up"), 0);
	assert_int_equal(symlinkat(absolute, root, "host"), 0);
	assert_int_equal(symlinkat("/proc/self/root", root, "magic"), 0);
	assert_inside(root, "secret");
	assert_inside(root, "/secret");
	assert_inside(root, "../secret");
	assert_inside(root, "sub/../../../secret");
	assert_inside(root, "absolute");
	assert_inside(root, "sub/up");
	struct stat top, st;
	autoclose int up = open_in_root(root, "sub/../..", O_PATH, 0);
	assert_true(fstat(root, &top) == 0 && fstat(up, &st) == 0);
	assert_int_equal(st.st_ino, top.st_ino);
	assert_int_equal(symlinkat("/etc", root, "its-etc"), 0);
	assert_int_equal(open_in_root(root, "its-etc/passwd", O_RDONLY, 0), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(open_in_root(root, "host", O_RDONLY, 0), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(open_in_root(root, "magic/etc", O_RDONLY, 0), -1);
	assert_int_equal(open_in_root(root, "absolute", O_RDONLY | O_NOFOLLOW, 0), -1);
	assert_int_equal(errno, ELOOP);
}

static void test_magic_links(void **state)
{
	(void)state;
	autoclose int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(open_in_root(proc, "self/root", O_RDONLY, 0), -1);
	assert_int_equal(errno, ELOOP);
	autoclose int status = open_in_root(proc, "self/status", O_RDONLY, 0);
	assert_true(status >= 0);
}

/* openat2() refuses a mode without O_CREAT, and O_TMPFILE has the bit of O_DIRECTORY. */
static void test_modes(void **state)
{
	struct scratch *scratch = *state;
	autoclose int root = make_root(scratch);
	struct stat st;

	autoclose int dir = open_in_root(root, "sub", O_RDONLY | O_DIRECTORY, 0755);
	autoclose int made = open_in_root(root, "sub/new", O_WRONLY | O_CREAT | O_EXCL, 0640);
	autoclose int unnamed = open_in_root(root, "sub", O_WRONLY | O_TMPFILE, 0600);
	assert_true(dir >= 0 && made >= 0 && unnamed >= 0);
	assert_int_equal(fstat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(open_in_root(root, "sub/new", O_WRONLY | O_CREAT | O_EXCL, 0640), -1);
	assert_int_equal(errno, EEXIST);
}

/* Moves sub/in out of sub and back, so that ".." of it is another folder each time. */
static int rename_for_ever(void *data)
{
	int root = *(int *)data;
	for (;;) {
		renameat(root, "sub/in", root, "in");
		renameat(root, "in", root, "sub/in");
	}
	return 0;
}

static void test_renames_meanwhile(void **state)
{
	struct scratch *scratch = *state;
	autoclose int root = make_root(scratch);
	unsigned opened = 0;

	assert_int_equal(mkdirat(root, "sub/in", 0755), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(rename_for_ever(&root));
	/* On a busy machine the other one may be at its turn for a long time. */
	for (unsigned i = 0; i < 3000 || (!opened && i < 3000000); i++) {
		autoclose int fd = open_in_root(root, "sub/in/../../secret", O_RDONLY, 0);
		char text[16] = "";
		if (fd < 0)
			continue; /* not there at that moment */
		opened++;
		assert_int_equal(read(fd, text, sizeof(text)), 6);
		assert_string_equal(text, "inside");
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(opened > 0);
}

/* ---- reading and writing ---------------------------------------------------------------------------- */

static void test_read(void **state)
{
	struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	put_file(scratch->dir, "ten", "0123456789");
	strbuf_adds(&text, "before:");
	assert_int_equal(file_read(scratch->dir, "ten", 10, &text, &err), 0);
	assert_string_equal(text.text, "before:0123456789");
	assert_int_equal(text.length, 17);
	assert_int_equal(file_read(scratch->dir, "ten", SIZE_MAX, &text, &err), 0);
	assert_int_equal(text.length, 27);
	assert_int_equal(file_read(scratch->dir, "ten", 9, &text, &err), -1);
	assert_non_null(strstr(err.message, "ten: it is larger than 9 bytes"));
	assert_string_equal(err.subject, "ten");
	assert_int_equal(file_read(scratch->dir, "none", 9, &text, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_FILE);
	assert_int_equal(file_read(scratch->dir, ".", 9, &text, &err), -1);
	assert_int_equal(err.kind, ERROR_SYSTEM);
	put_file(scratch->dir, "empty", "");
	strbuf_truncate(&text, 0);
	assert_int_equal(file_read(scratch->dir, "empty", 0, &text, &err), 0);
	assert_int_equal(text.length, 0);
}

/* Files of /proc say that they are empty; a file may grow while it is read. */
static void test_read_unknown_size(void **state)
{
	(void)state;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	int fds[2];
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", 1 << 20, &text, NULL), 0);
	assert_non_null(strstr(text.text, "Pid:"));

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		for (unsigned i = 0; i < 200; i++)
			if (write(fds[1], text.text, 500) != 500)
				_exit(1);
		_exit(0);
	}
	close(fds[1]);
	AUTO(strbuf_release) struct strbuf piped = STRBUF_INIT;
	assert_int_equal(file_read_fd(fds[0], "pipe", 100000, &piped, &err), 0);
	assert_int_equal(piped.length, 100000);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(fds[0]);
}

static int take_slowly(void *data)
{
	int fd = *(int *)data;
	char bytes[3000];
	size_t total = 0;
	for (ssize_t got; (got = read(fd, bytes, sizeof(bytes))) > 0;)
		total += (size_t)got;
	return total == 1 << 20 ? 0 : 1;
}

static void test_write_all(void **state)
{
	(void)state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree char *data = xcalloc(1, 1 << 20);
	int fds[2], status;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[1]);
		_exit(take_slowly(&fds[0]));
	}
	close(fds[0]);
	assert_int_equal(write_all(fds[1], data, 1 << 20, "pipe", &err), 0);
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_exit(status, 0);

	autoclose int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write_all(full, data, 10, "it", &err), -1);
	assert_int_equal(err.kind, ERROR_NO_SPACE);
	assert_non_null(err.hint);
}

static unsigned count_entries(int dirfd)
{
	unsigned count = 0;
	autoclosedir DIR *dir = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	return count;
}

static void test_write_atomic(void **state)
{
	struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct stat st;
	mode_t mask = umask(077);

	assert_int_equal(file_write_atomic(scratch->dir, "f", 0644, "one", 3, &err), 0);
	assert_int_equal(file_write_atomic(scratch->dir, "f", 0444, "two", 3, &err), 0);
	umask(mask);
	assert_content(scratch->dir, "f", "two");
	assert_int_equal(fstatat(scratch->dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0444);

	/* A link is replaced, and not written through. */
	put_file(scratch->dir, "other", "mine");
	assert_int_equal(symlinkat("other", scratch->dir, "link"), 0);
	assert_int_equal(file_write_atomic(scratch->dir, "link", 0644, "new", 3, &err), 0);
	assert_content(scratch->dir, "other", "mine");
	assert_content(scratch->dir, "link", "new");

	assert_int_equal(mkdirat(scratch->dir, "folder", 0755), 0);
	assert_int_equal(file_write_atomic(scratch->dir, "folder", 0644, "x", 1, &err), -1);
	assert_int_equal(file_write_atomic(scratch->dir, "no/where", 0644, "x", 1, &err), -1);
	assert_non_null(strstr(err.message, "no/where"));
	assert_int_equal(count_entries(scratch->dir), 4);
}

static int write_beyond_limit(void *data)
{
	const struct scratch *scratch = data;
	struct rlimit limit = { .rlim_cur = 1000, .rlim_max = 1000 };
	AUTO(error_clear) struct error err = ERROR_INIT;
	char bytes[4000] = "";

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	return file_write_atomic(scratch->dir, "f", 0644, bytes, sizeof(bytes), &err) < 0 &&
			       err.message && strstr(err.message, "File too large")
		       ? 0
		       : 1;
}

static void test_failed_write_changes_nothing(void **state)
{
	struct scratch *scratch = *state;
	put_file(scratch->dir, "f", "old");
	assert_exit(in_child(write_beyond_limit, scratch), 0);
	assert_content(scratch->dir, "f", "old");
	assert_int_equal(count_entries(scratch->dir), 1);
}

static int rewrite_for_ever(void *data)
{
	const struct scratch *scratch = data;
	char bytes[20000];
	for (unsigned i = 0;; i++) {
		memset(bytes, 'a' + (int)(i % 26), sizeof(bytes));
		if (file_write_atomic(scratch->dir, "f", 0644, bytes, sizeof(bytes), NULL) < 0)
			return 1;
	}
}

static void test_readers_see_whole_files(void **state)
{
	struct scratch *scratch = *state;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	assert_int_equal(file_write_atomic(scratch->dir, "f", 0644, "", 0, NULL), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(rewrite_for_ever(scratch));
	for (unsigned i = 0; i < 1000; i++) {
		strbuf_truncate(&text, 0);
		assert_int_equal(file_read(scratch->dir, "f", 1 << 20, &text, NULL), 0);
		assert_true(text.length == 0 || text.length == 20000);
		assert_true(text.length == 0 || text.text[0] == text.text[19999]);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- removing trees ------------------------------------------------------------------------------------ */

static void make_socket(const struct scratch *scratch, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", scratch->path, name);
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void test_remove_kinds(void **state)
{
	struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	int dir = scratch->dir;

	assert_int_equal(mkdirat(dir, "keep", 0755), 0);
	put_file(dir, "keep/file", "kept");
	assert_int_equal(mkdirat(dir, "t", 0755), 0);
	assert_int_equal(mkdirat(dir, "t/closed", 0755), 0);
	put_file(dir, "t/closed/file", "");
	assert_int_equal(fchmodat(dir, "t/closed", 0, 0), 0);
	assert_int_equal(symlinkat("../keep", dir, "t/link"), 0);
	assert_int_equal(symlinkat("nowhere", dir, "t/dangling"), 0);
	assert_int_equal(linkat(dir, "keep/file", dir, "t/hard", 0), 0);
	assert_int_equal(mkfifoat(dir, "t/fifo", 0600), 0);
	make_socket(scratch, "t/socket");
	put_file(dir, "t/new\nline \xff", "");

	assert_int_equal(tree_remove(dir, "t", &err), 0);
	assert_false(exists(dir, "t"));
	assert_content(dir, "keep/file", "kept");
	assert_int_equal(tree_remove(dir, "t", &err), 0); /* it is not there */
	assert_int_equal(tree_remove(dir, "t/x", &err), 0);

	assert_int_equal(symlinkat("keep", dir, "link"), 0);
	assert_int_equal(tree_remove(dir, "link", &err), 0);
	assert_content(dir, "keep/file", "kept");
	assert_int_equal(tree_remove(dir, "keep/file", &err), 0);
	assert_false(exists(dir, "keep/file"));
	assert_null(err.message);
}

static void test_remove_refuses(void **state)
{
	struct scratch *scratch = *state;
	static const char *const names[] = { "", ".", "..", "keep/..", "keep/." };
	assert_int_equal(mkdirat(scratch->dir, "keep", 0755), 0);
	put_file(scratch->dir, "keep/file", "kept");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		assert_int_equal(tree_remove(scratch->dir, names[i], &err), -1);
		assert_non_null(err.message);
	}
	assert_content(scratch->dir, "keep/file", "kept");
}

/* Deeper than there are descriptors, and than a path is long. */
static void test_remove_deep(void **state)
{
	struct scratch *scratch = *state;
	enum { DEPTH = 3000 };
	int fd = dup(scratch->dir);

	for (unsigned i = 0; i < DEPTH; i++) {
		assert_int_equal(mkdirat(fd, "deep", 0755), 0);
		if (i % 100 == 0)
			put_file(fd, ".deep-0", "a name that removing would like to have");
		int next = openat(fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(tree_remove(scratch->dir, "deep", NULL), 0);
	assert_false(exists(scratch->dir, "deep"));
}

static void test_remove_wide(void **state)
{
	struct scratch *scratch = *state;
	assert_int_equal(mkdirat(scratch->dir, "t", 0755), 0);
	for (unsigned i = 0; i < 3000; i++) {
		autofree char *name = xasprintf("t/%u", i);
		assert_int_equal(i % 2 ? mkdirat(scratch->dir, name, 0)
				       : symlinkat("x", scratch->dir, name),
				 0);
	}
	assert_int_equal(tree_remove(scratch->dir, "t", NULL), 0);
	assert_false(exists(scratch->dir, "t"));
}

/* A bind mount has the device number of the tree itself. */
static int remove_with_mount(void *data)
{
	const struct scratch *scratch = data;
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree char *keep = xasprintf("%s/keep", scratch->path);
	autofree char *there = xasprintf("%s/t/mnt", scratch->path);

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(keep, there, NULL, MS_BIND, NULL) < 0)
		return 2;
	if (tree_remove(scratch->dir, "t", &err) == 0 || !strstr(err.message, "t/mnt") ||
	    !strstr(err.message, "mounted") || !err.hint)
		return 3;
	if (tree_remove(AT_FDCWD, there, &err) == 0 || !strstr(err.message, "mounted"))
		return 4;
	if (!exists(scratch->dir, "keep/file"))
		return 5;
	umount2(there, MNT_DETACH);
	return tree_remove(scratch->dir, "t", &err) < 0 ? 6 : 0;
}

static void test_remove_enters_no_mount(void **state)
{
	struct scratch *scratch = *state;
	assert_int_equal(mkdirat(scratch->dir, "keep", 0755), 0);
	put_file(scratch->dir, "keep/file", "kept");
	assert_int_equal(mkdirat(scratch->dir, "t", 0755), 0);
	assert_int_equal(mkdirat(scratch->dir, "t/mnt", 0755), 0);
	assert_exit(in_child(remove_with_mount, scratch), 0);
	assert_false(exists(scratch->dir, "t"));
	assert_content(scratch->dir, "keep/file", "kept");
}

static int remove_as_nobody(void *data)
{
	const struct scratch *scratch = data;
	AUTO(error_clear) struct error err = ERROR_INIT;
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 2;
	return tree_remove(scratch->dir, "t", &err) < 0 && err.subject &&
			       strstr(err.message, "t/f: Permission denied")
		       ? 0
		       : 3;
}

static void test_remove_says_what_it_cannot(void **state)
{
	struct scratch *scratch = *state;
	assert_int_equal(mkdirat(scratch->dir, "t", 0755), 0);
	put_file(scratch->dir, "t/f", "");
	assert_int_equal(fchmod(scratch->dir, 0755), 0);
	assert_exit(in_child(remove_as_nobody, scratch), 0);
	assert_true(exists(scratch->dir, "t/f"));
}

/* ---- the rest ------------------------------------------------------------------------------------------- */

static void test_facts(void **state)
{
	struct scratch *scratch = *state;
	struct statvfs st;
	assert_int_equal(fstatvfs(scratch->dir, &st), 0);
	uint64_t expected = (uint64_t)st.f_bfree * st.f_frsize, free_now = space_free(scratch->dir);
	uint64_t slack = UINT64_C(1) << 30; /* others write meanwhile */
	assert_true(free_now > 0 && free_now < expected + slack && expected < free_now + slack);
	assert_int_equal(space_free(-1), 0);

	autofree char *path = fd_path(scratch->dir);
	autofree char *none = fd_path(-1);
	assert_string_equal(path, scratch->path);
	assert_string_equal(none, "descriptor -1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(test_dir_open),
		scratch_test(test_nothing_leads_out),
		cmocka_unit_test(test_magic_links),
		scratch_test(test_modes),
		scratch_test(test_renames_meanwhile),
		scratch_test(test_read),
		cmocka_unit_test(test_read_unknown_size),
		cmocka_unit_test(test_write_all),
		scratch_test(test_write_atomic),
		scratch_test(test_failed_write_changes_nothing),
		scratch_test(test_readers_see_whole_files),
		scratch_test(test_remove_kinds),
		scratch_test(test_remove_refuses),
		scratch_test(test_remove_deep),
		scratch_test(test_remove_wide),
		scratch_test(test_remove_enters_no_mount),
		scratch_test(test_remove_says_what_it_cannot),
		scratch_test(test_facts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
