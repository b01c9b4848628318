#include "runtime/net/rate.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/net/link.h"

enum {
	LEAST_KBIT = 8,
	MOST_KBIT = 1000000000,
	BURST_LEAST = 16 << 10, /* bytes: a packet that is larger could never pass */
	BURST_PER_S = 20,
	WAIT_PER_S = 3 /* what is let wait: that part of a second's bytes */
};

/* ---- values ----------------------------------------------------------------------------------------- */

static bool parse_side(const char *text, size_t length, uint64_t *ret)
{
	if (length == strlen("unlimited") && !strncmp(text, "unlimited", length)) {
		*ret = 0;
		return true;
	}
	if (!length || length > 10 || strspn(text, "0123456789") < length)
		return false;
	*ret = strtoull(text, NULL, 10);
	return *ret >= LEAST_KBIT && *ret <= MOST_KBIT;
}

int rate_parse(const char *text, struct rate *ret, struct error *err)
{
	size_t first = strcspn(text, ":");
	const char *second = text[first] ? text + first + 1 : text;
	*ret = (struct rate){ 0 };
	if (!*text)
		return 0;
	if (parse_side(text, first, &ret->from) && parse_side(second, strlen(second), &ret->to))
		return 0;
	return error_set(err, ERROR_VALUE, "\"%s\" is not " RATE_FORM, text);
}

/* ---- the token bucket --------------------------------------------------------------------------------- */

static int failed(int number, const char *what, const char *shaper, struct error *err)
{
	error_set(err, ERROR_NETWORK, "%s %s for the VE's limit of traffic: %s", what, shaper,
		  strerror(number));
	return error_hint(err, "CONFIG_IFB (ifb) and CONFIG_NET_SCH_TBF (sch_tbf) are needed");
}

static int make_device(int socket, const char *shaper, struct error *err)
{
	struct netlink_request request;
	struct ifinfomsg body = { 0 };
	if (if_nametoindex(shaper))
		return 0;
	netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
	netlink_add_text(&request, IFLA_IFNAME, shaper);
	struct nlattr *info = netlink_nest(&request, IFLA_LINKINFO);
	netlink_add_text(&request, IFLA_INFO_KIND, "ifb");
	netlink_nest_end(&request, info);
	int number = netlink_ask(socket, &request);
	return number ? failed(number, "creating", shaper, err) : 0;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint32_t fit(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* linux/pkt_sched.h. Time is not counted in ticks, since the bucket is given in bytes, and the kernel needs no table of times for a link layer
 * that it knows. */
static int set_bucket(int socket, const char *shaper, uint64_t kbit, struct error *err)
{
	uint64_t rate = kbit * 1000 / 8, burst = most(rate / BURST_PER_S, BURST_LEAST);
	struct netlink_request request;
	struct tcmsg body = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)if_nametoindex(shaper),
		.tcm_handle = TC_H_MAKE(1 << 16, 0),
		.tcm_parent = TC_H_ROOT,
	};
	const struct tc_tbf_qopt bucket = {
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET, .rate = fit(rate) },
		.limit = fit(burst + rate / WAIT_PER_S),
	};
	netlink_begin(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof(body));
	netlink_add_text(&request, TCA_KIND, "tbf");
	struct nlattr *options = netlink_nest(&request, TCA_OPTIONS);
	netlink_add(&request, TCA_TBF_PARMS, &bucket, sizeof(bucket));
	netlink_add_u32(&request, TCA_TBF_BURST, fit(burst));
	if (rate > UINT32_MAX)
		netlink_add(&request, TCA_TBF_RATE64, &rate, sizeof(rate));
	netlink_nest_end(&request, options);
	int number = netlink_ask(socket, &request);
	return number ? failed(number, "setting", shaper, err) : 0;
}

int rate_limit(int socket, const char *shaper, uint64_t kbit, struct error *err)
{
	if (make_device(socket, shaper, err) < 0 || set_bucket(socket, shaper, kbit, err) < 0)
		return -1;
	return link_up(socket, shaper, false, err);
}

/* ---- what goes through it ------------------------------------------------------------------------------- */

/* tc-mirred(8): redirected to the device's egress. */
static void add_redirect(struct netlink_request *request, int shaper)
{
	const struct tc_mirred mirred = {
		.action = TC_ACT_STOLEN,
		.eaction = TCA_EGRESS_REDIR,
		.ifindex = (uint32_t)shaper,
	};
	struct nlattr *actions = netlink_nest(request, TCA_BPF_ACT);
	struct nlattr *first = netlink_nest(request, 1);
	netlink_add_text(request, TCA_ACT_KIND, "mirred");
	struct nlattr *options = netlink_nest(request, TCA_ACT_OPTIONS);
	netlink_add(request, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
	netlink_nest_end(request, options);
	netlink_nest_end(request, first);
	netlink_nest_end(request, actions);
}

int rate_send(int socket, const char *name, enum classifier_way way, const char *shaper,
	      struct error *err)
{
	/* Every packet is meant: the result -1 is a match of the class that is set. */
	static const struct bpf_insn all[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct classifier classifier;
	int device = (int)if_nametoindex(name);
	if (!device)
		return error_set(err, ERROR_NETWORK, "the VE has no device %s", name);
	if (!shaper)
		return classifier_remove(socket, device, way, CLASSIFIER_RATE, err);
	if (classifier_begin(socket, device, way, CLASSIFIER_RATE, "vz_rate", all,
			     sizeof(all) / sizeof(*all), &classifier, err) < 0)
		return -1;
	add_redirect(&classifier.request, (int)if_nametoindex(shaper));
	return classifier_set(socket, &classifier, err);
}
