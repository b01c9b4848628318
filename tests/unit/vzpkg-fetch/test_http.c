#include "tests/unit/vzpkg-fetch/server.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/interrupt.h"
#include "base/report.h"
#include "vzpkg/fetch/http.h"

enum { SIZE = 300000 };

struct fixture {
	struct world world;
	char *data; /* SIZE bytes: root/a/file and root/b/file */
	struct fetcher *fetcher;
	struct fetch_request request;
	struct error err;
};

static char *make_data(unsigned seed)
{
	char *data = xmalloc(SIZE);
	for (size_t i = 0; i < SIZE; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = (char)(seed >> 16);
	}
	return data;
}

static void add_url(struct fixture *f, struct fetch_request *request, const char *path)
{
	strvec_pushf(&request->urls, "http://127.0.0.1:%u/%s", f->world.port, path);
}

/* The request for a/file, of which everything is known. */
static void whole_request(struct fixture *f)
{
	f->request = (struct fetch_request){
		.dirfd = f->world.dest, .name = "file", .size = SIZE, .size_limit = 10 * SIZE
	};
	digest_data(DIGEST_SHA256, f->data, SIZE, &f->request.digest);
	add_url(f, &f->request, "a/file");
}

static void unknown_request(struct fixture *f)
{
	f->request.size = 0;
	f->request.digest = DIGEST_INIT;
}

static void options(struct fixture *f, struct fetch_options with)
{
	fetcher_freep(&f->fetcher);
	f->fetcher = fetcher_new(&with, &f->err);
	assert_non_null(f->fetcher);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	make_world(&f->world);
	f->data = make_data(1);
	mkdirat(f->world.fd, "root/a", 0755);
	mkdirat(f->world.fd, "root/b", 0755);
	put(&f->world, "root/a/file", f->data, SIZE);
	put(&f->world, "root/b/file", f->data, SIZE);
	start_server(&f->world);
	options(f, (struct fetch_options){ .retries = 1, .stall_timeout_s = 1 });
	whole_request(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	fetcher_free(f->fetcher);
	fetch_request_release(&f->request);
	error_clear(&f->err);
	end_world(&f->world);
	free(f->data);
	free(f);
	return 0;
}

static void rules(struct fixture *f, const char *text)
{
	put_text(&f->world, "rules", text);
}

static int fetch(struct fixture *f)
{
	error_clear(&f->err);
	return fetch_run(f->fetcher, &f->request, 1, NULL, &f->err);
}

static void assert_has(const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text ? text : "(null)");
}

static void assert_content(struct fixture *f, const char *path)
{
	size_t size;
	autofree char *got = get(&f->world, path, &size);
	assert_int_equal(size, SIZE);
	assert_memory_equal(got, f->data, SIZE);
}

static void assert_done(struct fixture *f)
{
	must(fetch(f), &f->err);
	assert_int_equal(f->request.state, FETCH_DONE);
	assert_content(f, "dest/file");
	assert_false(exists(&f->world, "dest/file.part"));
}

static void assert_fails(struct fixture *f, enum error_kind kind, const char *why)
{
	assert_int_equal(fetch(f), -1);
	assert_string_equal(error_kind_name(f->err.kind), error_kind_name(kind));
	assert_has(f->err.message, why);
	assert_non_null(f->err.hint);
	assert_int_equal(f->request.state, FETCH_FAILED);
	assert_false(exists(&f->world, "dest/file"));
}

static void from_mirror_b(struct fixture *f)
{
	add_url(f, &f->request, "b/file");
	assert_done(f);
	assert_string_equal(f->request.url, f->request.urls.items[1]);
}

/* ---- what goes well ---- */

