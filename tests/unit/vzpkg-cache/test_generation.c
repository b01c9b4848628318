#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/cache/generation.h"

static const char name[] = "debian-12-x86_64";

/* Generation K has "K" for a tarball, for a checksum and in its manifest. */
static int publish(const char *template_dir, unsigned k, unsigned keep, struct error *err)
{
	struct generation_draft draft = GENERATION_DRAFT_INIT;
	autofree char *text = xasprintf("%u", k);
	json_t *manifest = json_pack("{s:i}", "k", (int)k);

	int ret = generation_begin(&draft, template_dir, name, err);
	if (ret == 0)
		ret = write_all(draft.fd, text, strlen(text), "tarball", err);
	if (ret == 0)
		ret = generation_publish(&draft, manifest, text, keep, err);
	generation_abandon(&draft);
	json_decref(manifest);
	return ret;
}

static void must_publish(const char *template_dir, unsigned k, unsigned keep)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	if (publish(template_dir, k, keep, &err) < 0)
		fail_msg("%s", err.message);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *path = xasprintf("%s/generation.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(path));
	*state = path;
	return 0;
}

static int teardown(void **state)
{
	tree_remove(AT_FDCWD, *state, NULL);
	free(*state);
	return 0;
}

/* ---- looking --------------------------------------------------------------------------------- */

/* cache/`below`, or NULL; to be freed. */
static char *content(const char *template_dir, const char *below)
{
	autofree char *path = xasprintf("%s/cache/%s", template_dir, below);
	struct strbuf text = STRBUF_INIT;
	if (file_read(AT_FDCWD, path, 1 << 20, &text, NULL) < 0)
		return NULL;
	return strbuf_detach(&text);
}

/* The generation that users see; 0 if there is no tarball. */
static unsigned visible(const char *template_dir)
{
	autofree char *text = content(template_dir, "debian-12-x86_64.tar.gz");
	if (!text)
		return 0;
	unsigned k = (unsigned)strtoul(text, NULL, 10);
	assert_true(k > 0);
	return k;
}

static void strvec_list(const char *path, struct strvec *names)
{
	autoclosedir DIR *dir = opendir(path);
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			strvec_push(names, entry->d_name);
	strvec_sort(names);
}

/* What is in cache/`below`, as "a b c". */
static char *list(const char *template_dir, const char *below)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	struct strbuf text = STRBUF_INIT;
	autofree char *path = xasprintf("%s/cache/%s", template_dir, below);

	strvec_list(path, &names);
	for (size_t i = 0; i < names.count; i++)
		strbuf_addf(&text, "%s%s", i ? " " : "", names.items[i]);
	return strbuf_detach(&text);
}

static void assert_list(const char *template_dir, const char *below, const char *expected)
{
	autofree char *names = list(template_dir, below);
	assert_string_equal(names, expected);
}

/* Everything that a user can see is of one generation, and nothing else is there. Returns it. */
static unsigned assert_consistent(const char *template_dir)
{
	unsigned k = visible(template_dir);
	if (!k) {
		assert_list(template_dir, "", "");
		return 0;
	}
	assert_list(template_dir, "",
		    ".generations debian-12-x86_64.manifest.json debian-12-x86_64.tar.gz "
		    "debian-12-x86_64.tar.gz.sha256");
	autofree char *sum = content(template_dir, "debian-12-x86_64.tar.gz.sha256");
	autofree char *wanted = xasprintf("%u  debian-12-x86_64.tar.gz\n", k);
	assert_string_equal(sum, wanted);

	json_t *manifest = NULL;
	assert_true(generation_current(template_dir, name, &manifest));
	assert_int_equal(json_integer_value(json_object_get(manifest, "k")), k);
	json_decref(manifest);
	return k;
}

/* ---- the ordinary ---------------------------------------------------------------------------- */

