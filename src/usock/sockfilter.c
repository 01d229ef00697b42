/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sockfilter.c - SO_ATTACH_FILTER, see sockfilter.h.
 *
 * libpcap checks and runs the programs: they only jump forward and never read past the packet, so each ends. What Linux has added to the
 * classic machine (loads from SKF_AD_OFF, SKF_NET_OFF and SKF_LL_OFF, the modulus and exclusive or operations) libpcap does not
 * have or does otherwise, so a program with such loads is refused.
 */
#include "sockfilter.h"

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
	unsigned int len;        /* instructions; 0: none, it is only locked */
	struct bpf_insn program[];
};

/** beyond - does an instruction load from where only Linux has something? */
static bool beyond(const struct bpf_insn *insn)
{
	unsigned int class = BPF_CLASS(insn->code), mode = BPF_MODE(insn->code);

	return (class == BPF_LD || class == BPF_LDX) && (mode == BPF_ABS || mode == BPF_IND || mode == BPF_MSH) &&
	       insn->k >= 0x80000000U;
}

int usock__filter_attach(struct usock *sock, const void *value, socklen_t len)
{
	struct usock__filter *filter;
	struct sock_fprog program;

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
	for (unsigned int i = 0; i < filter->len; i++) {
		if (!beyond(&filter->program[i]))
			continue;
		free(filter);
		return -EINVAL;
	}
	if (!bpf_validate(filter->program, (int)filter->len)) {
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
