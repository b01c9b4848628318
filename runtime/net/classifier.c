#include "runtime/net/classifier.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load(const char *name, const struct bpf_insn *insns, size_t count, struct error *err)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)count;
	attr.license = (uint64_t)(uintptr_t) "GPL";
	memcpy(attr.prog_name, name, strnlen(name, sizeof(attr.prog_name) - 1));
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd >= 0)
		return fd;
	error_set(err, ERROR_CONTAINER, "the kernel takes no filter for the VE's packets: %s",
		  strerror(errno));
	return error_hint(err, "CAP_BPF and CAP_NET_ADMIN and a kernel with BPF are needed");
}

static int add_qdisc(int socket, int device, struct error *err)
{
	struct netlink_request request;
	struct tcmsg body = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = device,
		.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
		.tcm_parent = TC_H_CLSACT,
	};
	netlink_begin(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
	netlink_add_text(&request, TCA_KIND, "clsact");
	int failed = netlink_ask(socket, &request);
	if (!failed || failed == EEXIST)
		return 0;
	error_set(err, ERROR_CONTAINER, "the kernel has no clsact for the VE's device: %s",
		  strerror(failed));
	return error_hint(err, "CONFIG_NET_SCH_INGRESS (sch_ingress) is needed");
}

static void begin(struct netlink_request *request, uint16_t type, uint16_t flags, int device,
		  enum classifier_way way, unsigned priority)
{
	enum { HANDLE = 1 };
	unsigned hook = way == FROM_VE ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS;
	struct tcmsg body = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = device,
		.tcm_handle = HANDLE,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, hook),
		.tcm_info = TC_H_MAKE(priority << 16, htons(ETH_P_ALL)),
	};
	netlink_begin(request, type, flags, &body, sizeof(body));
	netlink_add_text(request, TCA_KIND, "bpf");
}

int classifier_begin(int socket, int device, enum classifier_way way, unsigned priority,
		     const char *name, const struct bpf_insn *insns, size_t count,
		     struct classifier *ret, struct error *err)
{
	if (add_qdisc(socket, device, err) < 0)
		return -1;
	ret->program = load(name, insns, count, err);
	if (ret->program < 0)
		return -1;
	begin(&ret->request, RTM_NEWTFILTER, NLM_F_CREATE, device, way, priority);
	ret->options = netlink_nest(&ret->request, TCA_OPTIONS);
	netlink_add_u32(&ret->request, TCA_BPF_FD, (uint32_t)ret->program);
	netlink_add_text(&ret->request, TCA_BPF_NAME, name);
	return 0;
}

int classifier_set(int socket, struct classifier *classifier, struct error *err)
{
	netlink_nest_end(&classifier->request, classifier->options);
	int failed = netlink_ask(socket, &classifier->request);
	close(classifier->program);
	if (!failed)
		return 0;
	error_set(err, ERROR_CONTAINER, "the VE's packets cannot be filtered: %s",
		  strerror(failed));
	return error_hint(err, "CONFIG_NET_CLS_BPF (cls_bpf) is needed, and CONFIG_NET_ACT_MIRRED "
			       "(act_mirred) for limits of traffic");
}

int classifier_remove(int socket, int device, enum classifier_way way, unsigned priority,
		      struct error *err)
{
	struct netlink_request request;
	begin(&request, RTM_DELTFILTER, 0, device, way, priority);
	int failed = netlink_ask(socket, &request);
	/* Without a qdisc the kernel says EINVAL. */
	if (!failed || failed == ENOENT || failed == EINVAL)
		return 0;
	return error_set(err, ERROR_CONTAINER, "removing a filter of the VE's packets: %s",
			 strerror(failed));
}
