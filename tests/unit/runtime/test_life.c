/* Starting and ending: nothing is left, however it ends; and what is refused is said in words. */
#include "fixture.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>

static struct fixture fixture;

static int setup(void **state)
{
	(void)state;
	fixture_setup(&fixture);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_release(&fixture);
	return 0;
}

static unsigned blocks(void)
{
	autofree char *path = xasprintf("%s/ids", fixture.lock_dir);
	return fixture_entries(path);
}

static unsigned descriptors(void)
{
	return fixture_entries("/proc/self/fd");
}

static unsigned host_mounts(void)
{
	unsigned count = 0;
	autofclose FILE *file = fopen("/proc/self/mountinfo", "r");
	for (int c; (c = getc(file)) != EOF;)
		count += c == '\n';
	return count;
}

static double now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void hundred_leave_nothing(void **state)
{
	(void)state;
	enum { COUNT = 100 };
	struct ve_spec spec = fixture_spec(&fixture);
	ve_free(fixture_start(&spec));
	unsigned groups = fixture_groups(), fds = descriptors(), mounts = host_mounts();
	double begun = now_ms();
	for (int i = 0; i < COUNT; i++) {
		struct ve *ve = fixture_start(&spec);
		ve_free(ve);
	}
	printf("%.2f ms a start and stop\n", (now_ms() - begun) / COUNT);
	assert_int_equal(fixture_groups(), groups);
	assert_int_equal(descriptors(), fds);
	assert_int_equal(host_mounts(), mounts);
	assert_int_equal(blocks(), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child */
	/* The folders that it mounts on stay, those of the binds do not. */
	assert_int_equal(faccessat(fixture.tree, "usr", F_OK, 0), -1);
	assert_int_equal(faccessat(fixture.tree, "proc", F_OK, 0), 0);
}

static unsigned first_id(struct ve *ve)
{
	autofree char *map = fixture_shell(ve, "cat /proc/self/uid_map", NULL);
	unsigned inside, outside, count;
	assert_int_equal(sscanf(map, "%u %u %u", &inside, &outside, &count), 3);
	assert_int_equal(inside, 0);
	assert_int_equal(count, 65536);
	return outside;
}

static void two_have_their_own_ids(void **state)
{
	(void)state;
	struct ve_spec spec = fixture_spec(&fixture);
	struct fixture other_fixture;
	struct ve *a = fixture_start(&spec);
	fixture_setup(&other_fixture);
	struct ve_spec other_spec = fixture_spec(&other_fixture);
	other_spec.lock_dir = fixture.lock_dir;
	struct ve *b = fixture_start(&other_spec);
	unsigned first = first_id(a), second = first_id(b);
	assert_true(first >= 65536 && second >= 65536);
	assert_true(first % 65536 == 0 && second % 65536 == 0);
	assert_true(first != second);
	assert_int_equal(blocks(), 4); /* a lock and a record each */
	free(fixture_shell(a, "echo a >/tmp/own; sleep 600 & :", NULL));
	autofree char *other = fixture_shell(b, "cat /tmp/own 2>&1; cat /proc/[0-9]*/comm", NULL);
	assert_null(strstr(other, "sleep"));
	assert_non_null(strstr(other, "No such file"));
	ve_free(a);
	autofree char *after = fixture_shell(b, "echo still", NULL);
	assert_string_equal(after, "still\n");
	ve_free(b);
	assert_int_equal(blocks(), 0);
	fixture_release(&other_fixture);
}

/* A bind is read-only unless it is said to be writable, and what was there stays. */
static void binds(void **state)
{
	(void)state;
	autofree char *shown = xasprintf("%s/shown", fixture.dir);
	autofree char *policy = xasprintf("%s/policy", fixture.dir);
	assert_int_equal(mkdir(shown, 0755), 0);
	autoclose int file = open(policy, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_int_equal(write(file, "#!/bin/sh\nexit 101\n", 19), 19);
	close(steal_fd(&file));
	struct ve_bind list[] = {
		fixture.binds[0],
		{ shown, "/a/new/place", true },
		{ shown, "/etc", false },
		{ policy, "/opt/sbin/policy-rc.d", false },
	};
	struct ve_spec spec = fixture_spec(&fixture);
	struct stat st;
	int status;
	assert_int_equal(mkdirat(fixture.tree, "etc", 0755), 0);
	assert_int_equal(mkdirat(fixture.tree, "opt", 0755), 0);
	spec.binds = list;
	spec.bind_count = 4;
	struct ve *ve = fixture_start(&spec);
	free(fixture_shell(ve,
			   "set -e; echo x >/a/new/place/f; chown 7:7 /a/new/place/f; cat /etc/f",
			   &status));
	assert_int_equal(status, 0);
	free(fixture_shell(ve, "echo y >/etc/g", &status));
	assert_int_not_equal(status, 0);
	free(fixture_shell(ve, "/opt/sbin/policy-rc.d", &status));
	assert_int_equal(WEXITSTATUS(status), 101);
	ve_free(ve);
	autofree char *made = xasprintf("%s/f", shown);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(faccessat(fixture.tree, "a", F_OK, 0), -1);
	assert_int_equal(faccessat(fixture.tree, "opt/sbin", F_OK, 0), -1);
	assert_int_equal(faccessat(fixture.tree, "etc", F_OK, 0), 0);
	assert_int_equal(faccessat(fixture.tree, "opt", F_OK, 0), 0);
}

/* A tree whose folders are links to places of the host must not get us there. */
static void links_in_the_tree(void **state)
{
	(void)state;
	autofree char *outside = xasprintf("%s/outside", fixture.dir);
	autofree char *policy = xasprintf("%s/policy", fixture.dir);
	assert_int_equal(mkdir(outside, 0755), 0);
	close(open(policy, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
	assert_int_equal(symlinkat(outside, fixture.tree, "sneaky"), 0);
	struct ve_bind list[] = { fixture.binds[0], { policy, "/sneaky/file", false } };
	struct ve_spec spec = fixture_spec(&fixture);
	struct error err = ERROR_INIT;
	struct ve *ve = NULL;
	spec.binds = list;
	spec.bind_count = 2;
	assert_int_equal(ve_start(&spec, &ve, &err), -1);
	error_clear(&err);
	assert_int_equal(fixture_entries(outside), 0);
	assert_int_equal(blocks(), 0);
}

static void limits_hold(void **state)
{
	(void)state;
	struct ve_spec spec = fixture_spec(&fixture);
	int status;
	spec.memory_max = 64 << 20;
	spec.pids_max = 20;
	struct ve *ve = fixture_start(&spec);
	free(fixture_shell(ve, "perl -e '$x = \"x\" x (200 << 20); print length $x'", &status));
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
	free(fixture_shell(ve, "perl -e '$x = \"x\" x (10 << 20); print length $x'", &status));
	assert_int_equal(status, 0);
	autofree char *forks = fixture_shell(ve,
					     "perl -e 'for (1..40) { $p = fork; sleep 9, exit if "
					     "defined $p && !$p; $n++ if $p } print $n'",
					     NULL);
	assert_true(strtoul(forks, NULL, 10) > 5 && strtoul(forks, NULL, 10) < 20);
	ve_free(ve);
}

/* ---- the caller dies -------------------------------------------------------------------------- */

/* A caller with a VE in which something runs that knows no signal; tells when it is up. */
static pid_t start_caller(void)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		struct ve_spec spec = fixture_spec(&fixture);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		struct ve *ve = fixture_start(&spec);
		free(fixture_shell(ve,
				   "echo $$; trap '' HUP TERM INT; setsid sleep 4711 & :", NULL));
		(void)!write(ready[1], "!", 1);
		const char *const argv[] = { "sleep", "4711", NULL };
		struct ve_command command = { .argv = argv, .script = -1, .input = -1 };
		struct ve_result result;
		ve_run(ve, &command, &result, NULL);
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

/* Processes of the host's view with that command line. */
static unsigned sleepers(void)
{
	unsigned count = 0;
	autoclosedir DIR *dir = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(dir));) {
		autofree char *path = xasprintf("/proc/%s/cmdline", entry->d_name);
		autofclose FILE *file = fopen(path, "r");
		char text[16] = "";
		if (file && fread(text, 1, 10, file) == 10)
			count += !memcmp(text,
					 "sleep\0"
					 "4711",
					 10);
	}
	return count;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

/* A process that has no program any more may still be closing its files, locks among them. */
static unsigned sweep_all(void)
{
	unsigned swept = 0;
	for (int i = 0; i < 300 && blocks(); i++) {
		swept += ve_sweep(fixture.lock_dir);
		nap();
	}
	return swept;
}

static void killed_caller_leaves_no_process(void **state)
{
	(void)state;
	unsigned before = fixture_groups();
	pid_t caller = start_caller();
	for (int i = 0; i < 300 && sleepers() < 2; i++)
		nap();
	assert_int_equal(sleepers(), 2);
	assert_int_equal(ve_sweep(fixture.lock_dir), 0); /* it is in use */
	assert_int_equal(kill(caller, SIGKILL), 0);
	assert_int_equal(waitpid(caller, NULL, 0), caller);
	for (int i = 0; i < 300 && sleepers(); i++)
		nap();
	assert_int_equal(sleepers(), 0);
	/* What is not a process is found by the next run. */
	assert_true(fixture_groups() > before);
	assert_int_equal(sweep_all(), 1);
	assert_int_equal(fixture_groups(), before);
	assert_int_equal(blocks(), 0);
	assert_int_equal(ve_sweep(fixture.lock_dir), 0);
}

/* Processes that run this program or the init program of this build. */
static unsigned ours(void)
{
	unsigned count = 0;
	autofree char *self = fixture_self(), *init = realpath(fixture.init, NULL);
	autoclosedir DIR *dir = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(dir));) {
		autofree char *path = xasprintf("/proc/%s/exe", entry->d_name);
		char target[PATH_MAX];
		ssize_t length = readlink(path, target, sizeof(target) - 1);
		if (*entry->d_name < '1' || *entry->d_name > '9' || length <= 0)
			continue;
		target[length] = 0;
		count += !strcmp(target, self) || !strcmp(target, init);
	}
	return count;
}

/* Also in the midst of starting and ending. */
static void killed_at_any_moment(void **state)
{
	(void)state;
	enum { TIMES = 40, STEP_NS = 250000 };
	unsigned before = fixture_groups();
	assert_int_equal(ours(), 1);
	for (int i = 0; i < TIMES; i++) {
		pid_t child = fork();
		if (child == 0) {
			struct ve_spec spec = fixture_spec(&fixture);
			for (;;) {
				struct ve *ve = NULL;
				if (ve_start(&spec, &ve, NULL) == 0)
					ve_free(ve);
			}
		}
		nanosleep(&(struct timespec){ .tv_nsec = (long)i * STEP_NS }, NULL);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
	}
	for (int i = 0; i < 300 && ours() > 1; i++)
		nap();
	assert_int_equal(ours(), 1);
	sweep_all();
	assert_int_equal(fixture_groups(), before);
	assert_int_equal(blocks(), 0);
	struct ve_spec spec = fixture_spec(&fixture);
	ve_free(fixture_start(&spec));
}

/* ---- what is refused -------------------------------------------------------------------------- */

static void expect_failure(const struct ve_spec *spec, enum error_kind kind, const char *word)
{
	struct error err = ERROR_INIT;
	struct ve *ve = NULL;
	unsigned groups = fixture_groups(), fds = descriptors();
	assert_int_equal(ve_start(spec, &ve, &err), -1);
	assert_int_equal(err.kind, kind);
	if (!strstr(err.message, word) && !(err.hint && strstr(err.hint, word)))
		fail_msg("\"%s\" is not in: %s (%s)", word, err.message, err.hint);
	error_clear(&err);
	assert_int_equal(fixture_groups(), groups);
	assert_int_equal(descriptors(), fds);
	assert_int_equal(blocks(), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void refusals(void **state)
{
	(void)state;
	struct ve_spec spec = fixture_spec(&fixture);
	/* proc cannot have its ids mapped, and nothing else does instead. */
	autoclose int proc = open("/proc/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	spec.tree = proc;
	expect_failure(&spec, ERROR_CONTAINER, "ext4");

	spec = fixture_spec(&fixture);
	spec.init = "/no/init";
	expect_failure(&spec, ERROR_SYSTEM, "/no/init");
	spec.init = "/etc/passwd"; /* no program: found out by the VE's first process */
	expect_failure(&spec, ERROR_SYSTEM, "init program");

	spec = fixture_spec(&fixture);
	struct ve_bind missing = { "/no/source", "/x", false };
	spec.binds = &missing;
	spec.bind_count = 1;
	expect_failure(&spec, ERROR_SYSTEM, "/no/source");
}

static void not_root(void **state)
{
	(void)state;
	int status;
	pid_t child = fork();
	if (child == 0) {
		struct ve_spec spec = fixture_spec(&fixture);
		struct error err = ERROR_INIT;
		struct ve *ve = NULL;
		if (setuid(65534) < 0)
			_exit(2);
		_exit(ve_start(&spec, &ve, &err) == -1 && err.kind == ERROR_NOT_ROOT ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(hundred_leave_nothing),
		TEST(two_have_their_own_ids),
		TEST(binds),
		TEST(links_in_the_tree),
		TEST(limits_hold),
		TEST(killed_caller_leaves_no_process),
		TEST(killed_at_any_moment),
		TEST(refusals),
		TEST(not_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