static void test_many(void **state)
{
	enum { COUNT = 40 };
	struct fixture *f = *state;
	struct fetch_request requests[COUNT] = { 0 };
	for (int i = 0; i < COUNT; i++) {
		requests[i] = f->request;
		requests[i].urls = STRVEC_INIT;
		add_url(f, &requests[i], "a/file");
		requests[i].name = xasprintf("file%d", i);
	}
	must(fetch_run(f->fetcher, requests, COUNT, NULL, &f->err), &f->err);
	for (int i = 0; i < COUNT; i++) {
		autofree char *path = xasprintf("dest/%s", requests[i].name);
		assert_content(f, path);
		assert_int_equal(requests[i].received, SIZE);
		fetch_request_release(&requests[i]);
		free((char *)requests[i].name);
	}
	assert_int_equal(logged(&f->world, "GET"), COUNT);
	assert_int_equal(logged(&f->world, "connection=9 "), 0);
}

static void test_connection_is_kept(void **state)
{
	struct fixture *f = *state;
	assert_done(f);
	assert_done(f);
	assert_int_equal(logged(&f->world, "connection=1"), 2);
}

static void test_digest_is_computed(void **state)
{
	struct fixture *f = *state;
	struct digest digest = f->request.digest;
	unknown_request(f);
	assert_done(f);
	assert_true(digest_equal(&f->request.got, &digest));
	digest_data(DIGEST_MD5, f->data, SIZE, &f->request.digest);
	assert_done(f);
	assert_int_equal(f->request.got.kind, DIGEST_MD5);
}

static void test_empty_file(void **state)
{
	struct fixture *f = *state;
	put(&f->world, "root/a/file", "", 0);
	unknown_request(f);
	must(fetch(f), &f->err);
	assert_int_equal(f->request.state, FETCH_DONE);
	size_t size;
	autofree char *got = get(&f->world, "dest/file", &size);
	assert_int_equal(size, 0);
}

static void test_chunked(void **state)
{
	struct fixture *f = *state;
	rules(f, "* chunked\n");
	assert_done(f);
}

static void test_redirect(void **state)
{
	struct fixture *f = *state;
	rules(f, "a/file redirect /b/file\n");
	assert_done(f);
	assert_int_equal(logged(&f->world, "GET /b/file 200"), 1);
}

static void test_file_url(void **state)
{
	struct fixture *f = *state;
	strvec_release(&f->request.urls);
	strvec_pushf(&f->request.urls, "file://%s/root/none", f->world.dir);
	assert_fails(f, ERROR_FETCH, "not found");
	f->request.optional = true;
	must(fetch(f), &f->err);
	assert_int_equal(f->request.state, FETCH_MISSING);
	strvec_pushf(&f->request.urls, "file://%s/root/%%61/file", f->world.dir);
	assert_done(f);
}