static void published(void **state)
{
	static const char *const files[] = { "debian-12-x86_64.tar.gz",
					     "debian-12-x86_64.manifest.json",
					     "debian-12-x86_64.tar.gz.sha256" };

	assert_false(generation_current(*state, name, NULL));
	must_publish(*state, 1, 2);
	assert_int_equal(assert_consistent(*state), 1);
	assert_list(*state, ".generations/debian-12-x86_64", "1 lock");
	for (size_t i = 0; i < 3; i++) {
		struct stat st;
		autofree char *path = xasprintf("%s/cache/%s", (char *)*state, files[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0644);
		assert_int_equal(st.st_nlink, 2);
	}
}

static void as_many_as_asked_for_are_kept(void **state)
{
	for (unsigned k = 1; k <= 5; k++)
		must_publish(*state, k, 3);
	assert_int_equal(assert_consistent(*state), 5);
	assert_list(*state, ".generations/debian-12-x86_64", "3 4 5 lock");
	must_publish(*state, 6, 1);
	assert_list(*state, ".generations/debian-12-x86_64", "6 lock");
	must_publish(*state, 7, 0); /* the one that is published is always kept */
	assert_int_equal(assert_consistent(*state), 7);
	assert_list(*state, ".generations/debian-12-x86_64", "7 lock");
}

static void an_abandoned_one_leaves_nothing(void **state)
{
	for (unsigned before = 0; before < 2; before++) {
		struct generation_draft draft = GENERATION_DRAFT_INIT;
		if (before)
			must_publish(*state, 1, 2);
		assert_int_equal(generation_begin(&draft, *state, name, NULL), 0);
		assert_int_equal(write_all(draft.fd, "2", 1, "tarball", NULL), 0);
		assert_int_equal(visible(*state), before);
		generation_abandon(&draft);
		assert_int_equal(assert_consistent(*state), before);
	}
	assert_list(*state, ".generations/debian-12-x86_64", "1 lock");
}

static void removed(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	assert_int_equal(generation_remove(*state, name, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_CACHED);
	must_publish(*state, 1, 2);
	must_publish(*state, 2, 2);
	assert_int_equal(generation_remove(*state, name, NULL), 0);
	assert_int_equal(assert_consistent(*state), 0);
	assert_false(generation_current(*state, name, NULL));
}

static void put(const char *template_dir, const char *below)
{
	autofree char *path = xasprintf("%s/cache/%s", template_dir, below);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, 0644, "9", 1, NULL), 0);
}

static void names_of_all(void **state)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	assert_int_equal(generation_names(*state, &names, NULL), 0);
	assert_int_equal(names.count, 0);
	must_publish(*state, 1, 2);
	put(*state, "centos-7.tar.gz");
	put(*state, ".hidden.tar.gz");
	put(*state, "something.tar.xz");
	assert_int_equal(generation_names(*state, &names, NULL), 0);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.items[0], "centos-7");
	assert_string_equal(names.items[1], name);
}

/* Somebody's tarball under one of our names is not ours to mend, but can be removed. */
static void the_administrators_own_tarball_stays(void **state)
{
	must_publish(*state, 1, 2);
	put(*state, "debian-12-x86_64.tar.gz");
	put(*state, "centos-7.tar.gz");
	assert_int_equal(generation_repair(*state, NULL), 0);
	assert_int_equal(visible(*state), 9);
	assert_int_equal(generation_remove(*state, name, NULL), 0);
	assert_int_equal(generation_remove(*state, "centos-7", NULL), 0);
	assert_int_equal(assert_consistent(*state), 0);
}

static void a_failed_switch_publishes_nothing(void **state)
{
	struct generation_draft draft = GENERATION_DRAFT_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	json_t *manifest = json_object();

	must_publish(*state, 1, 2);
	assert_int_equal(generation_begin(&draft, *state, name, NULL), 0);
	/* The name of the temporary link is taken by a folder that cannot be replaced. */
	autofree char *taken = xasprintf("%s/cache/.debian-12-x86_64.tar.gz.new", (char *)*state);
	assert_int_equal(mkdir(taken, 0755), 0);
	assert_int_equal(generation_publish(&draft, manifest, "2", 2, &err), -1);
	assert_non_null(err.message);
	generation_abandon(&draft);
	assert_int_equal(rmdir(taken), 0);
	assert_int_equal(assert_consistent(*state), 1);
	assert_list(*state, ".generations/debian-12-x86_64", "1 lock");
	json_decref(manifest);
}

/* ---- going back, and pins -------------------------------------------------------------------- */

