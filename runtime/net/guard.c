#include "runtime/net/guard.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "runtime/net/classifier.h"

/*
 * linux/bpf.h; the old instructions that load from a packet are used (BPF_ABS), which check the bounds themselves: a
 * packet that is too short ends the program with 0, so 0 has to be what drops: TC_ACT_OK is 0. Hence the verdict
 * is in a register that only a match sets, and lengths are checked before. What passes is left to the classifiers that follow
 * (TC_ACT_UNSPEC), and passes if there are none.
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
	leave(program, TC_ACT_UNSPEC);
}

static void add_v6(struct program *program, const struct address *address)
{
	for (int word = 0; word < 4; word++) {
		uint32_t value;
		memcpy(&value, address->v6.s6_addr + 4 * word, sizeof(value));
		load(program, BPF_W, IPV6_SOURCE + 4 * word);
		unless_equal(program, ntohl(value), (int16_t)((3 - word) * 2 + 2));
	}
	leave(program, TC_ACT_UNSPEC);
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
	leave(program, TC_ACT_UNSPEC);
	leave(program, TC_ACT_SHOT);
}

/* Takes the program. */
static int attach(int socket, int device, struct program *program, struct error *err)
{
	struct classifier classifier;
	int begun = classifier_begin(socket, device, FROM_VE, CLASSIFIER_GUARD, "vz_guard",
				     program->items, program->count, &classifier, err);
	free(program->items);
	if (begun < 0)
		return -1;
	netlink_add_u32(&classifier.request, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	return classifier_set(socket, &classifier, err);
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
	if (!mac)
		return classifier_remove(socket, device, FROM_VE, CLASSIFIER_GUARD, err);
	assemble_mac(&program, mac);
	return attach(socket, device, &program, err);
}
