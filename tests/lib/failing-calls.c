/*
 * LD_PRELOAD for vzpkg: its N-th call that changes a file below a folder fails, and so do the COUNT - 1 after it, in
 * whichever of its processes (but none inside of a VE, which see no such folder).
 *
 *	FAULT_BELOW	the folder
 *	FAULT_STATE	a file of 8 zero bytes: the number of calls so far
 *	FAULT_AT	N; 0: only count
 *	FAULT_COUNT	how many
 *	FAULT_ERRNO	what they say
 *	FAULT_LOG	a line for each that failed: number, call, path
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic uint64_t *state;
static const char *below, *log_file;
static uint64_t at, count;
static int number;

static uint64_t value(const char *name)
{
	const char *text = getenv(name);
	return text ? strtoull(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
	const char *file = getenv("FAULT_STATE");
	int fd = file && !strcmp(program_invocation_short_name, "vzpkg")
			 ? open(file, O_RDWR | O_CLOEXEC)
			 : -1;

	if (fd < 0)
		return;
	below = getenv("FAULT_BELOW");
	log_file = getenv("FAULT_LOG");
	at = value("FAULT_AT");
	count = value("FAULT_COUNT");
	number = (int)value("FAULT_ERRNO");
	void *memory = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED)
		state = memory;
}

/* The path of what is at `path` in `dir`; of `dir` itself without one. */
static void path_of(int dir, const char *path, char text[PATH_MAX])
{
	char link[64];
	ssize_t length = 0;

	if (!path || *path != '/') {
		if (dir == AT_FDCWD)
			strcpy(link, "/proc/self/cwd");
		else
			snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
		length = readlink(link, text, PATH_MAX - 1);
		if (length < 0)
			length = 0;
		if (path && length < PATH_MAX - 1)
			text[length++] = '/';
	}
	snprintf(text + length, PATH_MAX - (size_t)length, "%s", path ? path : "");
}

static void note(uint64_t now, const char *call, const char *path)
{
	char line[PATH_MAX + 64];
	int fd = (int)syscall(SYS_openat, AT_FDCWD, log_file,
			      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int length =
		snprintf(line, sizeof(line), "%llu %s %s\n", (unsigned long long)now, call, path);

	syscall(SYS_write, fd, line, (size_t)length);
	close(fd);
}

/* 1, with errno: this call is to fail. */
static int fails(const char *call, int dir, const char *path)
{
	char text[PATH_MAX];
	int saved = errno;

	if (!state)
		return 0;
	path_of(dir, path, text);
	errno = saved;
	if (strncmp(text, below, strlen(below)) != 0)
		return 0;
	uint64_t now = ++*state;
	if (!at || now < at || now - at >= count)
		return 0;
	/* A full disk does not keep anybody from removing. */
	if (number == ENOSPC && !strcmp(call, "unlinkat"))
		return 0;
	note(now, call, text);
	errno = number;
	return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* ---- calls with a folder and a name ---------------------------------------------------------- */

static int changes(int flags)
{
	return (flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE;
}

#define OPENAT(name)                                                     \
	int name(int dir, const char *path, int flags, ...)              \
	{                                                                \
		va_list list;                                            \
		va_start(list, flags);                                   \
		mode_t mode = changes(flags) ? va_arg(list, mode_t) : 0; \
		va_end(list);                                            \
		if (changes(flags) && fails(#name, dir, path))           \
			return -1;                                       \
		return NEXT(name)(dir, path, flags, mode);               \
	}
OPENAT(openat)
OPENAT(openat64)

#define OPEN(name)                                                       \
	int name(const char *path, int flags, ...)                       \
	{                                                                \
		va_list list;                                            \
		va_start(list, flags);                                   \
		mode_t mode = changes(flags) ? va_arg(list, mode_t) : 0; \
		va_end(list);                                            \
		if (changes(flags) && fails(#name, AT_FDCWD, path))      \
			return -1;                                       \
		return NEXT(name)(path, flags, mode);                    \
	}
OPEN(open)
OPEN(open64)

int mkdirat(int dir, const char *path, mode_t mode)
{
	return fails("mkdirat", dir, path) ? -1 : NEXT(mkdirat)(dir, path, mode);
}

int renameat(int from, const char *old, int to, const char *new)
{
	return fails("renameat", to, new) ? -1 : NEXT(renameat)(from, old, to, new);
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
	return fails("renameat2", to, new) ? -1 : NEXT(renameat2)(from, old, to, new, flags);
}

int linkat(int from, const char *old, int to, const char *new, int flags)
{
	return fails("linkat", to, new) ? -1 : NEXT(linkat)(from, old, to, new, flags);
}

int symlinkat(const char *target, int dir, const char *path)
{
	return fails("symlinkat", dir, path) ? -1 : NEXT(symlinkat)(target, dir, path);
}

int mkfifoat(int dir, const char *path, mode_t mode)
{
	return fails("mkfifoat", dir, path) ? -1 : NEXT(mkfifoat)(dir, path, mode);
}

int fchownat(int dir, const char *path, uid_t uid, gid_t gid, int flags)
{
	return fails("fchownat", dir, path) ? -1 : NEXT(fchownat)(dir, path, uid, gid, flags);
}

int fchmodat(int dir, const char *path, mode_t mode, int flags)
{
	return fails("fchmodat", dir, path) ? -1 : NEXT(fchmodat)(dir, path, mode, flags);
}

int utimensat(int dir, const char *path, const struct timespec times[2], int flags)
{
	return fails("utimensat", dir, path) ? -1 : NEXT(utimensat)(dir, path, times, flags);
}

int unlinkat(int dir, const char *path, int flags)
{
	return fails("unlinkat", dir, path) ? -1 : NEXT(unlinkat)(dir, path, flags);
}

/* ---- calls with a descriptor ------------------------------------------------------------------- */

ssize_t write(int fd, const void *data, size_t size)
{
	return fails("write", fd, NULL) ? -1 : NEXT(write)(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	return fails("pwrite", fd, NULL) ? -1 : NEXT(pwrite)(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	return fails("pwrite64", fd, NULL) ? -1 : NEXT(pwrite64)(fd, data, size, offset);
}

#define ON_DESCRIPTOR(name, declared, given)                           \
	int name declared                                              \
	{                                                              \
		return fails(#name, fd, NULL) ? -1 : NEXT(name) given; \
	}
ON_DESCRIPTOR(fsync, (int fd), (fd))
ON_DESCRIPTOR(fdatasync, (int fd), (fd))
ON_DESCRIPTOR(syncfs, (int fd), (fd))
ON_DESCRIPTOR(ftruncate, (int fd, off_t size), (fd, size))
ON_DESCRIPTOR(ftruncate64, (int fd, off64_t size), (fd, size))
ON_DESCRIPTOR(fchmod, (int fd, mode_t mode), (fd, mode))
ON_DESCRIPTOR(fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
ON_DESCRIPTOR(futimens, (int fd, const struct timespec times[2]), (fd, times))
