/*
 * One that takes what it can get of one resource, for tests in a VE; make-rootfs has it.
 *
 *	hog processes		a fork bomb: it and its children fork, and stay
 *	hog memory		takes and fills memory, a MiB at a time, for ever
 *	hog files		opens files until it is refused; prints how many it has, and stays
 *	hog locked		locks memory until it is refused; prints how many KiB
 *	hog terminals		opens terminals until it is refused; prints how many
 *	hog cpu SECONDS		computes so long by the clock; prints how many ms of processors it got
 *	hog disk FILE KIB	writes so much past the page cache; prints how many ms it took
 *	hog space FILE		fills the disk until it is refused, frees it, for ever
 *	hog inodes FOLDER	makes empty files until it is refused, removes them, for ever
 *	hog network ADDRESS	sends UDP packets there as fast as it can, for ever
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { KIB = 1024, BLOCK = 64 * KIB };

static long now_ms(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void processes(void)
{
	for (;;)
		if (fork() < 0)
			usleep(20000);
}

static void memory(void)
{
	for (;;) {
		char *more = malloc(KIB * KIB);
		if (more)
			memset(more, 1, KIB * KIB);
	}
}

static int files(void)
{
	int count = 3;
	while (open("/dev/null", O_RDONLY) >= 0)
		count++;
	printf("%d %s\n", count, strerror(errno));
	fflush(stdout);
	pause();
	return 0;
}

static int locked(void)
{
	long size = sysconf(_SC_PAGESIZE), count = 0;
	char *all = mmap(NULL, 16L * KIB * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	while (mlock(all + count * size, (size_t)size) == 0)
		count++;
	printf("%ld %s\n", count * size / KIB, strerror(errno));
	return 0;
}

static int terminals(void)
{
	int count = 0;
	while (open("/dev/ptmx", O_RDWR | O_NOCTTY) >= 0)
		count++;
	printf("%d %s\n", count, strerror(errno));
	return 0;
}

static int cpu(int seconds)
{
	long end = now_ms(CLOCK_MONOTONIC) + seconds * 1000L;
	while (now_ms(CLOCK_MONOTONIC) < end)
		;
	printf("%ld\n", now_ms(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}

static int disk(const char *path, int kib)
{
	void *block;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	if (fd < 0 || posix_memalign(&block, 4096, BLOCK) != 0)
		return 1;
	memset(block, 1, BLOCK);
	long begun = now_ms(CLOCK_MONOTONIC);
	for (int written = 0; written < kib; written += BLOCK / KIB)
		if (write(fd, block, BLOCK) != BLOCK)
			return 1;
	printf("%ld\n", now_ms(CLOCK_MONOTONIC) - begun);
	return 0;
}

static void space(const char *path)
{
	static char block[BLOCK];
	for (;;) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		while (fd >= 0 && write(fd, block, sizeof(block)) > 0)
			;
		close(fd);
		unlink(path);
	}
}

static void inodes(const char *folder)
{
	char name[32];
	mkdir(folder, 0700);
	if (chdir(folder) < 0)
		exit(1);
	for (;;) {
		int count = 0, fd;
		do {
			snprintf(name, sizeof(name), "%d", count++);
			fd = open(name, O_WRONLY | O_CREAT, 0600);
			close(fd);
		} while (fd >= 0);
		while (count-- > 0) {
			snprintf(name, sizeof(name), "%d", count);
			unlink(name);
		}
	}
}

static int network(const char *address)
{
	static const char packet[1400];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1)
		return 1;
	for (;;)
		sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (!strcmp(what, "processes"))
		processes();
	if (!strcmp(what, "memory"))
		memory();
	if (!strcmp(what, "files"))
		return files();
	if (!strcmp(what, "locked"))
		return locked();
	if (!strcmp(what, "terminals"))
		return terminals();
	if (!strcmp(what, "cpu") && argc > 2)
		return cpu(atoi(argv[2]));
	if (!strcmp(what, "disk") && argc > 3)
		return disk(argv[2], atoi(argv[3]));
	if (!strcmp(what, "space") && argc > 2)
		space(argv[2]);
	if (!strcmp(what, "inodes") && argc > 2)
		inodes(argv[2]);
	if (!strcmp(what, "network") && argc > 2)
		return network(argv[2]);
	fputs("hog: processes, memory, files, locked, terminals, cpu SECONDS, disk FILE KIB, space "
	      "FILE, "
	      "inodes FOLDER, network ADDRESS\n",
	      stderr);
	return 2;
}
