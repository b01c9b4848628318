/* The parts that need no VE: messages, output, blocks of ids, control groups by detection. */
#include "fixture.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "base/lock.h"
#include "base/strbuf.h"
#include "runtime/ids.h"
#include "runtime/output.h"
#include "runtime/wire.h"

/* ---- messages --------------------------------------------------------------------------------- */

static void errors_travel(void **state)
{
	(void)state;
	struct error from = ERROR_INIT, to = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	error_set(&from, ERROR_TRUST, "bad %s", "signature");
	error_hint(&from, "get another");
	wire_pack_error(&text, &from);
	assert_int_equal(wire_unpack_error(text.text, text.length, &to), -1);
	assert_int_equal(to.kind, ERROR_TRUST);
	assert_string_equal(to.message, "bad signature");
	assert_string_equal(to.hint, "get another");
	assert_null(to.subject);

	/* From a hostile VE any bytes may come; none are read beyond. */
	for (size_t size = 0; size < text.length; size++) {
		autofree char *cut = xmalloc(size + 1);
		memcpy(cut, text.text, size);
		assert_int_equal(wire_unpack_error(size ? cut : "", size, &to), -1);
		assert_non_null(to.message);
	}
	assert_int_equal(wire_unpack_error("\xff", 1, &to), -1);
	assert_int_equal(to.kind, ERROR_INTERNAL);
	assert_int_equal(wire_unpack_error("\0abc", 5, &to), -1);
	assert_int_equal(to.kind, ERROR_INTERNAL);
	error_clear(&from);
	error_clear(&to);
}

static void descriptors_travel(void **state)
{
	(void)state;
	int pair[2], sent[] = { 0, 1, 2 }, got[2] = { -1, -1 };
	char text[8] = "";
	size_t count = 2;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	unsigned before = fixture_entries("/proc/self/fd");
	assert_int_equal(wire_send(pair[0], "hello", 6, sent, 3), 0);
	assert_int_equal(wire_receive(pair[1], text, sizeof(text), got, &count), 6);
	assert_string_equal(text, "hello");
	assert_int_equal(count, 2);
	assert_int_equal(fixture_entries("/proc/self/fd"), before + 2); /* the third was closed */
	assert_int_equal(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	close(got[0]);
	close(got[1]);

	/* Somebody who expects none gets none. */
	assert_int_equal(wire_send(pair[0], "x", 1, sent, 3), 0);
	assert_int_equal(wire_receive(pair[1], text, sizeof(text), NULL, NULL), 1);
	assert_int_equal(fixture_entries("/proc/self/fd"), before);
	close(pair[0]);
	assert_int_equal(wire_receive(pair[1], text, sizeof(text), NULL, NULL), 0);
	close(pair[1]);
}

/* ---- output ----------------------------------------------------------------------------------- */

struct seen {
	unsigned lines;
	size_t longest;
};

static void see(const char *line, void *data)
{
	struct seen *seen = data;
	size_t length = strlen(line);
	seen->lines++;
	seen->longest = length > seen->longest ? length : seen->longest;
}

static void endless_lines_come_in_pieces(void **state)
{
	(void)state;
	enum { BYTES = 60000 };
	struct seen seen = { 0 };
	int ends[2];
	AUTO(output_release) struct output output = OUTPUT_INIT;
	autofree char *text = xmalloc(BYTES);
	memset(text, 'x', BYTES);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(ends[1], text, BYTES), BYTES);
	output.fd = ends[0];
	output.line = see;
	output.data = &seen;
	assert_true(output_read(&output));
	close(ends[1]);
	output_finish(&output);
	assert_false(output_read(&output));
	assert_true(seen.lines > 1 && seen.lines < 10);
	assert_true(seen.longest < BYTES / 2);
	assert_int_equal(output.kept.length, VE_OUTPUT_KEPT);
}

/* ---- blocks of ids ---------------------------------------------------------------------------- */

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

/* Runs in a child with mounts of its own, where files of the host can be covered. */
static void in_own_mounts(int (*function)(void))
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(100);
		_exit(function());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* All of the usual range is somebody's, and the first blocks of the other. */
