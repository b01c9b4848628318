/*
 * locker FILE [SECONDS]: holds the lock of a package manager, as dpkg and apt take it, under whatever name it was copied to. What tests put into a VE.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT, 0640) : -1;

	if (fd < 0 || fcntl(fd, F_SETLK, &whole) < 0)
		return 1;
	close(open("/tmp/locked", O_WRONLY | O_CREAT, 0644));
	sleep(argc > 2 ? (unsigned)atoi(argv[2]) : 1000);
	return 0;
}