static void test_mode_does_not_follow_umask(void **state)
{
	struct fixture *f = *state;
	mode_t old = umask(077);
	assert_done(f);
	umask(old);
	struct stat st;
	assert_int_equal(fstatat(f->world.dest, "file", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
}

static int refuse_done(struct fetch_request *request, void *data, struct error *err)
{
	struct fixture *f = data;
	assert_int_equal(request->state, FETCH_DONE);
	assert_content(f, "dest/file");
	return error_set(err, ERROR_GATE, "no");
}

static void test_done_ends_the_run(void **state)
{
	struct fixture *f = *state;
	f->request.done = refuse_done;
	f->request.data = f;
	assert_int_equal(fetch(f), -1);
	assert_int_equal(f->err.kind, ERROR_GATE);
}

static void test_progress(void **state)
{
	struct fixture *f = *state;
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	struct report_options with = { .program = "test", .quiet = true, .progress_fd = fds[1] };
	struct report *report = report_new(&with);
	report_phase(report, "downloading", REPORT_BYTES, 0, 100);
	must(fetch_run(f->fetcher, &f->request, 1, report, &f->err), &f->err);
	report_phase_end(report);
	report_free(report);
	close(fds[1]);
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	must(file_read_fd(fds[0], "pipe", SIZE, &text, &f->err), &f->err);
	close(fds[0]);
	assert_has(text.text, "percent=100 stage=downloading");
}

/* ---- mirrors and tries ---- */

static void test_other_mirror(void **state)
{
	static const char *const faults[] = {
		"404",        "403",  "500",     "truncate 1000", "corrupt 200000",    "long 5",
		"announce 7", "drop", "garbage", "stall-before",  "stall-after 100000"
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		autofree char *rule = xasprintf("a/* %s\n", faults[i]);
		rules(f, rule);
		fetch_request_release(&f->request);
		whole_request(f);
		options(f, (struct fetch_options){ .retries = 1, .stall_timeout_s = 1 });
		from_mirror_b(f);
		unlinkat(f->world.dest, "file", 0);
	}
}

/* The continuation of what another mirror began is right because the digest says so. */
static void test_continued_at_other_mirror(void **state)
{
	struct fixture *f = *state;
	rules(f, "a/* truncate 100000\n");
	from_mirror_b(f);
	assert_int_equal(logged(&f->world, "GET /b/file 206 connection=2 range=bytes=100000-"), 1);
	assert_int_equal(f->request.received, SIZE);
}

static void test_dead_mirror_is_asked_last(void **state)
{
	struct fixture *f = *state;
	strvec_release(&f->request.urls);
	strvec_push(&f->request.urls, "http://127.0.0.1:1/file");
	add_url(f, &f->request, "a/file");
	assert_done(f);
	rules(f, "a/* 404\n");
	unlinkat(f->world.dest, "file", 0);
	assert_fails(f, ERROR_FETCH, "no connection");
	assert_has(f->err.message, "not found (HTTP 404)");
	assert_int_equal(logged(&f->world, "GET"), 2);
}

static void test_tried_again(void **state)
{
	static const char *const faults[] = { "500", "503", "drop", "stall-before", "truncate 5" };
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		autofree char *rule = xasprintf("a/* %s 1\n", faults[i]);
		rules(f, rule);
		assert_done(f);
	}
}

static void test_given_up(void **state)
{
	struct fixture *f = *state;
	rules(f, "a/* 500\n");
	f->request.title = "the file";
	assert_fails(f, ERROR_FETCH, "the server failed (HTTP 500) (2 tries)");
	assert_has(f->err.message, "fetching the file: http://127.0.0.1");
	assert_has(f->err.subject, "/a/file");
	assert_int_equal(logged(&f->world, "GET"), 2);
}

static void test_missing(void **state)
{
	struct fixture *f = *state;
	rules(f, "* 404\n");
	add_url(f, &f->request, "b/file");
	assert_fails(f, ERROR_FETCH, "not found (HTTP 404)");
	assert_int_equal(logged(&f->world, "GET"), 2);
	f->request.optional = true;
	must(fetch(f), &f->err);
	assert_int_equal(f->request.state, FETCH_MISSING);
	rules(f, "a/* 404\nb/* 500\n");
	assert_fails(f, ERROR_FETCH, "HTTP 500");
}

/* ---- continued parts ---- */

static void test_stalled_and_continued(void **state)
{
	struct fixture *f = *state;
	rules(f, "a/* stall-after 100000 1\n");
	assert_done(f);
	assert_int_equal(logged(&f->world, "206 connection=2 range=bytes=100000- if-range="), 1);
	assert_int_equal(f->request.received, SIZE);
}

static void test_part_of_an_earlier_run(void **state)
{
	struct fixture *f = *state;
	put(&f->world, "dest/file.part", f->data, 200000);
	assert_done(f);
	assert_int_equal(f->request.received, 100000);
	put(&f->world, "dest/file.part", f->data, SIZE);
	assert_done(f);
	assert_int_equal(f->request.received, 0);
	assert_int_equal(logged(&f->world, "GET"), 1);
}

static void test_part_of_something_else(void **state)
{
	struct fixture *f = *state;
	autofree char *other = make_data(2), *longer = xcalloc(1, SIZE + 1);
	put(&f->world, "dest/file.part", other, 200000);
	assert_done(f);
	assert_int_equal(f->request.received, 100000 + SIZE);
	put(&f->world, "dest/file.part", other, SIZE);
	assert_done(f);
	put(&f->world, "dest/file.part", longer, SIZE + 1);
	assert_done(f);
}

static void test_part_is_kept(void **state)
{
	struct fixture *f = *state;
	rules(f, "a/* stall-after 100000\n");
	options(f, (struct fetch_options){ .retries = 1, .stall_timeout_s = 1 });
	assert_fails(f, ERROR_FETCH, "stalled: no byte came for 1 s");
	assert_true(exists(&f->world, "dest/file.part"));
	rules(f, "");
	assert_done(f);
	assert_true(f->request.received < SIZE);
}

static void test_range_is_ignored(void **state)
{
	struct fixture *f = *state;
	rules(f, "* no-range\n");
	put(&f->world, "dest/file.part", f->data, 200000);
	assert_done(f);
	assert_int_equal(f->request.received, SIZE);
}

static void test_wrong_range(void **state)
{
	struct fixture *f = *state;
	rules(f, "* wrong-range\n");
	put(&f->world, "dest/file.part", f->data, 200000);
	assert_done(f);
}

static void test_unknown_digest_is_continued_by_version(void **state)
{
	struct fixture *f = *state;
	unknown_request(f);
	rules(f, "a/* truncate 100000 1\n");
	assert_done(f);
	assert_int_equal(logged(&f->world, "206"), 1);
	/* Bytes of nobody knows which version are of no use. */
	autofree char *other = make_data(2);
	put(&f->world, "dest/file.part", other, 1000);
	assert_done(f);
	assert_int_equal(f->request.received, SIZE);
	rules(f, "a/* truncate 100000 2\n* no-validators\n");
	options(f, (struct fetch_options){ .retries = 2 });
	assert_done(f);
	assert_int_equal(logged(&f->world, "206"), 1);
}

static void test_changed_while_it_came(void **state)
{
	struct fixture *f = *state;
	autofree char *other = make_data(2);
	put(&f->world, "root/v0", other, SIZE);
	put(&f->world, "root/v1", f->data, SIZE);
	rules(f, "a/* redirect /v{n}\nv0 truncate 100000\n");
	unknown_request(f);
	assert_done(f);
	assert_int_equal(logged(&f->world, "GET /v1 200 connection=2 range=bytes=100000-"), 1);
}

/* ---- what is refused ---- */

static void test_wrong_content(void **state)
{
	struct fixture *f = *state;
	rules(f, "* corrupt 150000\n");
	assert_fails(f, ERROR_TRUST, "wrong content: its sha256 is ");
	char hex[DIGEST_MAX * 2 + 1];
	assert_has(f->err.message, digest_hex(&f->request.digest, hex));
	assert_false(exists(&f->world, "dest/file.part"));
}

static void test_cut_short(void **state)
{
	struct fixture *f = *state;
	rules(f, "* truncate 1000\n* no-range\n");
	assert_fails(f, ERROR_FETCH, "cut short at 1000 of 300000 bytes");
	unknown_request(f);
	assert_fails(f, ERROR_FETCH, "cut short at 1000 of 300000 bytes");
}

static void test_too_long(void **state)
{
	struct fixture *f = *state;
	rules(f, "* long 1\n");
	assert_fails(f, ERROR_FETCH, "more than the 300000 bytes that it must have");
	unlinkat(f->world.dest, "file.part", 0);
	rules(f, "* announce 300001\n");
	assert_fails(f, ERROR_FETCH, "announces 300001 bytes, but it must have 300000");
	unknown_request(f);
	f->request.size_limit = SIZE - 1;
	rules(f, "");
	assert_fails(f, ERROR_FETCH, "announces 300000 bytes, more than the 299999");
	rules(f, "* chunked\n");
	assert_fails(f, ERROR_FETCH, "more than the 299999 bytes that are allowed");
	f->request.size = SIZE;
	assert_int_equal(fetch(f), -1);
	assert_has(f->err.message, "more than the 299999 that are allowed");
}

static void test_redirects(void **state)
{
	struct fixture *f = *state;
	rules(f, "* redirect /a/file\n");
	assert_fails(f, ERROR_FETCH, "redirected too often");
	assert_int_equal(logged(&f->world, "GET"), 6);
	autofree char *rule = xasprintf("* redirect file://%s/root/a/file\n", f->world.dir);
	rules(f, rule);
	assert_fails(f, ERROR_FETCH, "file");
	rules(f, "* redirect ftp://127.0.0.1/file\n");
	assert_fails(f, ERROR_FETCH, "ftp");
}

static void test_scheme(void **state)
{
	static const char *const urls[] = { "ftp://127.0.0.1/x", "/etc/passwd", "scp://u:p@h/x" };
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		strvec_release(&f->request.urls);
		strvec_push(&f->request.urls, urls[i]);
		assert_int_equal(fetch(f), -1);
		assert_int_equal(f->err.kind, ERROR_URL);
		assert_null(strstr(f->err.message, "u:p@"));
	}
}

