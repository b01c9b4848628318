/* What a run has done, as the next one finds it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/fleet/journal.h"

static char folder[] = "/tmp/vzpkg-journal.XXXXXX";
static const unsigned ctids[] = { 101, 102, 103, 104 };

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return tree_remove(AT_FDCWD, folder, NULL);
}

static struct journal *begin(void)
{
	struct journal *journal = NULL;
	assert_int_equal(journal_begin(folder, json_pack("{s:s}", "verb", "install"), ctids, 4,
				       &journal, NULL),
			 0);
	return journal;
}

static void note(struct journal *journal, unsigned ctid, const char *error)
{
	json_t *result = json_pack("{s:s*}", "error", error);
	assert_int_equal(journal_note_begun(journal, ctid, 0, NULL), 0);
	assert_int_equal(journal_note_ended(journal, ctid, result, NULL), 0);
	json_decref(result);
}

static size_t files(void)
{
	autofree char *path = xasprintf("%s/fleet", folder);
	autoclosedir DIR *dir = opendir(path);
	size_t count = 0;
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	return count;
}

/* Of the only journal. To be freed. */
static char *path_of_it(void)
{
	autofree char *path = xasprintf("%s/fleet", folder);
	autoclosedir DIR *dir = opendir(path);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (strstr(entry->d_name, ".jsonl") && !strstr(entry->d_name, ".lck"))
			return xasprintf("%s/%s", path, entry->d_name);
	return NULL;
}

static struct journal *take_up(size_t *others)
{
	struct journal *journal;
	assert_int_equal(journal_take_up(folder, &journal, others, NULL), 0);
	return journal;
}

static void a_run_that_ends_leaves_nothing(void **state)
{
	(void)state;
	struct journal *journal = begin();
	size_t others;

	for (size_t i = 0; i < 4; i++)
		note(journal, ctids[i], i == 2 ? "it failed" : NULL);
	assert_false(journal_close(journal));
	assert_int_equal(files(), 0);
	assert_null(take_up(&others));
}

static void assert_as_left(const struct journal *journal)
{
	assert_int_equal(journal_count(journal), 4);
	assert_int_equal(journal_ve(journal, 3), 104);
	assert_int_equal(journal_state(journal, 101), JOURNAL_DONE);
	assert_int_equal(journal_state(journal, 102), JOURNAL_FAILED);
	assert_int_equal(journal_state(journal, 103), JOURNAL_BEGUN);
	assert_int_equal(journal_state(journal, 104), JOURNAL_WAITING);
	assert_string_equal(json_string_value(json_object_get(journal_request(journal), "verb")),
			    "install");
}

/* In a process that is killed. */
static void leave_one(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct journal *journal = begin();
		note(journal, 101, NULL);
		note(journal, 102, "it failed");
		journal_note_begun(journal, 103, 0, NULL);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void what_a_killed_run_leaves(void **state)
{
	(void)state;
	size_t others;

	leave_one();
	struct journal *journal = take_up(&others);
	assert_non_null(journal);
	assert_int_equal(others, 0);
	assert_as_left(journal);
	/* Nobody else takes it. */
	assert_null(take_up(&others));
	note(journal, 103, NULL);
	journal_free(journal);
	journal = take_up(&others);
	assert_int_equal(journal_state(journal, 103), JOURNAL_DONE);
	note(journal, 104, NULL);
	assert_false(journal_close(journal));
	assert_int_equal(files(), 0);
}

static void a_line_that_was_cut_off(void **state)
{
	(void)state;
	size_t others;

	leave_one();
	autofree char *path = path_of_it();
	autoclose int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "{\"ve\":104,\"res", 14), 14);
	struct journal *journal = take_up(&others);
	assert_as_left(journal);
	note(journal, 104, NULL);
	journal_free(journal);
	journal = take_up(&others);
	assert_int_equal(journal_state(journal, 104), JOURNAL_DONE);
	assert_int_equal(journal_state(journal, 103), JOURNAL_BEGUN);
	note(journal, 103, NULL);
	journal_close(journal);
}

