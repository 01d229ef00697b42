/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sockfilter.c - SO_ATTACH_FILTER, see sockfilter.h.
 *
 * libpcap runs the programs, but it trusts them further than we do (it ends the process at an instruction that it
 * does not know, and its jumps may wrap around), so they are checked here as Linux does: known instructions, jumps
 * forward that stay inside, no division by zero, no shift of all bits, memory that is there, a return at the end. So
 * each program ends, and reads nothing but the packet. What Linux has added to the classic machine, loads from
 * SKF_AD_OFF, SKF_NET_OFF and SKF_LL_OFF, is refused.
 */
#include "sockfilter.h"
#include "ip.h"

#include <errno.h>
#include <linux/filter.h>
#include <pcap/bpf.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct sock_filter) == sizeof(struct bpf_insn) &&
                       offsetof(struct sock_filter, k) == offsetof(struct bpf_insn, k),
               "an instruction of Linux is one of libpcap");

struct usock__filter {
	bool locked;
	unsigned int len; /* instructions; 0: none, it is only locked */
	struct bpf_insn program[];
};

/** known - is there such an instruction? */
static bool known(uint16_t code)
{
	static const uint8_t codes[] = {
	        BPF_LD | BPF_W | BPF_ABS,
	        BPF_LD | BPF_H | BPF_ABS,
	        BPF_LD | BPF_B | BPF_ABS,
	        BPF_LD | BPF_W | BPF_IND,
	        BPF_LD | BPF_H | BPF_IND,
	        BPF_LD | BPF_B | BPF_IND,
	        BPF_LD | BPF_W | BPF_LEN,
	        BPF_LD | BPF_IMM,
	        BPF_LD | BPF_MEM,
	        BPF_LDX | BPF_W | BPF_LEN,
	        BPF_LDX | BPF_IMM,
	        BPF_LDX | BPF_MEM,
	        BPF_LDX | BPF_B | BPF_MSH,
	        BPF_ST,
	        BPF_STX,
	        BPF_ALU | BPF_NEG,
	        BPF_JMP | BPF_JA,
	        BPF_RET | BPF_K,
	        BPF_RET | BPF_A,
	        BPF_MISC | BPF_TAX,
	        BPF_MISC | BPF_TXA,
	};

	if (code > UINT8_MAX)
		return false;
	if (BPF_CLASS(code) == BPF_ALU)
		return BPF_OP(code) <= BPF_XOR && (BPF_OP(code) != BPF_NEG || BPF_SRC(code) == BPF_K);
	if (BPF_CLASS(code) == BPF_JMP && BPF_OP(code) != BPF_JA)
		return BPF_OP(code) <= BPF_JSET;
	for (size_t i = 0; i < sizeof(codes); i++) {
		if (codes[i] == code)
			return true;
	}
	return false;
}

/** sound_alu - no division by nothing, no shift of all bits */
static bool sound_alu(const struct bpf_insn *insn)
{
	unsigned int op = BPF_OP(insn->code);

	if (BPF_SRC(insn->code) != BPF_K)
		return true;
	if (op == BPF_DIV || op == BPF_MOD)
		return insn->k != 0;
	return (op != BPF_LSH && op != BPF_RSH) || insn->k < 32;
}

/** sound - may an instruction that @left others follow be run? */
static bool sound(const struct bpf_insn *insn, unsigned int left)
{
	unsigned int mode = BPF_MODE(insn->code);

	if (!known(insn->code))
		return false;
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
	case BPF_LDX:
		if (mode == BPF_MEM)
			return insn->k < BPF_MEMWORDS;
		return (mode != BPF_ABS && mode != BPF_IND && mode != BPF_MSH) || insn->k <= INT32_MAX;
	case BPF_ST:
	case BPF_STX:
		return insn->k < BPF_MEMWORDS;
	case BPF_ALU:
		return sound_alu(insn);
	case BPF_JMP:
		if (BPF_OP(insn->code) == BPF_JA)
			return insn->k < left;
		return insn->jt < left && insn->jf < left;
	default:
		return true;
	}
}

/** check - may the program be run? 0 or -EINVAL */
static int check(const struct bpf_insn *program, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++) {
		if (!sound(&program[i], len - i - 1))
			return -EINVAL;
	}
	return BPF_CLASS(program[len - 1].code) == BPF_RET && bpf_validate(program, (int)len) ? 0 : -EINVAL;
}

int usock__filter_attach(struct usock *sock, const void *value, socklen_t len)
{
	struct usock__filter *filter;
	struct sock_fprog program;

	if (sock->type == SOCK_STREAM)
		return -ENOPROTOOPT;
	if (usock__filter_locked(sock))
		return -EPERM;
	if (len != sizeof(program))
		return -EINVAL;
	memcpy(&program, value, sizeof(program));
	if (program.len == 0 || program.len > BPF_MAXINSNS)
		return -EINVAL;
	if (program.filter == NULL)
		return -EFAULT;
	filter = malloc(sizeof(*filter) + program.len * sizeof(filter->program[0]));
	if (filter == NULL)
		return -ENOMEM;
	filter->locked = false;
	filter->len = program.len;
	memcpy(filter->program, program.filter, program.len * sizeof(filter->program[0]));
	if (check(filter->program, filter->len) < 0) {
		free(filter);
		return -EINVAL;
	}
	free(sock->filter);
	sock->filter = filter;
	return 0;
}

int usock__filter_detach(struct usock *sock)
{
	if (usock__filter_locked(sock))
		return -EPERM;
	if (sock->filter == NULL)
		return -ENOENT;
	usock__filter_free(sock);
	return 0;
}

int usock__filter_lock(struct usock *sock, bool lock)
{
	if (usock__filter_locked(sock) && !lock)
		return -EPERM;
	if (!lock)
		return 0;
	if (sock->filter == NULL)
		sock->filter = calloc(1, sizeof(*sock->filter));
	if (sock->filter == NULL)
		return -ENOMEM;
	sock->filter->locked = true;
	return 0;
}

bool usock__filter_locked(const struct usock *sock)
{
	return sock->filter != NULL && sock->filter->locked;
}

int usock__filter_get(const struct usock *sock, void *value, socklen_t *len)
{
	socklen_t room = *len, there = sock->filter == NULL ? 0 : sock->filter->len;

	*len = there;
	if (there == 0 || room == 0)
		return 0;
	if (room < there)
		return -EINVAL;
	memcpy(value, sock->filter->program, there * sizeof(sock->filter->program[0]));
	return 0;
}

void usock__filter_free(struct usock *sock)
{
	free(sock->filter);
	sock->filter = NULL;
}

size_t usock__filter_run_on(const struct usock__filter *filter, const void *data, size_t len, size_t whole)
{
	size_t keep;

	if (filter->len == 0)
		return whole;
	keep = bpf_filter(filter->program, data, (unsigned int)whole, (unsigned int)len);
	return keep < whole ? keep : whole;
}

bool usock__filter_packet_on(const struct usock *sock, const struct usock_packet *packet, size_t header, size_t least,
                             size_t *len)
{
	unsigned char *bytes = malloc(*len == 0 ? 1 : *len);
	size_t keep;

	if (bytes == NULL)
		return false;
	memcpy(bytes, packet->header, header);
	usock__packet_copy(packet, 0, bytes + header, *len - header);
	keep = usock__filter_run_on(sock->filter, bytes, *len, *len);
	free(bytes);
	if (keep == 0 && sock->filter->len > 0)
		return false;
	*len = keep < least ? least : keep;
	return true;
}
