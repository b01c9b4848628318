/* Requests to the kernel's routing sockets: rtnetlink(7), netlink(7). */
#pragma once

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum { NETLINK_ROOM = 4096 };

struct netlink_request {
	union {
		struct nlmsghdr header;
		char bytes[NETLINK_ROOM];
	};
	bool overflow; /* something did not fit */
};

/* A socket of the network namespace that the caller is in; -1 with *err. */
int netlink_open(struct error *err);

/* Begins a request; `body` is what follows the header, such as a struct ifinfomsg. */
void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *body,
		   size_t size);
void netlink_add(struct netlink_request *request, uint16_t type, const void *data, size_t size);
void netlink_add_u32(struct netlink_request *request, uint16_t type, uint32_t value);
void netlink_add_text(struct netlink_request *request, uint16_t type, const char *text);

/* Attributes in an attribute. */
struct nlattr *netlink_nest(struct netlink_request *request, uint16_t type);
void netlink_nest_end(struct netlink_request *request, struct nlattr *nest);

/* Sends it and waits for what the kernel says: 0 or a positive errno. */
int netlink_ask(int socket, struct netlink_request *request);

/* What is to be said of such an errno: "WHAT NAME: …", ERROR_NETWORK. Returns -1. */
int netlink_failed(int number, struct error *err, const char *what, const char *name);

/* Sends a request for one object, which the kernel writes into `answer`, that is aligned as a struct nlmsghdr: 0 or a positive errno. */
int netlink_get(int socket, struct netlink_request *request, char *answer, size_t size);

/* Sends a dump request and calls `each` for each answer; a result other than 0 ends it and is returned. */
int netlink_dump(int socket, struct netlink_request *request,
		 int (*each)(const struct nlmsghdr *message, void *data), void *data,
		 struct error *err);

/* The attribute's value in a message, or NULL. `body` is the size of what is between header and attributes. */
const void *netlink_find(const struct nlmsghdr *message, size_t body, uint16_t type, size_t *size);

/* The same in an attribute that holds others: `bytes` are `length` bytes. */
const void *netlink_find_in(const void *bytes, size_t length, uint16_t type, size_t *size);
