/*
 * What the tests of VEs share: a tree whose programs are the host's /usr shown read-only, a lock folder,
 * and a VE made of them. Needs root.
 */
#pragma once

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/ve.h"

struct fixture {
	char *dir; /* of everything */
	char *lock_dir;
	char *init;
	char *self; /* folder of the test program, to be shown inside */
	int tree;
	struct ve_bind binds[2];
};

static inline char *fixture_self(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	assert_true(length > 0);
	path[length] = 0;
	return xstrdup(path);
}

static inline char *fixture_init(const char *self)
{
	const char *given = getenv("VZINIT");
	autofree char *copy = xstrdup(self);
	return given ? xstrdup(given) : xasprintf("%s/../../libexec/vzpkg/vzinit", dirname(copy));
}

static inline void fixture_setup(struct fixture *fixture)
{
	static const char *const links[][2] = { { "usr/bin", "bin" },
						{ "usr/sbin", "sbin" },
						{ "usr/lib", "lib" },
						{ "usr/lib64", "lib64" } };
	const char *top = getenv("TMPDIR");
	autofree char *self = fixture_self();
	autofree char *copy = xstrdup(self);

	fixture->dir = xasprintf("%s/test-ve.XXXXXX", top ? top : "/dev/shm");
	assert_non_null(mkdtemp(fixture->dir));
	fixture->lock_dir = xasprintf("%s/lock", fixture->dir);
	fixture->init = fixture_init(self);
	fixture->self = xstrdup(dirname(copy));
	autofree char *tree = xasprintf("%s/tree", fixture->dir);
	assert_int_equal(mkdir(tree, 0755), 0);
	fixture->tree = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fixture->tree >= 0);
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		assert_int_equal(symlinkat(links[i][0], fixture->tree, links[i][1]), 0);
	fixture->binds[0] = (struct ve_bind){ "/usr", "/usr", false };
	fixture->binds[1] = (struct ve_bind){ fixture->self, "/run/test", false };
}

static inline void fixture_release(struct fixture *fixture)
{
	close(fixture->tree);
	assert_int_equal(tree_remove(AT_FDCWD, fixture->dir, NULL), 0);
	free(fixture->dir);
	free(fixture->lock_dir);
	free(fixture->init);
	free(fixture->self);
}

static inline struct ve_spec fixture_spec(struct fixture *fixture)
{
	return (struct ve_spec){
		.name = "test",
		.tree = fixture->tree,
		.init = fixture->init,
		.lock_dir = fixture->lock_dir,
		.binds = fixture->binds,
		.bind_count = 2,
		.no_sync = true,
	};
}

/* Fails the test with the error's words. */
static inline void assert_done(int result, struct error *err)
{
	if (result < 0)
		fail_msg("%s: %s (%s)", error_kind_name(err->kind), err->message,
			 err->hint ? err->hint : "no hint");
}

static inline struct ve *fixture_start(const struct ve_spec *spec)
{
	struct error err = ERROR_INIT;
	struct ve *ve = NULL;
	assert_done(ve_start(spec, &ve, &err), &err);
	return ve;
}

/* Runs a shell command line in the VE; returns what it printed. */
static inline char *fixture_shell(struct ve *ve, const char *line, int *status)
{
	struct error err = ERROR_INIT;
	const char *const argv[] = { "sh", "-c", line, NULL };
	struct ve_command command = { .argv = argv, .script = -1, .input = -1, .time_limit_s = 60 };
	struct ve_result result = { 0 };
	assert_done(ve_run(ve, &command, &result, &err), &err);
	if (status)
		*status = result.status;
	return result.output;
}

/* Control groups of tests that are there, over all hierarchies. */
static inline unsigned fixture_groups(void)
{
	unsigned count = 0;
	autofclose FILE *file = NULL;
	int pipe_ends[2];
	assert_int_equal(pipe(pipe_ends), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(pipe_ends[1], 1);
		execlp("find", "find", "/sys/fs/cgroup", "-name", "vzpkg-test-*", NULL);
		_exit(127);
	}
	close(pipe_ends[1]);
	file = fdopen(pipe_ends[0], "r");
	for (int c; (c = getc(file)) != EOF;)
		count += c == '\n';
	assert_int_equal(waitpid(child, NULL, 0), child);
	return count;
}

static inline unsigned fixture_entries(const char *path)
{
	unsigned count = 0;
	autoclosedir DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	return count;
}
