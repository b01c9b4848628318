/* A folder to work in, and tests/lib/faulty-server serving DIR/root from it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"

struct world {
	char *dir;
	int fd; /* of DIR */
	int dest; /* of DIR/dest */
	pid_t server;
	unsigned port;
};

static inline void must(int status, struct error *err)
{
	if (status < 0)
		fail_msg("%s: %s", error_kind_name(err->kind), err->message);
}

static inline void put(const struct world *world, const char *path, const void *data, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	must(file_write_atomic(world->fd, path, 0644, data, size, &err), &err);
}

static inline void put_text(const struct world *world, const char *path, const char *text)
{
	put(world, path, text, strlen(text));
}

static inline char *get(const struct world *world, const char *path, size_t *size)
{
	struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	must(file_read(world->fd, path, SIZE_MAX / 2, &text, &err), &err);
	if (size)
		*size = text.length;
	return strbuf_detach(&text);
}

static inline bool exists(const struct world *world, const char *path)
{
	return faccessat(world->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline void run_server(const struct world *world)
{
	const char *top = getenv("VZPKG_TOP");
	autofree char *program = xasprintf("%s/tests/lib/faulty-server", top ? top : ".");
	autofree char *root = xasprintf("%s/root", world->dir);
	autofree char *port = xasprintf("%s/port", world->dir);
	autofree char *rules = xasprintf("%s/rules", world->dir);
	autofree char *log = xasprintf("%s/log", world->dir);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl(program, program, "--root", root, "--port-file", port, "--rules", rules, "--log", log,
	      NULL);
	_exit(127);
}

static inline void start_server(struct world *world)
{
	world->server = fork();
	assert_true(world->server >= 0);
	if (world->server == 0)
		run_server(world);
	for (int i = 0; i < 2000 && !exists(world, "port"); i++)
		usleep(10000);
	autofree char *text = get(world, "port", NULL);
	world->port = (unsigned)strtoul(text, NULL, 10);
	assert_true(world->port > 0);
}

static inline void make_world(struct world *world)
{
	const char *tmp = getenv("TMPDIR");
	AUTO(error_clear) struct error err = ERROR_INIT;
	world->dir = xasprintf("%s/vzpkg-fetch.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(world->dir));
	world->fd = dir_open(AT_FDCWD, world->dir, false, 0, &err);
	must(world->fd, &err);
	world->dest = dir_open(world->fd, "dest", true, 0755, &err);
	must(world->dest, &err);
	assert_int_equal(mkdirat(world->fd, "root", 0755), 0);
	world->server = -1;
}

static inline void end_world(struct world *world)
{
	if (world->server > 0) {
		kill(world->server, SIGKILL);
		waitpid(world->server, NULL, 0);
	}
	close(world->dest);
	close(world->fd);
	AUTO(error_clear) struct error err = ERROR_INIT;
	must(tree_remove(AT_FDCWD, world->dir, &err), &err);
	free(world->dir);
}

/* How many lines of the server's log hold `word`. */
static inline unsigned logged(const struct world *world, const char *word)
{
	autofree char *text = get(world, "log", NULL);
	unsigned count = 0;
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n")))
		count += strstr(line, word) != NULL;
	return count;
}