static void test_unknown_host(void **state)
{
	struct fixture *f = *state;
	strvec_release(&f->request.urls);
	strvec_push(&f->request.urls, "http://user:secret@no-such-host.invalid/file");
	assert_fails(f, ERROR_FETCH,
		     "http://no-such-host.invalid/file: the server's name cannot be");
	assert_null(strstr(f->err.message, "secret"));
}

static void test_unsolicited_status(void **state)
{
	struct fixture *f = *state;
	rules(f, "* 206\n");
	assert_fails(f, ERROR_FETCH, "another part of the file");
	rules(f, "* 304\n");
	assert_fails(f, ERROR_FETCH, "HTTP 304");
	rules(f, "* 204\n");
	assert_fails(f, ERROR_FETCH, "HTTP 204");
}

/* ---- conditional requests ---- */

static enum fetch_state revalidate(struct fixture *f)
{
	f->request.revalidate = true;
	unknown_request(f);
	must(fetch(f), &f->err);
	return f->request.state;
}

static void test_revalidate(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(revalidate(f), FETCH_DONE);
	autofree char *sidecar = get(&f->world, "dest/file.fetched", NULL);
	assert_has(sidecar, "etag \"");
	assert_has(sidecar, "last-modified ");
	assert_has(sidecar, f->request.urls.items[0]);
	struct digest digest = f->request.got;
	assert_int_equal(revalidate(f), FETCH_NOT_MODIFIED);
	assert_true(digest_equal(&f->request.got, &digest));
	assert_int_equal(f->request.received, 0);
	free(f->data);
	f->data = make_data(3);
	put(&f->world, "root/a/file", f->data, SIZE);
	assert_int_equal(revalidate(f), FETCH_DONE);
	assert_content(f, "dest/file");
	assert_int_equal(revalidate(f), FETCH_NOT_MODIFIED);
}

