#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"

enum { WAIT_MIN_MS = 10, WAIT_MAX_MS = 200 };

/* The command's name among the words of a command line tells more than options and their values do. */
static const char *command_word(const char *word, const char *end)
{
	for (; word < end; word += strlen(word) + 1)
		if (*word && !strchr("-", *word) &&
		    !word[strspn(word, "abcdefghijklmnopqrstuvwxyz-")])
			return word;
	return NULL;
}

/* "pid 123 (vzpkg create-cache)" */
static char *own_identity(void)
{
	char command[4096] = "";
	autoclose int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, command, sizeof(command) - 1);
	if (length <= 0)
		return xasprintf("pid %d", (int)getpid());
	size_t name = strnlen(command, (size_t)length);
	const char *slash = memrchr(command, '/', name);
	const char *program = slash ? slash + 1 : command;

	const char *word = command_word(command + name + 1, command + length);
	if (!word)
		return xasprintf("pid %d (%s)", (int)getpid(), program);
	return xasprintf("pid %d (%s %s)", (int)getpid(), program, word);
}

static void write_identity(int fd)
{
	autofree char *identity = own_identity();
	size_t length = strlen(identity);
	identity[length] = '\n'; /* in place of the NUL, which the file does not get */
	/* In this order, so that a reader sees a whole line at any moment. It is for messages only. */
	ssize_t put = pwrite(fd, identity, length + 1, 0);
	(void)!ftruncate(fd, put > 0 ? put : 0);
}

/* Empty if the holder has not written it yet. */
static void read_holder(int fd, char *text, size_t size)
{
	ssize_t got = pread(fd, text, size - 1, 0);
	text[got > 0 ? got : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static bool try_fd(int fd, enum lock_mode mode)
{
	struct flock flock = {
		.l_type = mode == LOCK_EXCLUSIVE ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
	};
	return fcntl(fd, F_OFD_SETLK, &flock) == 0;
}

/* false if the file was removed by its last holder: the name is another file now, or none. */
static bool is_current(int fd, int dirfd, const char *name)
{
	struct stat ours, there;
	return fstat(fd, &ours) == 0 && fstatat(dirfd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

static int open_file(int dirfd, const char *name)
{
	/* Not 0644: who can read a file can take a shared lock on it, and keep everybody out. */
	return openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* One try. 1: held, 0: somebody has it (`holder` says who, if not NULL), -1: errno. */
static int attempt(struct lock *lock, int dirfd, const char *name, enum lock_mode mode,
		   char *holder, size_t size)
{
	for (;;) {
		autoclose int fd = open_file(dirfd, name);
		if (fd < 0)
			return -1;
		if (!try_fd(fd, mode)) {
			if (errno != EAGAIN && errno != EACCES)
				return -1;
			if (holder)
				read_holder(fd, holder, size);
			return 0;
		}
		if (!is_current(fd, dirfd, name))
			continue;
		write_identity(fd);
		lock->fd = steal_fd(&fd);
		return 1;
	}
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int timed_out(const char *name, const char *holder, unsigned timeout_s, struct error *err)
{
	if (timeout_s)
		error_set(err, ERROR_LOCKED, "%s is locked by %s, still after %u s", name, holder,
			  timeout_s);
	else
		error_set(err, ERROR_LOCKED, "%s is locked by %s", name, holder);
	return error_hint(err, "wait until it is done, or give a longer --timeout");
}

int lock_take(struct lock *lock, int dirfd, const char *name, enum lock_mode mode,
	      unsigned timeout_s, lock_waiting_fn *waiting, void *data, struct error *err)
{
	char text[256];
	const char *holder;
	int64_t end = now_ms() + timeout_s * 1000LL;

	for (unsigned pause = WAIT_MIN_MS;;
	     pause = pause * 2 > WAIT_MAX_MS ? WAIT_MAX_MS : pause * 2) {
		int got = attempt(lock, dirfd, name, mode, text, sizeof(text));
		if (got < 0)
			return error_errno(err, errno, "locking %s", name);
		if (got)
			return 0;
		holder = *text ? text : "another process";
		/* Who has just taken it gets a moment to write who that is. */
		if (waiting && (*text || pause > WAIT_MIN_MS || !timeout_s)) {
			waiting(holder, data);
			waiting = NULL;
		}
		if (now_ms() >= end)
			return timed_out(name, holder, timeout_s, err);
		struct timespec span = { .tv_nsec = pause * 1000000L };
		nanosleep(&span, NULL);
		if (interrupt_check(err) < 0)
			return -1;
	}
}

bool lock_try(struct lock *lock, int dirfd, const char *name, enum lock_mode mode)
{
	return attempt(lock, dirfd, name, mode, NULL, 0) == 1;
}

void lock_release(struct lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
}

void lock_remove(struct lock *lock, int dirfd, const char *name)
{
	if (lock->fd >= 0 && is_current(lock->fd, dirfd, name))
		unlinkat(dirfd, name, 0);
	lock_release(lock);
}