static int avoid_subordinate(void)
{
	static const char text[] = "somebody:1879048192:268435455\nother:524288:655360\n";
	struct id_block block;
	autofree char *path = xasprintf("%s/subuid", fixture.dir);
	if (file_write_atomic(AT_FDCWD, path, 0644, text, strlen(text), NULL) < 0 ||
	    mount(path, "/etc/subuid", NULL, MS_BIND, NULL) < 0)
		return 101;
	if (id_block_take(fixture.lock_dir, &block, NULL) < 0)
		return 102;
	bool good = block.base >= 524288 + 655360 && block.base < 1879048192;
	id_block_release(&block);
	return good ? 0 : 103;
}

static void ids_of_others_are_avoided(void **state)
{
	(void)state;
	in_own_mounts(avoid_subordinate);
}

static unsigned removed;

static void count_removed(const struct strvec *folders)
{
	removed += (unsigned)folders->count;
}

static void blocks_are_swept(void **state)
{
	(void)state;
	struct id_block block;
	AUTO(strvec_release) struct strvec folders = STRVEC_INIT;
	strvec_push(&folders, "/a/vzpkg-b");
	strvec_push(&folders, "/c/vzpkg-d");
	pid_t child = fork();
	if (child == 0) {
		if (id_block_take(fixture.lock_dir, &block, NULL) < 0 ||
		    id_block_record(&block, &folders, NULL) < 0)
			_exit(1);
		_exit(0); /* as if killed: nothing is released */
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);

	/* What was not swept is not used again, and who lives is not swept. */
	assert_int_equal(id_block_take(fixture.lock_dir, &block, NULL), 0);
	assert_int_equal(id_block_record(&block, &folders, NULL), 0);
	removed = 0;
	assert_int_equal(id_blocks_sweep(fixture.lock_dir, count_removed), 1);
	assert_int_equal(removed, 2);
	id_block_release(&block);
	assert_int_equal(id_blocks_sweep(fixture.lock_dir, count_removed), 0);
	autofree char *ids = xasprintf("%s/ids", fixture.lock_dir);
	assert_int_equal(fixture_entries(ids), 0);
}

/* ---- control groups, with parts of them out of sight ------------------------------------------ */

static int unmount_type(const char *wanted)
{
	autofclose FILE *file = fopen("/proc/self/mounts", "r");
	autofree char *line = NULL;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0) {
		autofree char *path = NULL, *type = NULL;
		if (sscanf(line, "%*s %ms %ms", &path, &type) == 2 && !strcmp(type, wanted) &&
		    umount2(path, MNT_DETACH) < 0)
			return -1;
	}
	return file ? 0 : -1;
}

static int start_and_run(uint64_t memory_max, struct error *err)
{
	struct ve_spec spec = fixture_spec(&fixture);
	struct ve *ve = NULL;
	/* The fixture's descriptor is of a mount that is not in this namespace. */
	autofree char *path = xasprintf("%s/tree", fixture.dir);
	autoclose int tree = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	spec.tree = tree;
	spec.memory_max = memory_max;
	if (ve_start(&spec, &ve, err) < 0)
		return -1;
	int status;
	free(fixture_shell(ve, "exit 9", &status));
	ve_free(ve);
	return WEXITSTATUS(status) == 9 ? 0 : -1;
}

static int only_v2(void)
{
	return unmount_type("cgroup") < 0 ? 101 : start_and_run(0, NULL) < 0 ? 102 : 0;
}

static int only_v1(void)
{
	return unmount_type("cgroup2") < 0 ? 101 : start_and_run(0, NULL) < 0 ? 102 : 0;
}

/* It starts, but a limit that nobody would keep is refused. */
static int none_at_all(void)
{
	struct error err = ERROR_INIT;
	if (unmount_type("cgroup2") < 0 || unmount_type("cgroup") < 0)
		return 101;
	if (start_and_run(0, NULL) < 0)
		return 102;
	if (start_and_run(1 << 30, &err) == 0 || err.kind != ERROR_CONTAINER || !err.hint)
		return 103;
	return 0;
}

static void groups_by_detection(void **state)
{
	(void)state;
	unsigned before = fixture_groups();
	in_own_mounts(only_v2);
	in_own_mounts(only_v1);
	in_own_mounts(none_at_all);
	assert_int_equal(fixture_groups(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_travel),
		cmocka_unit_test(descriptors_travel),
		cmocka_unit_test(endless_lines_come_in_pieces),
		cmocka_unit_test_setup_teardown(ids_of_others_are_avoided, setup, teardown),
		cmocka_unit_test_setup_teardown(blocks_are_swept, setup, teardown),
		cmocka_unit_test_setup_teardown(groups_by_detection, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
