/*
 * Ownership that can be read off a declaration: a variable declared with one of these releases
 * what it holds when its scope ends. steal_ptr() and steal_fd() hand the content over.
 *
 *	autofree char *path = xasprintf("%s/%s", dir, name);
 *	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
 *	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define AUTO(release) __attribute__((cleanup(release)))

#define autofree AUTO(cleanup_free)
#define autoclose AUTO(cleanup_close)
#define autofclose AUTO(cleanup_fclose)
#define autoclosedir AUTO(cleanup_closedir)

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
	}
}

static inline void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define steal_ptr(pointer)                        \
	({                                        \
		__typeof__(pointer) _p = pointer; \
		(pointer) = NULL;                 \
		_p;                               \
	})

static inline int steal_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}