static void must_go_back(const char *template_dir, unsigned to, unsigned from, unsigned arrives)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	unsigned ret_from = 0, ret_to = 0;
	if (generation_rollback(template_dir, name, to, &ret_from, &ret_to, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(ret_from, from);
	assert_int_equal(ret_to, arrives);
	assert_int_equal(assert_consistent(template_dir), arrives);
}

static void newer_ones_stay_after_a_rollback(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	unsigned from, to;

	for (unsigned k = 1; k <= 4; k++)
		must_publish(*state, k, 9);
	must_go_back(*state, 0, 4, 3);
	must_go_back(*state, 0, 3, 2);
	assert_int_equal(generation_repair(*state, NULL), 0);
	assert_list(*state, ".generations/debian-12-x86_64", "1 2 3 4 lock");
	must_go_back(*state, 4, 2, 4);
	must_go_back(*state, 1, 4, 1);
	must_go_back(*state, 1, 1, 1);
	assert_int_equal(generation_rollback(*state, name, 0, &from, &to, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_CACHED);
	assert_int_equal(generation_rollback(*state, name, 7, &from, &to, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_CACHED);
	assert_int_equal(assert_consistent(*state), 1);

	/* The next one is above them all, and keeps the one that was in use. */
	must_publish(*state, 5, 3);
	assert_list(*state, ".generations/debian-12-x86_64", "1 4 5 lock");
}

static void the_highest_number_is_never_given_away(void **state)
{
	for (unsigned k = 1; k <= 3; k++)
		must_publish(*state, k, 9);
	must_go_back(*state, 1, 3, 1);
	must_publish(*state, 4, 1);
	assert_list(*state, ".generations/debian-12-x86_64", "4 lock");
}

static void a_pinned_one_is_kept(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	for (unsigned k = 1; k <= 2; k++)
		must_publish(*state, k, 2);
	assert_int_equal(generation_pin(*state, name, 1, true, NULL), 1);
	assert_int_equal(generation_pin(*state, name, 1, true, NULL), 0);
	for (unsigned k = 3; k <= 5; k++)
		must_publish(*state, k, 2);
	assert_list(*state, ".generations/debian-12-x86_64", "1 4 5 lock");
	assert_int_equal(generation_pin(*state, name, 1, false, NULL), 1);
	must_publish(*state, 6, 2);
	assert_list(*state, ".generations/debian-12-x86_64", "5 6 lock");
	assert_int_equal(generation_pin(*state, name, 1, true, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_CACHED);
}

static void a_template_is_pinned(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	assert_int_equal(generation_pin(*state, name, 0, true, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_CACHED);
	must_publish(*state, 1, 2);
	assert_false(generation_template_pinned(*state, name));
	assert_int_equal(generation_pin(*state, name, 0, true, NULL), 1);
	assert_true(generation_template_pinned(*state, name));
	assert_int_equal(generation_remove(*state, name, NULL), 0);
	assert_false(generation_template_pinned(*state, name));
	assert_int_equal(assert_consistent(*state), 0);
}

static void listed(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree struct generation *list = NULL;
	size_t count;

	assert_int_equal(generation_list(*state, name, &list, &count, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_CACHED);
	for (unsigned k = 1; k <= 3; k++)
		must_publish(*state, k, 9);
	assert_int_equal(generation_pin(*state, name, 2, true, NULL), 1);
	must_go_back(*state, 2, 3, 2);
	assert_int_equal(generation_list(*state, name, &list, &count, NULL), 0);
	assert_int_equal(count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(list[i].number, i + 1);
		assert_int_equal(list[i].current, i == 1);
		assert_int_equal(list[i].pinned, i == 1);
		assert_false(list[i].incremental);
		assert_int_equal(list[i].size, 1);
	}
}

static void a_manifest_that_is_none_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"schema\": 2}",
		"{\"schema\": 1, \"template\": {\"name\": \"debian-11-x86_64\"}}",
		"{\"schema\": 1, \"template\": {\"name\": \"debian-12-x86_64\"}}",
	};
	json_t *manifest = NULL;
	must_publish(*state, 1, 2);
	autofree char *path = xasprintf("%s/cache/debian-12-x86_64.manifest.json", (char *)*state);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		assert_int_equal(
			file_write_atomic(AT_FDCWD, path, 0644, texts[i], strlen(texts[i]), NULL),
			0);
		assert_int_equal(generation_manifest(*state, name, 0, &manifest, &err), -1);
		assert_int_equal(err.kind, ERROR_TRUST);
		assert_non_null(err.hint);
	}
	AUTO(error_clear) struct error err = ERROR_INIT;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(generation_manifest(*state, name, 0, &manifest, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_FILE);
}

/* ---- killed at every point ------------------------------------------------------------------- */

/*
 * Runs `work` in a child that is killed when it enters its `calls`th system call. Returns false if it
 * ended before that.
 */
static bool run_until(unsigned calls, void (*work)(const char *template_dir), const char *dir)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		work(dir);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL), 0);
	/* It stops when it enters a call and when it leaves it. */
	for (unsigned i = 0; i < calls * 2; i++) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return true;
}

static void publish_first(const char *template_dir)
{
	if (publish(template_dir, 1, 2, NULL) < 0)
		_exit(1);
}

static void publish_third(const char *template_dir)
{
	if (publish(template_dir, 3, 2, NULL) < 0)
		_exit(1);
}

static void remove_all(const char *template_dir)
{
	if (generation_remove(template_dir, name, NULL) < 0)
		_exit(1);
}

static void repair(const char *template_dir)
{
	if (generation_repair(template_dir, NULL) < 0)
		_exit(1);
}

static void go_back_to_first(const char *template_dir)
{
	unsigned from, to;
	if (generation_rollback(template_dir, name, 1, &from, &to, NULL) < 0)
		_exit(1);
}

/*
 * With `before` generations there, kills `work` before its first system call, before its second and so
 * on. At every point users see the generation `before` or `after`, never another thing; then it is
 * mended, and the next build works.
 */
static unsigned kill_everywhere(const char *root, unsigned before, unsigned after,
				void (*work)(const char *template_dir))
{
	unsigned switched = 0, calls = 0;

	for (bool killed = true; killed; calls++) {
		autofree char *dir = xasprintf("%s/%u-%u-%u", root, before, after, calls);
		for (unsigned k = 1; k <= before; k++)
			must_publish(dir, k, 2);
		killed = run_until(calls, work, dir);

		unsigned seen = visible(dir);
		assert_true(seen == before || seen == after);
		assert_int_equal(generation_repair(dir, NULL), 0);
		assert_int_equal(assert_consistent(dir), seen);
		switched += killed && seen == after;
		if (!killed)
			assert_int_equal(seen, after);

		must_publish(dir, 8, 1);
		assert_int_equal(assert_consistent(dir), 8);
		autofree char *generations = list(dir, ".generations/debian-12-x86_64");
		assert_true(strspn(generations, "0123456789") == strlen(generations) - 5);
		assert_int_equal(tree_remove(AT_FDCWD, dir, NULL), 0);
	}
	assert_true(calls > 20);
	return switched;
}

static void killed_at_the_first_publication(void **state)
{
	assert_true(kill_everywhere(*state, 0, 1, publish_first) > 2);
}

static void killed_at_a_later_publication(void **state)
{
	assert_true(kill_everywhere(*state, 2, 3, publish_third) > 2);
}

static void killed_at_the_removal(void **state)
{
	assert_true(kill_everywhere(*state, 2, 0, remove_all) > 2);
}

static void killed_at_a_rollback(void **state)
{
	assert_true(kill_everywhere(*state, 2, 1, go_back_to_first) > 2);
}

/* What a killed rollback left is no reason to drop the newer one. */
static void a_killed_rollback_loses_nothing(void **state)
{
	bool killed = true;
	for (unsigned calls = 0; killed; calls++) {
		autofree char *dir = xasprintf("%s/%u", (char *)*state, calls);
		must_publish(dir, 1, 2);
		must_publish(dir, 2, 2);
		killed = run_until(calls, go_back_to_first, dir);
		assert_int_equal(generation_repair(dir, NULL), 0);
		assert_list(dir, ".generations/debian-12-x86_64", "1 2 lock");
		must_go_back(dir, 2, visible(dir), 2);
		must_publish(dir, 3, 3);
		assert_list(dir, ".generations/debian-12-x86_64", "1 2 3 lock");
		assert_int_equal(tree_remove(AT_FDCWD, dir, NULL), 0);
	}
}

/* The mending is killed as well, at every point of what a killed publication left. */
static void killed_while_mending(void **state)
{
	unsigned last;
	for (last = 0;; last++) {
		autofree char *dir = xasprintf("%s/%u", (char *)*state, last);
		must_publish(dir, 1, 2);
		must_publish(dir, 2, 2);
		bool killed = run_until(last, publish_third, dir);
		unsigned seen = visible(dir);
		for (unsigned calls = 0; calls < 200 && run_until(calls, repair, dir); calls += 7)
			assert_int_equal(visible(dir), seen);
		assert_int_equal(generation_repair(dir, NULL), 0);
		assert_int_equal(assert_consistent(dir), seen);
		assert_int_equal(tree_remove(AT_FDCWD, dir, NULL), 0);
		if (!killed)
			break;
	}
	assert_true(last > 20);
}

/* ---- several at once ------------------------------------------------------------------------- */

static void a_second_one_waits(void **state)
{
	struct generation_draft draft = GENERATION_DRAFT_INIT;
	int status;

	assert_int_equal(generation_begin(&draft, *state, name, NULL), 0);
	pid_t pid = fork();
	if (pid == 0) {
		/* The draft is its parent's: only the copies of the descriptors are closed. */
		close(draft.lock.fd);
		_exit(publish(*state, 5, 2, NULL) < 0);
	}
	usleep(100000);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(generation_repair(*state, NULL), 0); /* leaves it alone */
	generation_abandon(&draft);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(assert_consistent(*state), 5);
}

/* Publishes, removes, abandons and mends as it comes. */
static int stir(const char *template_dir, unsigned seed)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	for (unsigned i = 0; i < 60; i++) {
		struct generation_draft draft = GENERATION_DRAFT_INIT;
		int ret = 0;
		unsigned from, to;
		switch (rand_r(&seed) % 6) {
		case 0:
			ret = publish(template_dir, seed % 1000 + 1, 2, &err);
			break;
		case 1:
			ret = generation_remove(template_dir, name, &err);
			if (ret < 0 && err.kind == ERROR_NOT_CACHED)
				ret = 0;
			break;
		case 2:
			ret = generation_begin(&draft, template_dir, name, &err);
			generation_abandon(&draft);
			break;
		case 3:
			ret = generation_rollback(template_dir, name, 0, &from, &to, &err);
			if (ret < 0 && err.kind == ERROR_NOT_CACHED)
				ret = 0;
			break;
		case 4:
			ret = generation_pin(template_dir, name, seed % 2, true, &err);
			if (ret < 0 && err.kind == ERROR_NOT_CACHED)
				ret = 0;
			break;
		default:
			ret = generation_repair(template_dir, &err);
		}
		if (ret < 0) {
			fprintf(stderr, "%s\n", err.message);
			return -1;
		}
	}
	return 0;
}

