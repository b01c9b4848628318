/*
 * visitor OPTIONS CTID ACTION…: goes into a VE as runtime/access/visit.h says and does one after the other, for tests/ve/test-visit:
 *
 *	run:LINE	a line for the VE's shell; what it prints, each line after "> "; its status as wait(2) has it
 *	script:FILE	a script of the host, with the argument "one"
 *	call:		a function of ours inside: says who and where it is
 *	hold:PATH	visit_hold(), with --wait
 *	tree:PATH	prints a file of the VE's tree as the host reads it
 *	until:FILE	waits until there is a file FILE on the host
 *	say:TEXT
 *	times:N		N visits as short as can be, each with the command "true": milliseconds
 *
 * A failure is said, with its kind, and what follows is done all the same. The exit status is 1 if there was one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/option.h"
#include "base/report.h"
#include "runtime/access/visit.h"

struct visitor {
	struct visit_spec spec;
	struct visit *visit;
	unsigned limit_s, wait_s;
	bool failed;
};

static void say_failure(struct visitor *visitor, const char *what, struct error *err)
{
	printf("%s: %s: %s\n", what, error_kind_name(err->kind), err->message);
	if (err->hint)
		printf("  hint: %s\n", err->hint);
	error_clear(err);
	visitor->failed = true;
}

static void print_line(const char *line, void *data)
{
	(void)data;
	printf("> %s\n", line);
	fflush(stdout);
}

static int run(struct visitor *visitor, const char *const *argv, int script, struct error *err)
{
	struct ve_result result = { 0 };
	struct ve_command command = {
		.argv = argv,
		.script = script,
		.input = -1,
		.time_limit_s = visitor->limit_s,
		.line = print_line,
	};
	if (visit_run(visitor->visit, &command, &result, err) < 0)
		return -1;
	printf("status %d\n", result.status);
	free(result.output);
	return 0;
}

static int run_line(struct visitor *visitor, const char *line, struct error *err)
{
	const char *const argv[] = { "sh", "-c", line, NULL };
	return run(visitor, argv, -1, err);
}

static int run_script(struct visitor *visitor, const char *path, struct error *err)
{
	const char *const argv[] = { "script", "one", NULL };
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "opening %s", path) : run(visitor, argv, fd, err);
}

static int inside(void *data, int channel, struct error *err)
{
	struct stat st;
	const char *wanted = data;
	if (*wanted)
		return error_set(err, ERROR_VALUE, "wanted: %s", wanted);
	if (stat("/etc/passwd", &st) < 0)
		return error_errno(err, errno, "looking at /etc/passwd");
	dprintf(channel, "inside: uid %u, owner %u, pid below 1000: %d\n", (unsigned)getuid(),
		(unsigned)st.st_uid, getpid() < 1000);
	return 0;
}

static void receive(const void *bytes, size_t size, void *data)
{
	(void)data;
	fwrite(bytes, 1, size, stdout);
}

static int call(struct visitor *visitor, const char *wanted, struct error *err)
{
	return visit_call(visitor->visit, inside, (void *)wanted, NULL, 0, receive, 20, err);
}

static int print_tree(struct visitor *visitor, const char *path, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	int tree = visit_tree(visitor->visit, err);
	if (tree < 0)
		return -1;
	autoclose int fd = open_in_root(tree, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "opening %s", path);
	if (file_read_fd(fd, path, 1 << 20, &text, err) < 0)
		return -1;
	fputs(text.text, stdout);
	return 0;
}

static int wait_for(const char *path, struct error *err)
{
	while (access(path, F_OK) < 0) {
		if (interrupt_check(err) < 0)
			return -1;
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	return 0;
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static int once(struct visitor *visitor, double *spent, struct error *err)
{
	const char *const argv[] = { "true", NULL };
	struct ve_command command = { .argv = argv, .script = -1, .input = -1 };
	struct ve_result result = { 0 };
	double begun = now();
	if (visit_open(&visitor->spec, &visitor->visit, err) < 0 ||
	    visit_run(visitor->visit, &command, &result, err) < 0)
		return -1;
	free(result.output);
	spent[0] = now() - begun;
	begun = now();
	int status = visit_run(visitor->visit, &command, &result, err);
	free(status < 0 ? NULL : result.output);
	spent[1] = now() - begun;
	begun = now();
	if (status < 0 || visit_close(steal_ptr(visitor->visit), err) < 0)
		return -1;
	spent[2] = now() - begun;
	return 0;
}

static int times(struct visitor *visitor, const char *text, struct error *err)
{
	enum { MOST = 1000 };
	size_t count = strtoul(text, NULL, 10);
	static double spent[3][MOST];
	visit_freep(&visitor->visit);
	for (size_t i = 0; i < count && i < MOST; i++) {
		double one[3];
		if (once(visitor, one, err) < 0)
			return -1;
		for (int j = 0; j < 3; j++)
			spent[j][i] = one[j];
	}
	for (int j = 0; j < 3; j++)
		qsort(spent[j], count, sizeof(double), compare);
	printf("opening with a command %.2f ms, another command %.2f ms, closing %.2f ms\n",
	       spent[0][count / 2], spent[1][count / 2], spent[2][count / 2]);
	return 0;
}

static int act(struct visitor *visitor, const char *action, struct error *err)
{
	const char *rest = strchr(action, ':') ? strchr(action, ':') + 1 : "";
	if (!strncmp(action, "run:", 4))
		return run_line(visitor, rest, err);
	if (!strncmp(action, "script:", 7))
		return run_script(visitor, rest, err);
	if (!strncmp(action, "call:", 5))
		return call(visitor, rest, err);
	if (!strncmp(action, "hold:", 5))
		return visit_hold(visitor->visit, rest, visitor->wait_s, err);
	if (!strncmp(action, "tree:", 5))
		return print_tree(visitor, rest, err);
	if (!strncmp(action, "until:", 6))
		return wait_for(rest, err);
	if (!strncmp(action, "times:", 6))
		return times(visitor, rest, err);
	if (!strncmp(action, "say:", 4))
		return puts(rest) < 0;
	return error_set(err, ERROR_USAGE, "there is no action %s", action);
}

static void act_all(struct visitor *visitor, const struct strvec *words)
{
	struct error err = ERROR_INIT;
	if (visit_open(&visitor->spec, &visitor->visit, &err) < 0) {
		say_failure(visitor, "open", &err);
		return;
	}
	puts(visit_is_running(visitor->visit) ? "it runs" : "it does not run");
	fflush(stdout);
	for (size_t i = 1; i < words->count; i++) {
		if (act(visitor, words->items[i], &err) < 0)
			say_failure(visitor, words->items[i], &err);
		fflush(stdout);
	}
	if (visit_close(visitor->visit, &err) < 0)
		say_failure(visitor, "close", &err);
}

int main(int argc, char **argv)
{
	AUTO(host_config_release) struct host_config host = HOST_CONFIG_INIT;
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct visitor visitor = { .wait_s = 1 };
	const char *conf = NULL, *libexec = NULL, *policy = NULL;
	unsigned memory_mb = 0;
	struct visit_spec *spec = &visitor.spec;
	struct option_row rows[] = {
		{ "conf", 0, OPTION_STRING, &conf, "FILE", "" },
		{ "libexec", 0, OPTION_STRING, &libexec, "DIR", "" },
		{ "shown", 0, OPTION_STRING, &spec->shown, "DIR", "" },
		{ "target", 0, OPTION_STRING, &spec->target, "PATH", "" },
		{ "policy", 0, OPTION_STRING, &policy, "FILE", "" },
		{ "timeout", 0, OPTION_NUMBER, &spec->timeout_s, "S", "" },
		{ "limit", 0, OPTION_NUMBER, &visitor.limit_s, "S", "" },
		{ "wait", 0, OPTION_NUMBER, &visitor.wait_s, "S", "" },
		{ "memory", 0, OPTION_NUMBER, &memory_mb, "MB", "" },
		{ "skip-lock", 0, OPTION_FLAG, &spec->skip_lock, NULL, "" },
		{ NULL },
	};
	interrupt_setup();
	if (options_parse(rows, NULL, argc - 1, argv + 1, &words, &err) < 0 ||
	    host_config_load(&host, conf, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 2;
	}
	struct ve_bind bind = { .source = policy, .target = "/usr/sbin/policy-rc.d" };
	free(host.libexec_dir);
	host.libexec_dir = xstrdup(libexec ?: "");
	spec->host = &host;
	spec->target = spec->target ?: "/run/vzpkg";
	spec->ctid = words.count ? (unsigned)strtoul(words.items[0], NULL, 10) : 0;
	spec->memory_max = (uint64_t)memory_mb << 20;
	if (policy) {
		spec->binds = &bind;
		spec->bind_count = 1;
	}
	act_all(&visitor, &words);
	if (interrupt_pending())
		interrupt_die();
	return visitor.failed;
}
