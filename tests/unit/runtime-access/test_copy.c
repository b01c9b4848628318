/* Copies without a VE: both sides are of this process, or the sender is one that lies. */
#include "tests/unit/base/scratch.h"

#include <signal.h>

#include "runtime/access/copy_stream.h"

/* ---- words ------------------------------------------------------------------------------------------------ */

static void check_operand(const char *word, const char *ve, const char *path)
{
	AUTO(copy_operand_release) struct copy_operand operand;
	assert_int_equal(copy_operand_parse(word, &operand, NULL), 0);
	if (ve)
		assert_string_equal(operand.ve, ve);
	else
		assert_null(operand.ve);
	assert_string_equal(operand.path, path);
}

static void refuse_operand(const char *word)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(copy_operand_release) struct copy_operand operand;
	assert_int_equal(copy_operand_parse(word, &operand, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_null(operand.ve);
}

static void words_name_a_ve_or_the_host(void **state)
{
	(void)state;
	check_operand("101:/etc/motd", "101", "/etc/motd");
	check_operand("web-1:/", "web-1", "/");
	check_operand("101:/a:b", "101", "/a:b");
	check_operand("motd", NULL, "motd");
	check_operand("/etc/motd", NULL, "/etc/motd");
	check_operand("./a:b", NULL, "./a:b");
	check_operand("/x/101:/y", NULL, "/x/101:/y");
	check_operand(":/x", NULL, ":/x");
	refuse_operand("");
	refuse_operand("101:");
	refuse_operand("101:etc");
	refuse_operand("101:../etc");
}

static void names_are_one_component(void **state)
{
	(void)state;
	assert_true(copy_name_is_good("a"));
	assert_true(copy_name_is_good("..."));
	assert_true(copy_name_is_good(".a"));
	assert_false(copy_name_is_good(""));
	assert_false(copy_name_is_good("."));
	assert_false(copy_name_is_good(".."));
	assert_false(copy_name_is_good("a/b"));
	assert_false(copy_name_is_good("/a"));
	assert_false(copy_name_is_good("../a"));
}

static void links_stay_or_not(void **state)
{
	(void)state;
	assert_true(copy_link_stays("a", 0));
	assert_true(copy_link_stays("./a/b", 0));
	assert_true(copy_link_stays("../a", 1));
	assert_true(copy_link_stays(".././../a", 2));
	assert_true(copy_link_stays("..a/..b", 0));
	assert_false(copy_link_stays("", 5));
	assert_false(copy_link_stays("/", 5));
	assert_false(copy_link_stays("/etc", 5));
	assert_false(copy_link_stays("..", 0));
	assert_false(copy_link_stays("../a", 0));
	assert_false(copy_link_stays("../../a", 1));
	assert_false(copy_link_stays("..//..//a", 1));
	/* "a" may be a link itself, and then ".." is not where it seems to be. */
	assert_false(copy_link_stays("a/..", 5));
	assert_false(copy_link_stays("./a/../../b", 5));
}

/* ---- streams ------------------------------------------------------------------------------------------------- */

struct lie {
	enum copy_type type;
	const char *
		text; /* of a file: its content is "evil"; of a link: its target follows as a lie */
};

static void tell_lies(int fd, const struct lie *lies, size_t count)
{
	const uint32_t size = 4, zero = 0;
	for (size_t i = 0; i < count; i++) {
		if (copy_put_record(fd, lies[i].type, 07777, lies[i].text, NULL) < 0)
			return;
		if (lies[i].type != COPY_FILE)
			continue;
		copy_put(fd, &size, sizeof(size), NULL);
		copy_put(fd, "evil", 4, NULL);
		copy_put(fd, &zero, sizeof(zero), NULL);
	}
}

/* What comes of it in the folder "to". */
static int receive(const struct scratch *scratch, const struct lie *lies, size_t count,
		   struct ve_copied *copied, struct error *err)
{
	autofree char *target = xasprintf("%s/to", scratch->path);
	int ends[2];
	mkdirat(scratch->dir, "to", 0755);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	tell_lies(ends[1], lies, count); /* all fits into the pipe */
	close(ends[1]);
	int result = copy_receive(ends[0], -1, target, false, true, copied, err);
	close(ends[0]);
	return result;
}

#define RECEIVE(lies) receive(scratch, lies, sizeof(lies) / sizeof(*(lies)), &copied, &err)

static void bad_names_are_refused(void **state)
{
	static const char *const names[] = { "..", ".", "", "../evil", "/tmp/evil", "a/b" };
	const struct scratch *scratch = *state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
		const struct lie as_file[] = { { COPY_FILE, names[i] }, { COPY_END, "" } };
		const struct lie below[] = { { COPY_FOLDER, "f" },  { COPY_FOLDER, names[i] },
					     { COPY_FILE, "evil" }, { COPY_UP, "" },
					     { COPY_UP, "" },       { COPY_END, "" } };
		const struct lie as_link[] = { { COPY_FOLDER, "f" },
					       { COPY_LINK, names[i] },
					       { COPY_LINK, "x" },
					       { COPY_UP, "" },
					       { COPY_END, "" } };
		assert_int_equal(RECEIVE(as_file), -1);
		assert_int_equal(RECEIVE(below), -1);
		assert_int_equal(RECEIVE(as_link), -1);
		assert_false(exists(scratch->dir, "evil"));
		assert_false(exists(scratch->dir, "to/evil"));
		assert_int_equal(copied.files, 0);
	}
}

