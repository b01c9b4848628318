/* What is said to CRIU and what is made of its answers, with a process in its place that says what the test has it say. */
#include "runtime/criu/criu.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "runtime/criu/criu.pb-c.h"

enum { MESSAGE_MAX = 65536 };

struct world {
	char folder[32];
	int images;
	int socket; /* to it */
	int other; /* its own end */
	pid_t child;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	int pair[2];
	memcpy(world->folder, "/tmp/criu.XXXXXX", sizeof("/tmp/criu.XXXXXX"));
	assert_non_null(mkdtemp(world->folder));
	world->images = open(world->folder, O_RDONLY | O_DIRECTORY);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	world->socket = pair[0];
	world->other = pair[1];
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	close(world->socket);
	close(world->images);
	tree_remove(AT_FDCWD, world->folder, NULL);
	free(world);
	return 0;
}

static CriuRequest *take(int socket)
{
	uint8_t bytes[MESSAGE_MAX];
	ssize_t size = recv(socket, bytes, sizeof(bytes), 0);
	return size <= 0 ? NULL : criu_request__unpack(NULL, (size_t)size, bytes);
}

static void say(int socket, const CriuResponse *response)
{
	uint8_t bytes[MESSAGE_MAX];
	size_t size = criu_response__pack(response, bytes);
	(void)!send(socket, bytes, size, 0);
}

/* Whether the step was taken. */
static bool notify(int socket, const char *script, int pid)
{
	CriuNotice notice = CRIU_NOTICE__INIT;
	CriuResponse response = CRIU_RESPONSE__INIT;
	char name[32];
	snprintf(name, sizeof(name), "%s", script);
	notice.script = name;
	notice.has_pid = true;
	notice.pid = pid;
	response.type = CRIU_REQUEST_TYPE__NOTIFY;
	response.success = true;
	response.notify = &notice;
	say(socket, &response);
	CriuRequest *answer = take(socket);
	return answer && answer->type == CRIU_REQUEST_TYPE__NOTIFY && answer->notify_success;
}

static void end(int socket, bool success)
{
	CriuResponse response = CRIU_RESPONSE__INIT;
	response.type = CRIU_REQUEST_TYPE__DUMP;
	response.success = success;
	say(socket, &response);
}

/* `play` is what CRIU does; its exit status says whether what it was told is as it should be. */
static void with(struct world *world, bool (*play)(int socket))
{
	world->child = fork();
	if (world->child == 0) {
		close(world->socket);
		_exit(play(world->other) ? 0 : 1);
	}
	close(world->other);
}

static void check_child(const struct world *world)
{
	int status;
	assert_int_equal(waitpid(world->child, &status, 0), world->child);
	assert_int_equal(status, 0);
}

struct seen {
	enum criu_step steps[8];
	pid_t pid;
	int count, fail_at;
};

static int step(enum criu_step step, pid_t pid, void *data, struct error *err)
{
	struct seen *seen = data;
	seen->steps[seen->count++] = step;
	seen->pid = pid;
	return seen->count == seen->fail_at ? error_set(err, ERROR_NO_SPACE, "the step failed") : 0;
}

static struct criu_request request_of(const struct world *world, struct seen *seen)
{
	static struct strvec external = STRVEC_INIT;
	if (!external.count)
		strvec_push(&external, "mnt[/dev]:dev");
	return (struct criu_request){
		.images = world->images, .external = &external, .step = step, .data = seen
	};
}

static bool play_dump(int socket)
{
	const CriuRequest *request = take(socket);
	const CriuOptions *options = request ? request->opts : NULL;
	bool good = options && request->type == CRIU_REQUEST_TYPE__DUMP && options->pid == 77 &&
		    options->n_external == 1 && !strcmp(options->external[0], "mnt[/dev]:dev") &&
		    !options->leave_running && options->tcp_established && !options->root;
	good &= notify(socket, "pre-dump", 0) && notify(socket, "post-dump", 0);
	end(socket, true);
	return good;
}

static void test_dump(void **state)
{
	struct world *world = *state;
	struct seen seen = { 0 };
	struct criu_request request = request_of(world, &seen);
	request.pid = 77;
	with(world, play_dump);
	assert_int_equal(criu_ask(world->socket, &request, NULL), 0);
	check_child(world);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.steps[0], CRIU_IMAGES_WRITTEN);
}

static bool play_restore(int socket)
{
	const CriuRequest *request = take(socket);
	const CriuOptions *options = request ? request->opts : NULL;
	bool good = options && request->type == CRIU_REQUEST_TYPE__RESTORE && !options->has_pid &&
		    options->rst_sibling && !strcmp(options->root, "/r") &&
		    options->n_inherit_fd == 1 && options->inherit_fd[0]->fd == 4 &&
		    !strcmp(options->inherit_fd[0]->key, "tty[1:2]");
	good &= notify(socket, "setup-namespaces", 55) && notify(socket, "post-restore", 55);
	end(socket, true);
	return good;
}

