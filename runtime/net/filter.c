#include "runtime/net/filter.h"

#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "runtime/net/netlink.h"

enum { NAMES_MAX = 4096 };

static int found(const struct nlmsghdr *message, void *data)
{
	(void)message;
	*(bool *)data = true;
	return 0;
}

static int ask_nftables(bool *ret, struct error *err)
{
	struct netlink_request request;
	const struct nfgenmsg body = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
	autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0) /* a kernel without it has no tables */
		return errno == EPROTONOSUPPORT
			       ? 0
			       : error_errno(err, errno, "asking for rules of nftables");
	netlink_begin(&request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_DUMP, &body,
		      sizeof(body));
	return netlink_dump(fd, &request, found, ret, err);
}

/* They appear there when they are used first (net/netfilter/x_tables.c). */
static bool has_legacy(const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	return file_read(AT_FDCWD, path, NAMES_MAX, &text, NULL) == 0 && text.length > 0;
}

int filter_is_used(struct error *err)
{
	bool used = has_legacy("/proc/thread-self/net/ip_tables_names") ||
		    has_legacy("/proc/thread-self/net/ip6_tables_names");
	if (!used && ask_nftables(&used, err) < 0)
		return -1;
	return used;
}