static void many_at_once(void **state)
{
	pid_t pids[4];
	int status;
	unsigned seed = (unsigned)getpid();

	print_message("seed %u\n", seed);
	for (unsigned i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(stir(*state, seed + i) < 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(generation_repair(*state, NULL), 0);
	assert_consistent(*state);
	must_publish(*state, 8, 1);
	assert_int_equal(assert_consistent(*state), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(published, setup, teardown),
		cmocka_unit_test_setup_teardown(as_many_as_asked_for_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(an_abandoned_one_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(removed, setup, teardown),
		cmocka_unit_test_setup_teardown(names_of_all, setup, teardown),
		cmocka_unit_test_setup_teardown(the_administrators_own_tarball_stays, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_failed_switch_publishes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(newer_ones_stay_after_a_rollback, setup, teardown),
		cmocka_unit_test_setup_teardown(the_highest_number_is_never_given_away, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_pinned_one_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(a_template_is_pinned, setup, teardown),
		cmocka_unit_test_setup_teardown(listed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_manifest_that_is_none_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(killed_at_the_first_publication, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_at_a_later_publication, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_at_the_removal, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_at_a_rollback, setup, teardown),
		cmocka_unit_test_setup_teardown(a_killed_rollback_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_while_mending, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_one_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(many_at_once, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