static void test_restore(void **state)
{
	struct world *world = *state;
	struct seen seen = { 0 };
	struct criu_request request = request_of(world, &seen);
	request.root = "/r";
	request.inherited_key = "tty[1:2]";
	request.inherited_fd = 4;
	with(world, play_restore);
	assert_int_equal(criu_ask(world->socket, &request, NULL), 0);
	check_child(world);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.steps[0], CRIU_NAMESPACES_MADE);
	assert_int_equal(seen.steps[1], CRIU_PROCESSES_MADE);
	assert_int_equal(seen.pid, 55);
}

static bool play_refused(int socket)
{
	take(socket);
	bool good = !notify(socket, "post-dump", 0);
	good &= !notify(socket, "network-unlock", 0);
	end(socket, false);
	return good;
}

/* The error is the step's, whatever CRIU makes of it; no other step is taken then. */
static void test_step_fails(void **state)
{
	struct world *world = *state;
	struct seen seen = { .fail_at = 1 };
	struct criu_request request = request_of(world, &seen);
	struct error err = ERROR_INIT;
	request.pid = 77;
	with(world, play_refused);
	assert_int_equal(criu_ask(world->socket, &request, &err), -1);
	check_child(world);
	assert_string_equal(err.message, "the step failed");
	assert_int_equal(err.kind, ERROR_NO_SPACE);
	error_clear(&err);
}

static bool play_failure(int socket)
{
	take(socket);
	end(socket, false);
	return true;
}

static void fails_with(struct world *world, bool (*play)(int socket), const char *log,
		       enum error_kind kind, const char *message)
{
	struct seen seen = { 0 };
	struct criu_request request = request_of(world, &seen);
	struct error err = ERROR_INIT;
	request.pid = 77;
	if (log)
		assert_int_equal(
			file_write_atomic(world->images, "criu.log", 0600, log, strlen(log), NULL),
			0);
	with(world, play);
	assert_int_equal(criu_ask(world->socket, &request, &err), -1);
	check_child(world);
	assert_int_equal(err.kind, kind);
	assert_string_equal(err.message, message);
	error_clear(&err);
}

static void test_log(void **state)
{
	fails_with(
		*state, play_failure,
		"Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: no\n"
		"(00.1)      1: Error (criu/sk.c:1): sockets: no\nError (x.c:2): Dumping FAILED.\n",
		ERROR_TECHNOLOGY, "CRIU cannot do it: sockets: no");
}

static void test_no_space(void **state)
{
	fails_with(*state, play_failure, "Error (a.c:1): writing: No space left on device\n",
		   ERROR_NO_SPACE, "CRIU cannot do it: writing: No space left on device");
}

static void test_no_reason(void **state)
{
	fails_with(*state, play_failure, NULL, ERROR_TECHNOLOGY,
		   "CRIU cannot do it: it does not say why");
}

static bool play_death(int socket)
{
	take(socket);
	return true;
}

static void test_death(void **state)
{
	fails_with(*state, play_death, NULL, ERROR_CHILD, "CRIU ended without an answer");
}

static bool play_nonsense(int socket)
{
	take(socket);
	return send(socket, "\xff\xff\xff", 3, 0) == 3;
}

static void test_nonsense(void **state)
{
	fails_with(*state, play_nonsense, NULL, ERROR_CHILD, "CRIU ended without an answer");
}

static bool play_version(int socket)
{
	const CriuRequest *request = take(socket);
	CriuVersion version = CRIU_VERSION__INIT;
	CriuResponse response = CRIU_RESPONSE__INIT;
	response.type = CRIU_REQUEST_TYPE__VERSION;
	response.success = true;
	response.version = &version;
	version.major_number = 4;
	version.minor_number = 2;
	say(socket, &response);
	return request && request->type == CRIU_REQUEST_TYPE__VERSION;
}

static void test_version(void **state)
{
	struct world *world = *state;
	struct criu_version version = { 0 };
	with(world, play_version);
	assert_int_equal(criu_ask_version(world->socket, &version, NULL), 0);
	check_child(world);
	assert_int_equal(version.major, 4);
	assert_int_equal(version.minor, 2);
}

static void test_find(void **state)
{
	struct error err = ERROR_INIT;
	(void)state;
	char *found = criu_find("/bin/sh", &err);
	assert_string_equal(found, "/bin/sh");
	free(found);
	assert_null(criu_find("/nonexistent/criu", &err));
	assert_int_equal(err.kind, ERROR_TECHNOLOGY);
	assert_non_null(strstr(err.message, "/nonexistent/criu"));
	error_clear(&err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_dump),       TEST(test_restore),
		TEST(test_step_fails), TEST(test_log),
		TEST(test_no_space),   TEST(test_no_reason),
		TEST(test_death),      TEST(test_nonsense),
		TEST(test_version),    cmocka_unit_test(test_find),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
