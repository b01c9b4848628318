/* What tests share: a folder of their own, and children that end with a status. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

struct scratch {
	char *path;
	int dir;
};

static inline int scratch_setup(void **state)
{
	const char *top = getenv("TMPDIR");
	struct scratch *scratch = xcalloc(1, sizeof(*scratch));
	scratch->path = xasprintf("%s/vzpkg-unit.XXXXXX", top && *top ? top : "/dev/shm");
	assert_non_null(mkdtemp(scratch->path));
	scratch->dir = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(scratch->dir >= 0);
	*state = scratch;
	return 0;
}

static inline int scratch_teardown(void **state)
{
	struct scratch *scratch = *state;
	close(scratch->dir);
	int ret = tree_remove(AT_FDCWD, scratch->path, NULL);
	free(scratch->path);
	free(scratch);
	return ret;
}

#define scratch_test(function) \
	cmocka_unit_test_setup_teardown(function, scratch_setup, scratch_teardown)

static inline void put_file(int dir, const char *name, const char *text)
{
	autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text), name, NULL), 0);
}

static inline bool exists(int dir, const char *name)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline void assert_content(int dir, const char *name, const char *expected)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	assert_int_equal(file_read(dir, name, 1 << 24, &text, NULL), 0);
	assert_string_equal(text.text, expected);
}

/* The wait status of a child that runs `function`; what that returns is its exit status. */
static inline int in_child(int (*function)(void *data), void *data)
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(function(data));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#define assert_exit(wait_status, code)                        \
	do {                                                  \
		int _status = (wait_status);                  \
		assert_true(WIFEXITED(_status));              \
		assert_int_equal(WEXITSTATUS(_status), code); \
	} while (0)
