/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * attr.c - the reader of netlink messages and attributes: nothing else looks at bytes that came from elsewhere.
 *
 * Validate, then read: nlq__nextmsg measures a message in its datagram, nlq__parse every attribute in its message, and
 * the nlq_attr_* functions a value in its attribute. Memory is aligned to four, as netlink aligns everything.
 */
#include "private.h"

#include <linux/fib_rules.h>
#include <linux/if_addrlabel.h>
#include <linux/if_link.h>

struct nlmsghdr *nlq__nextmsg(void *datagram, size_t len, size_t *at)
{
	struct nlmsghdr *msg = (struct nlmsghdr *)(void *)((unsigned char *)datagram + *at);
	size_t left = len - *at, step;

	if (left < NLMSG_HDRLEN || msg->nlmsg_len < NLMSG_HDRLEN || msg->nlmsg_len > left)
		return NULL;
	step = nlq__align(msg->nlmsg_len);
	*at += step > left ? left : step; /* the last message needs no padding */
	return msg;
}

size_t nlq__headerlen(uint16_t type)
{
	/* by RTM_FAM of the type; those that are not here have none, or none that is known */
	static const unsigned char len[RTM_NR_FAMILIES] = {
	        [RTMF_LINK] = sizeof(struct ifinfomsg),
	        [RTMF_ADDR] = sizeof(struct ifaddrmsg),
	        [RTMF_ROUTE] = sizeof(struct rtmsg),
	        [RTMF_NEIGH] = sizeof(struct ndmsg),
	        [RTMF_RULE] = sizeof(struct fib_rule_hdr),
	        [RTMF_QDISC] = sizeof(struct tcmsg),
	        [RTM_FAM(RTM_NEWTCLASS)] = sizeof(struct tcmsg),
	        [RTM_FAM(RTM_NEWTFILTER)] = sizeof(struct tcmsg),
	        [RTM_FAM(RTM_NEWACTION)] = sizeof(struct tcamsg),
	        [RTM_FAM(RTM_NEWPREFIX)] = sizeof(struct prefixmsg),
	        [RTM_FAM(RTM_GETMULTICAST)] = sizeof(struct ifaddrmsg),
	        [RTM_FAM(RTM_GETANYCAST)] = sizeof(struct ifaddrmsg),
	        [RTM_FAM(RTM_NEWNEIGHTBL)] = sizeof(struct ndtmsg),
	        [RTM_FAM(RTM_NEWNDUSEROPT)] = sizeof(struct nduseroptmsg),
	        [RTM_FAM(RTM_NEWADDRLABEL)] = sizeof(struct ifaddrlblmsg),
	        [RTM_FAM(RTM_NEWNETCONF)] = 1, /* struct netconfmsg */
	        [RTM_FAM(RTM_NEWNSID)] = sizeof(struct rtgenmsg),
	        [RTM_FAM(RTM_NEWSTATS)] = sizeof(struct if_stats_msg),
	        [RTM_FAM(RTM_NEWCACHEREPORT)] = sizeof(struct rtgenmsg),
	        [RTM_FAM(RTM_NEWCHAIN)] = sizeof(struct tcmsg),
	};
	int family = nlq__family(type);

	return family < 0 ? 0 : len[family];
}

size_t nlq__parse(const void *data, size_t len, struct nlattr **table, unsigned int n)
{
	const unsigned char *at = data;

	memset(table, 0, n * sizeof(table[0]));
	while (len >= NLQ__ATTRHDR) {
		struct nlattr *attr = (struct nlattr *)(void *)(uintptr_t)at;
		unsigned int type = attr->nla_type & (unsigned int)NLA_TYPE_MASK;
		size_t step = nlq__align(attr->nla_len);

		if (attr->nla_len < NLQ__ATTRHDR || attr->nla_len > len)
			break;
		if (type < n)
			table[type] = attr;
		step = step > len ? len : step;
		at += step;
		len -= step;
	}
	return len;
}

size_t nlq__parsebody(const struct nlmsghdr *msg, struct nlattr **table, unsigned int n)
{
	size_t header = NLMSG_HDRLEN + nlq__align(nlq__headerlen(msg->nlmsg_type));

	/* nothing is known of the body of a message without a fixed header */
	if (header == NLMSG_HDRLEN || msg->nlmsg_len < header) {
		memset(table, 0, n * sizeof(table[0]));
		return 0;
	}
	return nlq__parse((const unsigned char *)msg + header, msg->nlmsg_len - header, table, n);
}

int nlq_parsemsg(const struct nlmsghdr *msg, struct nlattr **table, unsigned int n)
{
	if (nlq__msgdata(msg, nlq__headerlen(msg->nlmsg_type)) == NULL) {
		memset(table, 0, n * sizeof(table[0]));
		return -EINVAL;
	}
	return nlq__parsebody(msg, table, n) == 0 ? 0 : -EINVAL;
}

int nlq_parsexattr(const struct nlattr *attr, struct nlattr **table, unsigned int n)
{
	return nlq__parse(nlq_attr_data(attr, 0), nlq_attr_len(attr), table, n) == 0 ? 0 : -EINVAL;
}

size_t nlq_attr_len(const struct nlattr *attr)
{
	return attr == NULL || attr->nla_len < NLQ__ATTRHDR ? 0 : attr->nla_len - NLQ__ATTRHDR;
}

const void *nlq_attr_data(const struct nlattr *attr, size_t len)
{
	return attr == NULL || nlq_attr_len(attr) < len ? NULL : (const unsigned char *)attr + NLQ__ATTRHDR;
}

uint8_t nlq_attr_u8(const struct nlattr *attr, uint8_t absent)
{
	const uint8_t *data = nlq_attr_data(attr, sizeof(absent));

	return data == NULL ? absent : *data;
}

uint16_t nlq_attr_u16(const struct nlattr *attr, uint16_t absent)
{
	const uint16_t *data = nlq_attr_data(attr, sizeof(absent));

	return data == NULL ? absent : *data;
}

uint32_t nlq_attr_u32(const struct nlattr *attr, uint32_t absent)
{
	const uint32_t *data = nlq_attr_data(attr, sizeof(absent));

	return data == NULL ? absent : *data;
}

uint64_t nlq_attr_u64(const struct nlattr *attr, uint64_t absent)
{
	const void *data = nlq_attr_data(attr, sizeof(absent));

	if (data != NULL)
		memcpy(&absent, data, sizeof(absent)); /* eight bytes at an alignment of four */
	return absent;
}

char *nlq_attr_str(const struct nlattr *attr, char *buf, size_t size)
{
	const char *data = nlq_attr_data(attr, 0);
	size_t len = data == NULL ? 0 : strnlen(data, nlq_attr_len(attr));

	if (data == NULL || len >= size)
		return NULL;
	memcpy(buf, data, len);
	buf[len] = '\0';
	return buf;
}