/* First a link that leads out, then something below its name. */
static void nothing_goes_through_a_link(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	const struct lie inner[] = { { COPY_FOLDER, "f" },  { COPY_LINK, "l" },
				     { COPY_LINK, "g" },    { COPY_FOLDER, "g" },
				     { COPY_UP, "" },       { COPY_FOLDER, "l" },
				     { COPY_FILE, "evil" }, { COPY_UP, "" },
				     { COPY_UP, "" },       { COPY_END, "" } };
	assert_int_equal(RECEIVE(inner), -1);
	assert_false(exists(scratch->dir, "to/f/g/evil"));

	/* Neither through one that is there already. */
	const struct lie again[] = {
		{ COPY_FOLDER, "there" }, { COPY_FILE, "evil" }, { COPY_UP, "" }, { COPY_END, "" }
	};
	mkdirat(scratch->dir, "outside", 0755);
	symlinkat("../outside", scratch->dir, "to/there");
	assert_int_equal(RECEIVE(again), -1);
	assert_false(exists(scratch->dir, "outside/evil"));

	/* A file takes the link's place. */
	const struct lie replace[] = { { COPY_FILE, "name" }, { COPY_END, "" } };
	put_file(scratch->dir, "victim", "good");
	symlinkat("../victim", scratch->dir, "to/name");
	assert_int_equal(RECEIVE(replace), 0);
	assert_content(scratch->dir, "victim", "good");
	assert_content(scratch->dir, "to/name", "evil");
}

static void links_that_lead_out_are_left_out(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	const struct lie lies[] = {
		{ COPY_FOLDER, "f" },
		{ COPY_LINK, "good" },
		{ COPY_LINK, "g/x" },
		{ COPY_LINK, "bad" },
		{ COPY_LINK, "/etc/passwd" },
		{ COPY_FOLDER, "g" },
		{ COPY_LINK, "good" },
		{ COPY_LINK, "../x" },
		{ COPY_LINK, "bad" },
		{ COPY_LINK, "../../x" },
		{ COPY_UP, "" },
		{ COPY_UP, "" },
		{ COPY_LINK, "top" },
		{ COPY_LINK, "x" },
		{ COPY_END, "" },
	};
	assert_int_equal(RECEIVE(lies), 0);
	assert_true(exists(scratch->dir, "to/f/good"));
	assert_true(exists(scratch->dir, "to/f/g/good"));
	assert_false(exists(scratch->dir, "to/f/bad"));
	assert_false(exists(scratch->dir, "to/f/g/bad"));
	assert_false(exists(scratch->dir, "to/top"));
	assert_int_equal(copied.left_out, 3);
}

