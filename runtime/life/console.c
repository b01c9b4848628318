#include "runtime/life/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { WAITING = 8 };

/* By way of the folder's descriptor: LOCKDIR may be longer than an address can be. */
static void address_of(int dir, unsigned ctid, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%u.attach", dir, ctid);
}

static int open_dir(const struct host_config *host)
{
	return open(host->lock_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int console_listen(const struct host_config *host, unsigned ctid)
{
	struct sockaddr_un address;
	autoclose int dir = open_dir(host);
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dir < 0 || fd < 0)
		return -1;
	address_of(dir, ctid, &address);
	unlink(address.sun_path);
	mode_t mask = umask(0077);
	int bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	return bound < 0 || listen(fd, WAITING) < 0 ? -1 : steal_fd(&fd);
}

int console_connect(const struct host_config *host, unsigned ctid)
{
	struct sockaddr_un address;
	autoclose int dir = open_dir(host);
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (dir < 0 || fd < 0)
		return -1;
	address_of(dir, ctid, &address);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : steal_fd(&fd);
}

void console_forget(const struct host_config *host, unsigned ctid)
{
	struct sockaddr_un address;
	autoclose int dir = open_dir(host);
	address_of(dir, ctid, &address);
	unlink(address.sun_path);
}