static void one_that_says_nothing(void **state)
{
	(void)state;
	size_t others;

	leave_one();
	autofree char *path = path_of_it();
	assert_int_equal(truncate(path, 5), 0);
	assert_null(take_up(&others));
	assert_int_equal(access(path, F_OK), -1);
}

static void one_of_another_version(void **state)
{
	(void)state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	static const char text[] = "{\"schema\":99,\"request\":{},\"ves\":[]}\n";
	struct journal *journal;
	size_t others;

	leave_one();
	autofree char *path = path_of_it();
	assert_int_equal(file_write_atomic(AT_FDCWD, path, 0600, text, strlen(text), NULL), 0);
	assert_int_equal(journal_take_up(folder, &journal, &others, &err), -1);
	assert_int_equal(err.kind, ERROR_PARSE);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
}

static unsigned plan(struct journal *journal, const char *name)
{
	unsigned id = 0;
	json_t *json = json_pack("{s:[{s:s}]}", "packages", "name", name);

	assert_int_equal(journal_note_plan(journal, json, &id, NULL), 0);
	return id;
}

/* In a process that is killed. 101 is done, 102 has failed by itself and 103 was cut off, which is said of it; 104 is at work. */
static void leave_plans(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct journal *journal = begin();
		unsigned one = plan(journal, "one"), two = plan(journal, "two");
		for (size_t i = 0; i < 4; i++) {
			json_t *result = json_pack("{s:s*}", "error", i ? "it failed" : NULL);
			if (i == 2)
				json_object_set_new(result, "half_done", json_true());
			journal_note_begun(journal, ctids[i], i < 3 ? one : two, NULL);
			journal_note_manager(journal, ctids[i], false, NULL);
			if (i < 2)
				journal_note_manager(journal, ctids[i], true, NULL);
			if (i < 3)
				journal_note_ended(journal, ctids[i], result, NULL);
			json_decref(result);
		}
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static const char *cut_off(const struct journal *journal, unsigned ctid)
{
	const json_t *packages = json_object_get(journal_cut_off(journal, ctid), "packages");
	return json_string_value(json_object_get(json_array_get(packages, 0), "name"));
}

static void what_was_cut_off(void **state)
{
	(void)state;
	size_t others;

	leave_plans();
	struct journal *journal = take_up(&others);
	assert_int_equal(journal_state(journal, 102), JOURNAL_FAILED);
	assert_int_equal(journal_state(journal, 103), JOURNAL_BEGUN);
	assert_null(cut_off(journal, 101));
	assert_null(cut_off(journal, 102));
	assert_string_equal(cut_off(journal, 103), "one");
	assert_string_equal(cut_off(journal, 104), "two");
	/* It has been finished, in a child. */
	journal_note_manager(journal, 103, true, NULL);
	assert_null(cut_off(journal, 103));
	/* A new attempt has a plan of its own, and its package manager has not begun. */
	assert_int_equal(plan(journal, "three"), 3);
	journal_note_begun(journal, 104, 3, NULL);
	assert_null(cut_off(journal, 104));
	journal_note_manager(journal, 104, false, NULL);
	journal_free(journal);
	journal = take_up(&others);
	assert_null(cut_off(journal, 103));
	assert_string_equal(cut_off(journal, 104), "three");
	/* As long as one was cut off it stays, though all have ended. */
	note(journal, 103, NULL);
	json_t *result = json_pack("{s:s s:b}", "error", "again", "half_done", 1);
	journal_note_ended(journal, 104, result, NULL);
	json_decref(result);
	assert_true(journal_close(journal));
	journal = take_up(&others);
	assert_string_equal(cut_off(journal, 104), "three");
	note(journal, 104, "it failed");
	assert_false(journal_close(journal));
	assert_int_equal(files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_that_ends_leaves_nothing),
		cmocka_unit_test(what_a_killed_run_leaves),
		cmocka_unit_test(a_line_that_was_cut_off),
		cmocka_unit_test(one_that_says_nothing),
		cmocka_unit_test(one_of_another_version),
		cmocka_unit_test(what_was_cut_off),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