static void set_id_bits_do_not_arrive(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	const struct lie lies[] = {
		{ COPY_FOLDER, "f" }, { COPY_FILE, "x" }, { COPY_UP, "" }, { COPY_END, "" }
	};
	struct stat st;
	assert_int_equal(RECEIVE(lies), 0);
	assert_int_equal(fstatat(scratch->dir, "to/f/x", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0777);
	assert_int_equal(fstatat(scratch->dir, "to/f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
}

static size_t count_entries(const struct scratch *scratch, const char *name)
{
	size_t count = 0;
	autoclosedir DIR *dir =
		fdopendir(openat(scratch->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	return count - 2;
}

/* What ends too early leaves no half a file, and none that looks like a whole one. */
static void streams_that_end_early_are_errors(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	const struct lie no_end[] = { { COPY_FILE, "x" } };
	const struct lie no_up[] = { { COPY_FOLDER, "f" }, { COPY_END, "" } };
	const struct lie too_far_up[] = { { COPY_UP, "" }, { COPY_END, "" } };
	const struct lie no_target[] = { { COPY_FOLDER, "f" }, { COPY_LINK, "l" } };
	assert_int_equal(RECEIVE(no_end), -1);
	assert_int_equal(err.kind, ERROR_CHILD);
	assert_int_equal(RECEIVE(no_up), -1);
	assert_int_equal(RECEIVE(too_far_up), -1);
	assert_int_equal(RECEIVE(no_target), -1);
	assert_int_equal(count_entries(scratch, "to/f"), 0);
}

static void half_a_file_is_not_there(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	const uint32_t size = 100, large = COPY_PIECE_MAX + 1;
	const uint32_t *const sizes[] = { &size, &large };
	put_file(scratch->dir, "x", "old");
	for (int i = 0; i < 2; i++) {
		int ends[2];
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		copy_put_record(ends[1], COPY_FILE, 0644, "x", NULL);
		copy_put(ends[1], sizes[i], sizeof(uint32_t), NULL);
		copy_put(ends[1], "abc", 3, NULL);
		close(ends[1]);
		assert_int_equal(
			copy_receive(ends[0], -1, scratch->path, false, true, &copied, &err), -1);
		close(ends[0]);
		assert_content(scratch->dir, "x", "old");
		assert_int_equal(count_entries(scratch, "."), 1);
	}
}

/* Bytes that are no stream at all, and headers that promise too much. */
static void noise_is_refused(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	unsigned seed = 1;
	for (int round = 0; round < 200; round++) {
		unsigned char noise[512];
		int ends[2];
		AUTO(error_clear) struct error err = ERROR_INIT;
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
		if (round % 2) { /* a header of a file that could be true */
			memset(noise, 0, 12);
			noise[0] = COPY_FILE;
			noise[8] = (unsigned char)(round % 20);
		}
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		copy_put(ends[1], noise, sizeof(noise), NULL);
		close(ends[1]);
		assert_int_equal(
			copy_receive(ends[0], -1, scratch->path, false, true, &copied, &err), -1);
		close(ends[0]);
	}
	assert_int_equal(count_entries(scratch, "."), 0);
}

static void folders_are_not_endless(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	struct lie lies[COPY_DEPTH_MAX + 50];
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++)
		lies[i] = (struct lie){ COPY_FOLDER, "d" };
	assert_int_equal(RECEIVE(lies), -1);
	assert_non_null(strstr(err.message, "too deep"));
}

/* ---- both sides ------------------------------------------------------------------------------------------------ */

/* Copies `from` (in the scratch folder) to `to`. */
static int copy(const struct scratch *scratch, const char *from, const char *to, bool folders,
		struct ve_copied *copied, struct error *err)
{
	autofree char *source = xasprintf("%s/%s", scratch->path, from);
	autofree char *target = xasprintf("%s/%s", scratch->path, to);
	AUTO(strvec_release) struct strvec sources = STRVEC_INIT;
	int ends[2], status;
	strvec_push(&sources, source);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct ve_copied sent = VE_COPIED_INIT;
		signal(SIGPIPE, SIG_DFL);
		close(ends[0]);
		alarm(20); /* who blocks on a FIFO would wait for ever */
		_exit(copy_send(ends[1], -1, &sources, folders, &sent, NULL) < 0);
	}
	close(ends[1]);
	int result = copy_receive(ends[0], -1, target, false, true, copied, err);
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? result : -1;
}

static void trees_arrive(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	struct stat st;
	mkdirat(scratch->dir, "from", 0755);
	mkdirat(scratch->dir, "from/sub", 0500);
	mkdirat(scratch->dir, "to", 0755);
	put_file(scratch->dir, "from/a", "A");
	put_file(scratch->dir, "from/empty", "");
	put_file(scratch->dir, "from/sub/b", "B");
	fchmodat(scratch->dir, "from/sub/b", 04711, 0);
	symlinkat("../a", scratch->dir, "from/sub/link");
	assert_int_equal(mkfifoat(scratch->dir, "from/fifo", 0644), 0);
	assert_int_equal(copy(scratch, "from", "to", true, &copied, &err), 0);
	assert_content(scratch->dir, "to/from/a", "A");
	assert_content(scratch->dir, "to/from/empty", "");
	assert_content(scratch->dir, "to/from/sub/link", "A");
	assert_int_equal(fstatat(scratch->dir, "to/from/sub/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(fstatat(scratch->dir, "to/from/sub", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0500);
	assert_false(exists(scratch->dir, "to/from/fifo"));
	assert_int_equal(copied.files, 3);
	assert_int_equal(copied.left_out, 1);

	/* Into what is there: merged, and a name for the one folder that comes. */
	put_file(scratch->dir, "to/from/own", "O");
	put_file(scratch->dir, "from/a", "A2");
	assert_int_equal(copy(scratch, "from", "to", true, &copied, &err), 0);
	assert_content(scratch->dir, "to/from/own", "O");
	assert_content(scratch->dir, "to/from/a", "A2");
	assert_int_equal(copy(scratch, "from", "new", true, &copied, &err), 0);
	assert_content(scratch->dir, "new/sub/b", "B");
	/* Its content alone. */
	mkdirat(scratch->dir, "flat", 0755);
	assert_int_equal(copy(scratch, "from/.", "flat", true, &copied, &err), 0);
	assert_content(scratch->dir, "flat/sub/b", "B");
}

static void special_files_are_neither_read_nor_waited_for(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	mkdirat(scratch->dir, "to", 0755);
	assert_int_equal(mkfifoat(scratch->dir, "fifo", 0644), 0);
	symlinkat("fifo", scratch->dir, "link");
	assert_int_equal(copy(scratch, "fifo", "to", true, &copied, &err), -1);
	assert_int_equal(copy(scratch, "link", "to", true, &copied, &err), -1);
	symlinkat("/dev/zero", scratch->dir, "zero");
	assert_int_equal(copy(scratch, "zero", "to", true, &copied, &err), -1);
	assert_int_equal(count_entries(scratch, "to"), 0);
}

static void targets_are_what_they_say(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	put_file(scratch->dir, "a", "A");
	put_file(scratch->dir, "b", "B");
	mkdirat(scratch->dir, "to", 0755);
	mkdirat(scratch->dir, "to/a", 0755);
	assert_int_equal(copy(scratch, "a", "b", false, &copied, &err), 0);
	assert_content(scratch->dir, "b", "A");
	assert_int_equal(copy(scratch, "a", "new", false, &copied, &err), 0);
	assert_content(scratch->dir, "new", "A");
	assert_int_equal(copy(scratch, "a", "new/", false, &copied, &err), -1);
	assert_int_equal(copy(scratch, "a", "none/", false, &copied, &err), -1);
	assert_int_equal(copy(scratch, "a", "none/x", false, &copied, &err), -1);
	assert_int_equal(copy(scratch, "a", "b/x", false, &copied, &err), -1);
	assert_int_equal(copy(scratch, "a", "to", false, &copied, &err), -1); /* to/a is a folder */
	assert_int_equal(count_entries(scratch, "to"), 1);
	assert_int_equal(copy(scratch, "to", "b", true, &copied, &err), -1);
	assert_int_equal(copy(scratch, "to", "x", false, &copied, &err), -1); /* no -r */
	assert_int_equal(copy(scratch, "nothing", "x", false, &copied, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_name_a_ve_or_the_host),
		cmocka_unit_test(names_are_one_component),
		cmocka_unit_test(links_stay_or_not),
		scratch_test(bad_names_are_refused),
		scratch_test(nothing_goes_through_a_link),
		scratch_test(links_that_lead_out_are_left_out),
		scratch_test(set_id_bits_do_not_arrive),
		scratch_test(streams_that_end_early_are_errors),
		scratch_test(half_a_file_is_not_there),
		scratch_test(noise_is_refused),
		scratch_test(folders_are_not_endless),
		scratch_test(trees_arrive),
		scratch_test(special_files_are_neither_read_nor_waited_for),
		scratch_test(targets_are_what_they_say),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
