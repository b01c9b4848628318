#include "runtime/wire.h"

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"

enum { FDS_MAX = 253 }; /* SCM_MAX_FD of the kernel */

int wire_send(int socket, const void *data, size_t size, const int *fds, size_t count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec part = { (void *)(uintptr_t)data, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (count > FDS_MAX)
		return errno = E2BIG, -1;
	if (count) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	}
	ssize_t sent;
	do {
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -1 : 0;
}

static size_t take_fds(struct msghdr *message, int *fds, size_t room)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return 0;
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	const unsigned char *data = CMSG_DATA(header);
	for (size_t i = 0; i < count; i++) {
		int fd;
		memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
		if (i < room)
			fds[i] = fd;
		else
			close(fd);
	}
	return count < room ? count : room;
}

ssize_t wire_receive(int socket, void *data, size_t size, int *fds, size_t *count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec part = { data, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	if (fds) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	ssize_t got;
	do {
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (fds)
		*count = got < 0 ? 0 : take_fds(&message, fds, *count);
	return got;
}

static void add(struct strbuf *text, const char *part)
{
	strbuf_add(text, part ? part : "", (part ? strlen(part) : 0) + 1);
}

void wire_pack_error(struct strbuf *text, const struct error *from)
{
	strbuf_addc(text, (char)from->kind);
	add(text, from->message);
	add(text, from->hint);
	add(text, from->subject);
}

/* The text at *position, or NULL if it does not end before `end`. */
static const char *take(const char **position, const char *end)
{
	const char *text = *position, *stop = memchr(text, 0, (size_t)(end - text));
	if (!stop)
		return NULL;
	*position = stop + 1;
	return text;
}

int wire_unpack_error(const char *bytes, size_t size, struct error *err)
{
	const char *position = bytes + 1, *end = bytes + size;
	if (size < 1 || (unsigned char)bytes[0] >= ERROR_KINDS || bytes[0] == ERROR_NONE)
		return error_set(err, ERROR_INTERNAL, "a process in the VE ended without a reason");
	const char *message = take(&position, end);
	const char *hint = message ? take(&position, end) : NULL;
	const char *subject = hint ? take(&position, end) : NULL;
	error_set(err, (enum error_kind)bytes[0], "%s", message ? message : "unknown error");
	if (hint && *hint)
		error_hint(err, "%s", hint);
	if (subject && *subject)
		error_subject(err, "%s", subject);
	return -1;
}
