#include "runtime/net/guard.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/net/netlink.h"

/*
 * linux/bpf.h; the old instructions that load from a packet are used (BPF_ABS), which check the bounds themselves: a
 * packet that is too short ends the program with 0, so 0 has to be what drops: TC_ACT_OK is 0. Hence the verdict
 * is in a register that only a match sets, and lengths are checked before.
 */
enum {
	IPV4_SOURCE = ETH_HLEN + 12,
	IPV4_END = ETH_HLEN + 20,
	IPV6_SOURCE = ETH_HLEN + 8,
	IPV6_END = ETH_HLEN + 40
};

struct program {
	struct bpf_insn *items;
	size_t count, capacity;
};

static void add(struct program *program, uint8_t code, uint8_t to, uint8_t from, int16_t offset,
		int32_t value)
{
	program->items =
		xgrow(program->items, program->count, &program->capacity, sizeof(*program->items));
	program->items[program->count++] = (struct bpf_insn){
		.code = code,
		.dst_reg = to,
		.src_reg = from,
		.off = offset,
		.imm = value,
	};
}

static void load(struct program *program, uint8_t size, int32_t offset)
{
	add(program, BPF_LD | BPF_ABS | size, 0, 0, 0, offset);
}

/* Jumps over `count` instructions unless what was loaded is `value`. */
static void unless_equal(struct program *program, uint32_t value, int16_t count)
{
	/* The comparison is of 64 bits with a signed value, so it is of the lower 32 (BPF_JMP32). */
	add(program, BPF_JMP32 | BPF_JNE | BPF_K, 0, 0, count, (int32_t)value);
}

static void leave(struct program *program, int32_t verdict)
{
	add(program, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, verdict);
	add(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void add_v4(struct program *program, const struct address *address)
{
	load(program, BPF_W, IPV4_SOURCE);
	unless_equal(program, ntohl(address->v4.s_addr), 2);
	leave(program, TC_ACT_OK);
}

static void add_v6(struct program *program, const struct address *address)
{
	for (int word = 0; word < 4; word++) {
		uint32_t value;
		memcpy(&value, address->v6.s6_addr + 4 * word, sizeof(value));
		load(program, BPF_W, IPV6_SOURCE + 4 * word);
		unless_equal(program, ntohl(value), (int16_t)((3 - word) * 2 + 2));
	}
	leave(program, TC_ACT_OK);
}

/* The tests of one family; what none of them lets pass is dropped at their end. */
static void add_family(struct program *program, int family, uint16_t ethertype, int32_t shortest,
		       const struct address *addresses, size_t count)
{
	load(program, BPF_H, ETH_HLEN - 2);
	size_t jump = program->count;
	unless_equal(program, ethertype, 0);
	/* Read again from the context: shorter packets are dropped. */
	add(program, BPF_LDX | BPF_MEM | BPF_W, 0, 6, offsetof(struct __sk_buff, len), 0);
	add(program, BPF_JMP | BPF_JGE | BPF_K, 0, 0, 2, shortest);
	leave(program, TC_ACT_SHOT);
	for (size_t i = 0; i < count; i++)
		if (addresses[i].family == family)
			family == AF_INET ? add_v4(program, &addresses[i])
					  : add_v6(program, &addresses[i]);
	leave(program, TC_ACT_SHOT);
	program->items[jump].off = (int16_t)(program->count - jump - 1);
}

static void assemble(struct program *program, const struct address *addresses, size_t count)
{
	/* BPF_ABS wants the context in register 6. */
	add(program, BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0);
	add_family(program, AF_INET, ETH_P_IP, IPV4_END, addresses, count);
	add_family(program, AF_INET6, ETH_P_IPV6, IPV6_END, addresses, count);
	leave(program, TC_ACT_SHOT);
}

static int load_program(const struct program *program, struct error *err)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (uint64_t)(uintptr_t)program->items;
	attr.insn_cnt = (uint32_t)program->count;
	attr.license = (uint64_t)(uintptr_t) "GPL";
	memcpy(attr.prog_name, "vz_guard", sizeof("vz_guard"));
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

/* An Ethernet frame: to, from, type. 14 bytes of one are there in any case. */
static void assemble_mac(struct program *program, const uint8_t mac[LINK_MAC_SIZE])
{
	uint32_t first;
	uint16_t second;
	memcpy(&first, mac, sizeof(first));
	memcpy(&second, mac + sizeof(first), sizeof(second));
	add(program, BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0);
	load(program, BPF_W, ETH_ALEN);
	unless_equal(program, ntohl(first), 4);
	load(program, BPF_H, ETH_ALEN + (int)sizeof(first));
	unless_equal(program, ntohs(second), 2);
	leave(program, TC_ACT_OK);
	leave(program, TC_ACT_SHOT);
}

static void begin_filter(struct netlink_request *request, uint16_t type, uint16_t flags, int device)
{
	enum { PRIORITY = 1, HANDLE = 1 };
	struct tcmsg body = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = device,
		.tcm_handle = HANDLE,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
		.tcm_info = TC_H_MAKE(PRIORITY << 16, htons(ETH_P_ALL)),
	};
	netlink_begin(request, type, flags, &body, sizeof(body));
	netlink_add_text(request, TCA_KIND, "bpf");
}

/* Takes the program. */
static int attach(int socket, int device, struct program *program, struct error *err)
{
	struct netlink_request request;
	autoclose int fd = add_qdisc(socket, device, err) < 0 ? -1 : load_program(program, err);
	free(program->items);
	if (fd < 0)
		return -1;
	begin_filter(&request, RTM_NEWTFILTER, NLM_F_CREATE, device);
	struct nlattr *options = netlink_nest(&request, TCA_OPTIONS);
	netlink_add_u32(&request, TCA_BPF_FD, (uint32_t)fd);
	netlink_add_text(&request, TCA_BPF_NAME, "vz_guard");
	netlink_add_u32(&request, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	netlink_nest_end(&request, options);
	int failed = netlink_ask(socket, &request);
	if (!failed)
		return 0;
	error_set(err, ERROR_CONTAINER, "the VE's packets cannot be filtered: %s",
		  strerror(failed));
	return error_hint(err, "CONFIG_NET_CLS_BPF (cls_bpf) is needed");
}

int guard_set(int socket, int device, const struct address *addresses, size_t count,
	      struct error *err)
{
	struct program program = { 0 };
	assemble(&program, addresses, count);
	return attach(socket, device, &program, err);
}

int guard_set_mac(int socket, int device, const uint8_t *mac, struct error *err)
{
	struct program program = { 0 };
	struct netlink_request request;
	if (mac) {
		assemble_mac(&program, mac);
		return attach(socket, device, &program, err);
	}
	begin_filter(&request, RTM_DELTFILTER, 0, device);
	int failed = netlink_ask(socket, &request);
	/* Without a qdisc the kernel says EINVAL. */
	return failed && failed != ENOENT && failed != EINVAL
		       ? error_errno(err, failed, "letting all frames of the VE pass")
		       : 0;
}
