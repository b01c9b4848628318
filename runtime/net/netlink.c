#include "runtime/net/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum { ANSWER = 64 << 10 };

int netlink_open(struct error *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return fd < 0 ? error_errno(err, errno, "opening a routing socket") : fd;
}

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *body,
		   size_t size)
{
	memset(request, 0, sizeof(*request));
	request->header = (struct nlmsghdr){
		.nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | flags,
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
		.nlmsg_seq = 1,
	};
	memcpy(NLMSG_DATA(&request->header), body, size);
}

void netlink_add(struct netlink_request *request, uint16_t type, const void *data, size_t size)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
	if (at + NLA_HDRLEN + NLA_ALIGN(size) > sizeof(request->bytes)) {
		request->overflow = true;
		return;
	}
	struct nlattr attribute = { .nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = type };
	memcpy(request->bytes + at, &attribute, sizeof(attribute));
	if (size)
		memcpy(request->bytes + at + NLA_HDRLEN, data, size);
	request->header.nlmsg_len = (uint32_t)(at + NLA_HDRLEN + NLA_ALIGN(size));
}

void netlink_add_u32(struct netlink_request *request, uint16_t type, uint32_t value)
{
	netlink_add(request, type, &value, sizeof(value));
}

void netlink_add_text(struct netlink_request *request, uint16_t type, const char *text)
{
	netlink_add(request, type, text, strlen(text) + 1);
}

struct nlattr *netlink_nest(struct netlink_request *request, uint16_t type)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
	netlink_add(request, type | NLA_F_NESTED, NULL, 0);
	return request->overflow ? NULL : (struct nlattr *)(void *)(request->bytes + at);
}

void netlink_nest_end(struct netlink_request *request, struct nlattr *nest)
{
	if (nest)
		nest->nla_len =
			(uint16_t)(request->bytes + request->header.nlmsg_len - (char *)nest);
}

static int put(int socket, struct netlink_request *request)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	if (request->overflow)
		return E2BIG;
	return TEMP_FAILURE_RETRY(sendto(socket, request->bytes, request->header.nlmsg_len, 0,
					 (struct sockaddr *)&kernel, sizeof(kernel))) < 0
		       ? errno
		       : 0;
}

int netlink_ask(int socket, struct netlink_request *request)
{
	char answer[NETLINK_ROOM * 2];
	struct nlmsghdr header;
	request->header.nlmsg_flags |= NLM_F_ACK;
	int failed = put(socket, request);
	if (failed)
		return failed;
	ssize_t got = TEMP_FAILURE_RETRY(recv(socket, answer, sizeof(answer), 0));
	if (got < (ssize_t)(NLMSG_HDRLEN + sizeof(struct nlmsgerr)))
		return got < 0 ? errno : EPROTO;
	memcpy(&header, answer, sizeof(header));
	struct nlmsgerr said;
	memcpy(&said, answer + NLMSG_HDRLEN, sizeof(said));
	return header.nlmsg_type == NLMSG_ERROR ? -said.error : EPROTO;
}

int netlink_get(int socket, struct netlink_request *request, char *answer, size_t size)
{
	struct nlmsghdr header;
	struct nlmsgerr said;
	int failed = put(socket, request);
	if (failed)
		return failed;
	ssize_t got = TEMP_FAILURE_RETRY(recv(socket, answer, size, 0));
	if (got < NLMSG_HDRLEN)
		return got < 0 ? errno : EPROTO;
	memcpy(&header, answer, sizeof(header));
	if (header.nlmsg_len > (size_t)got)
		return EPROTO;
	if (header.nlmsg_type != NLMSG_ERROR)
		return 0;
	if (got < (ssize_t)(NLMSG_HDRLEN + sizeof(said)))
		return EPROTO;
	memcpy(&said, answer + NLMSG_HDRLEN, sizeof(said));
	return said.error ? -said.error : EPROTO;
}

int netlink_dump(int socket, struct netlink_request *request,
		 int (*each)(const struct nlmsghdr *message, void *data), void *data,
		 struct error *err)
{
	autofree char *answer = xmalloc(ANSWER);
	request->header.nlmsg_flags |= NLM_F_DUMP;
	int failed = put(socket, request), result = 0;
	if (failed)
		return error_errno(err, failed, "asking the kernel about its network");
	for (;;) {
		ssize_t got = TEMP_FAILURE_RETRY(recv(socket, answer, ANSWER, 0));
		if (got < 0)
			return error_errno(err, errno, "asking the kernel about its network");
		unsigned left = (unsigned)got;
		for (const struct nlmsghdr *message = (const void *)answer; NLMSG_OK(message, left);
		     message = NLMSG_NEXT(message, left)) {
			if (message->nlmsg_type == NLMSG_DONE)
				return result;
			if (message->nlmsg_type == NLMSG_ERROR)
				return error_set(err, ERROR_SYSTEM,
						 "the kernel does not tell of its network");
			if (!result)
				result = each(message, data);
		}
	}
}

const void *netlink_find_in(const void *bytes, size_t length, uint16_t type, size_t *size)
{
	for (size_t at = 0; at + NLA_HDRLEN <= length;) {
		struct nlattr attribute;
		memcpy(&attribute, (const char *)bytes + at, sizeof(attribute));
		if (attribute.nla_len < NLA_HDRLEN || at + attribute.nla_len > length)
			return NULL;
		if ((attribute.nla_type & NLA_TYPE_MASK) == type) {
			*size = attribute.nla_len - NLA_HDRLEN;
			return (const char *)bytes + at + NLA_HDRLEN;
		}
		at += NLA_ALIGN(attribute.nla_len);
	}
	return NULL;
}

const void *netlink_find(const struct nlmsghdr *message, size_t body, uint16_t type, size_t *size)
{
	size_t at = NLMSG_ALIGN(NLMSG_LENGTH(body));
	if (at > message->nlmsg_len)
		return NULL;
	return netlink_find_in((const char *)message + at, message->nlmsg_len - at, type, size);
}

int netlink_failed(int number, struct error *err, const char *what, const char *name)
{
	return error_set(err, ERROR_NETWORK, "%s %s: %s", what, name, strerror(number));
}
