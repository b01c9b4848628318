#include "runtime/access/copy_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/interrupt.h"

static int gone(struct error *err)
{
	return error_set(err, ERROR_CHILD, "the copy was cut short by its other side");
}

/* Blocks in poll(2) alone, which a signal cannot slip past. */
static int wait_for(int fd, short events, struct error *err)
{
	for (;;) {
		struct pollfd polled[] = { { .fd = fd, .events = events },
					   { .fd = interrupt_fd(), .events = POLLIN } };
		if (interrupt_check(err) < 0)
			return -1;
		if (poll(polled, 2, -1) > 0 && polled[0].revents)
			return 0;
	}
}

int copy_put(int fd, const void *data, size_t size, struct error *err)
{
	for (const char *at = data; size;) {
		if (wait_for(fd, POLLOUT, err) < 0)
			return -1;
		ssize_t put = write(fd, at, size);
		if (put < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (put < 0)
			return gone(err);
		at += put;
		size -= (size_t)put;
	}
	return 0;
}

int copy_get(int fd, void *data, size_t size, struct error *err)
{
	for (char *at = data; size;) {
		if (wait_for(fd, POLLIN, err) < 0)
			return -1;
		ssize_t got = read(fd, at, size);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return gone(err);
		at += got;
		size -= (size_t)got;
	}
	return 0;
}

int copy_put_record(int fd, enum copy_type type, uint32_t mode, const char *text, struct error *err)
{
	struct copy_record record = { .type = type, .mode = mode };
	size_t length = strlen(text);
	if (length >= sizeof(record.text))
		return error_set(err, ERROR_SYSTEM, "the name %.64s… is too long", text);
	record.length = (uint32_t)length;
	memcpy(record.text, text, length);
	return copy_put(fd, &record, offsetof(struct copy_record, text) + length, err);
}

int copy_get_record(int fd, struct copy_record *ret, struct error *err)
{
	if (copy_get(fd, ret, offsetof(struct copy_record, text), err) < 0)
		return -1;
	if (ret->type > COPY_LEFT_OUT || ret->length >= sizeof(ret->text))
		return error_set(err, ERROR_CHILD, "what arrives is not a copy");
	if (copy_get(fd, ret->text, ret->length, err) < 0)
		return -1;
	ret->text[ret->length] = '\0';
	if (strlen(ret->text) != ret->length)
		return error_set(err, ERROR_CHILD, "what arrives is not a copy");
	return 0;
}

bool copy_name_is_good(const char *name)
{
	return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/');
}

bool copy_link_stays(const char *target, unsigned depth)
{
	bool begun = false;
	if (*target == '/' || !*target)
		return false;
	for (const char *at = target; *at;) {
		size_t length = strcspn(at, "/");
		bool up = length == 2 && strncmp(at, "..", 2) == 0;
		if (up && (begun || depth-- == 0))
			return false;
		begun |= !up && length && !(length == 1 && *at == '.');
		at += length;
		at += *at == '/';
	}
	return true;
}

void copy_left_out(struct ve_copied *copied, const char *name)
{
	copied->left_out++;
	if (!copied->first_left_out)
		copied->first_left_out = xstrdup(name);
}