static void test_revalidate_is_bound_to_the_content(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(revalidate(f), FETCH_DONE);
	put_text(&f->world, "dest/file", "changed");
	assert_int_equal(revalidate(f), FETCH_DONE);
	assert_content(f, "dest/file");
	put_text(&f->world, "dest/file.fetched", "url\n\netag x\nsha256 zz\n");
	assert_int_equal(revalidate(f), FETCH_DONE);
	rules(f, "* no-validators\n");
	put_text(&f->world, "dest/file", "changed");
	assert_int_equal(revalidate(f), FETCH_DONE);
	assert_false(exists(&f->world, "dest/file.fetched"));
}

/* What one mirror calls a version says nothing about another's. */
static void test_revalidate_is_bound_to_the_url(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(revalidate(f), FETCH_DONE);
	strvec_release(&f->request.urls);
	add_url(f, &f->request, "b/file");
	assert_int_equal(revalidate(f), FETCH_DONE);
	assert_int_equal(logged(&f->world, "if-none-match"), 0);
}

/* ---- signals, other processes, full disks ---- */

/* Runs in a child, so that what it does to its process stays there. */
static int child_fetch(struct fixture *f)
{
	AUTO(fetcher_freep)
	struct fetcher *own = fetcher_new(&(struct fetch_options){ .stall_timeout_s = 20 }, NULL);
	AUTO(error_clear) struct error err = ERROR_INIT;
	fetch_run(own, &f->request, 1, NULL, &err);
	return (int)err.kind;
}

static int wait_for(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_interrupted(void **state)
{
	struct fixture *f = *state;
	rules(f, "* stall-after 100000\n");
	pid_t pid = fork();
	if (pid == 0) {
		interrupt_setup();
		_exit(child_fetch(f));
	}
	struct stat st = { 0 };
	for (int i = 0; i < 1000 && st.st_size < 100000; i++) {
		fstatat(f->world.dest, "file.part", &st, 0);
		usleep(10000);
	}
	kill(pid, SIGTERM);
	assert_int_equal(wait_for(pid), ERROR_INTERRUPTED);
	assert_false(exists(&f->world, "dest/file"));
	assert_true(exists(&f->world, "dest/file.part"));
	rules(f, "");
	assert_done(f);
	assert_int_equal(f->request.received, SIZE - 100000);
}

static void test_several_processes(void **state)
{
	enum { CHILDREN = 5 };
	struct fixture *f = *state;
	pid_t pids[CHILDREN];
	rules(f, "* slow 400000\n");
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			usleep((useconds_t)i * 100000);
			_exit(child_fetch(f));
		}
	}
	for (int i = 0; i < CHILDREN; i++)
		assert_int_equal(wait_for(pids[i]), ERROR_NONE);
	assert_content(f, "dest/file");
	assert_false(exists(&f->world, "dest/file.part"));
	assert_false(exists(&f->world, "dest/file.part1"));
}

static void test_part_of_a_killed_process(void **state)
{
	struct fixture *f = *state;
	put(&f->world, "dest/file.part1", f->data, 1000);
	put(&f->world, "dest/file.part7", f->data, 1000);
	assert_done(f);
	assert_false(exists(&f->world, "dest/file.part1"));
	assert_false(exists(&f->world, "dest/file.part7"));
}

/* A file system of 128 KiB, in mounts of its own. */
static int fetch_into_small(struct fixture *f)
{
	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return ERROR_KINDS;
	autofree char *path = xasprintf("%s/dest", f->world.dir);
	if (mount("small", path, "tmpfs", 0, "size=128k") < 0)
		return ERROR_KINDS;
	f->request.dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return child_fetch(f);
}

static void test_no_space(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork();
	if (pid == 0)
		_exit(fetch_into_small(f));
	assert_int_equal(wait_for(pid), ERROR_NO_SPACE);
}

static void test_folder_not_writable(void **state)
{
	struct fixture *f = *state;
	f->request.dirfd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fetch(f), -1);
	assert_has(f->err.message, "fetching file: opening file.part");
	close(f->request.dirfd);
}

static void test_rate_limit(void **state)
{
	struct fixture *f = *state;
	options(f, (struct fetch_options){ .rate_limit = 600000, .stall_timeout_s = 2 });
	assert_done(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_many),
		TEST(test_connection_is_kept),
		TEST(test_digest_is_computed),
		TEST(test_empty_file),
		TEST(test_chunked),
		TEST(test_redirect),
		TEST(test_file_url),
		TEST(test_mode_does_not_follow_umask),
		TEST(test_done_ends_the_run),
		TEST(test_progress),
		TEST(test_other_mirror),
		TEST(test_continued_at_other_mirror),
		TEST(test_dead_mirror_is_asked_last),
		TEST(test_tried_again),
		TEST(test_given_up),
		TEST(test_missing),
		TEST(test_stalled_and_continued),
		TEST(test_part_of_an_earlier_run),
		TEST(test_part_of_something_else),
		TEST(test_part_is_kept),
		TEST(test_range_is_ignored),
		TEST(test_wrong_range),
		TEST(test_unknown_digest_is_continued_by_version),
		TEST(test_changed_while_it_came),
		TEST(test_wrong_content),
		TEST(test_cut_short),
		TEST(test_too_long),
		TEST(test_redirects),
		TEST(test_scheme),
		TEST(test_unknown_host),
		TEST(test_unsolicited_status),
		TEST(test_revalidate),
		TEST(test_revalidate_is_bound_to_the_content),
		TEST(test_revalidate_is_bound_to_the_url),
		TEST(test_interrupted),
		TEST(test_several_processes),
		TEST(test_part_of_a_killed_process),
		TEST(test_no_space),
		TEST(test_folder_not_writable),
		TEST(test_rate_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
