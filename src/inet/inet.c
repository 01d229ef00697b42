/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inet.c - the configuration of a stack as a whole, and what is needed everywhere: addresses as bits, random numbers.
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/** open_parts - the tables of each file; what was opened when one fails is closed by the caller */
static int open_parts(struct inet *inet)
{
	int error = inet__addrs_open(inet);

	if (error == 0)
		error = inet__routes_open(inet);
	if (error == 0)
		error = inet__neigh_open(inet);
	if (error == 0)
		error = inet__nd_open(inet);
	return error;
}

/** close_parts - each of the functions does nothing when its part was not opened */
static void close_parts(struct inet *inet)
{
	inet__nd_close(inet);
	inet__neigh_close(inet);
	inet__routes_close(inet);
	inet__addrs_close(inet);
}

struct inet *inet_new(const struct inet_ops *ops, void *owner)
{
	struct inet *inet = calloc(1, sizeof(*inet));

	if (inet == NULL)
		return NULL;
	inet->ops = ops;
	inet->owner = owner;
	if (open_parts(inet) == 0 && inet__iface_new_lo(inet) == 0)
		return inet;
	inet->closing = true;
	close_parts(inet);
	free(inet);
	return NULL;
}

void inet_free(struct inet *inet)
{
	if (inet == NULL)
		return;
	inet->closing = true;
	inet__ifaces_free(inet);
	close_parts(inet);
	free(inet);
}

void inet_set_forwarding(struct inet *inet, bool forwarding)
{
	if (inet->forwarding == forwarding)
		return;
	inet->forwarding = forwarding;
	inet__addrs_forwarding(inet);
	inet__routes_changed(inet);
}

void inet_set_advertisements(struct inet *inet, bool accept, bool autoconf)
{
	inet->no_accept_ra = !accept;
	inet->no_autoconf = !autoconf;
}

int64_t inet_deadline(const struct inet *inet)
{
	int64_t when = inet__addrs_deadline(inet);

	when = earlier(when, inet__routes_deadline(inet));
	when = earlier(when, inet__neigh_deadline(inet));
	return earlier(when, inet__nd_deadline(inet));
}

void inet_run_timers(struct inet *inet)
{
	int64_t now = inet__now(inet);

	if (inet__addrs_deadline(inet) <= now)
		inet__addrs_run(inet);
	if (inet__routes_deadline(inet) <= now)
		inet__routes_run(inet);
	if (inet__neigh_deadline(inet) <= now)
		inet__neigh_run(inet);
	if (inet__nd_deadline(inet) <= now)
		inet__nd_run(inet);
}

void inet_request_begin(struct inet *inet, uint32_t seq, uint32_t portid)
{
	inet->seq = seq;
	inet->portid = portid;
}

void inet_request_end(struct inet *inet)
{
	inet->seq = 0;
	inet->portid = 0;
}

/* -------------------------------------------------------------------------------------------------------- addresses */

bool inet__ip_equal(int family, const union inet_ip *a, const union inet_ip *b)
{
	return memcmp(a, b, inet__addr_len(family)) == 0;
}

bool inet__ip_is_zero(int family, const union inet_ip *ip)
{
	return family == AF_INET ? ip->v4.s_addr == 0 : IN6_IS_ADDR_UNSPECIFIED(&ip->v6);
}

bool inet__ip_is_group(int family, const union inet_ip *ip)
{
	return family == AF_INET ? IN_MULTICAST(ntohl(ip->v4.s_addr)) : IN6_IS_ADDR_MULTICAST(&ip->v6);
}

bool inet__ip_is_link_local(int family, const union inet_ip *ip)
{
	return family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&ip->v6);
}

unsigned int inet__ip_common(int family, const union inet_ip *a, const union inet_ip *b)
{
	const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
	unsigned int bytes = inet__addr_len(family), i = 0;

	while (i < bytes && x[i] == y[i])
		i++;
	if (i == bytes)
		return 8 * bytes;
	return 8 * i + (unsigned int)__builtin_clz((unsigned int)(x[i] ^ y[i])) - 24;
}

bool inet__ip_match(int family, const union inet_ip *a, const union inet_ip *b, unsigned int bits)
{
	const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
	unsigned int bytes = bits / 8, rest = bits % 8;

	(void)family;
	if (memcmp(x, y, bytes) != 0)
		return false;
	return rest == 0 || (unsigned int)(x[bytes] ^ y[bytes]) >> (8 - rest) == 0;
}

void inet__ip_mask(int family, union inet_ip *ip, unsigned int bits)
{
	unsigned char *x = (unsigned char *)ip;
	unsigned int bytes = inet__addr_len(family), first = bits / 8;

	if (first >= bytes)
		return;
	x[first] = (unsigned char)(x[first] & ~(0xffU >> (bits % 8)));
	memset(x + first + 1, 0, bytes - first - 1);
}

/* ---------------------------------------------------------------------------------------------------------- numbers */

void inet__random(void *bytes, size_t len)
{
	unsigned char *at = bytes;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno != EINTR)
			abort(); /* what would follow from numbers that can be guessed is worse */
		if (got > 0) {
			at += got;
			len -= (size_t)got;
		}
	}
}

uint64_t inet__random_below(uint64_t limit)
{
	uint64_t number;

	inet__random(&number, sizeof(number));
	return limit > 0 ? number % limit : 0;
}

/** hash_key - random, chosen once a process, so that nobody can send addresses that fall together */
static uint64_t hash_key(void)
{
	static uint64_t key;
	uint64_t value = __atomic_load_n(&key, __ATOMIC_RELAXED);

	if (value != 0)
		return value;
	inet__random(&value, sizeof(value));
	value |= 1;
	uint64_t none = 0;
	if (!__atomic_compare_exchange_n(&key, &none, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		value = none;
	return value;
}

/** mix - fold the product of two halves into one: every bit of the result depends on every bit of both */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t inet__hash(int family, const union inet_ip *ip, uint32_t seed)
{
	uint64_t key = hash_key(), word[2];

	if (family == AF_INET)
		return (uint32_t)mix((uint64_t)ip->v4.s_addr << 32 ^ seed ^ key, key ^ UINT64_C(0x9e3779b97f4a7c15));
	memcpy(word, ip, sizeof(word));
	return (uint32_t)mix(mix(word[0] ^ key, word[1] ^ UINT64_C(0x9e3779b97f4a7c15)) ^ seed, key);
}

/* ---------------------------------------------------------------------------------------------------------- SipHash */

static uint64_t rotate(uint64_t x, unsigned int by)
{
	return x << by | x >> (64 - by);
}

/** sip_rounds - the permutation of SipHash on its four words, @n times */
static void sip_rounds(uint64_t v[4], unsigned int n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

/** little - up to eight bytes as a number, the first one lowest */
static uint64_t little(const unsigned char *bytes, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)bytes[i] << (8 * i);
	return word;
}

uint64_t inet__siphash(const unsigned char key[16], const void *data, size_t len)
{
	uint64_t k0 = little(key, 8), k1 = little(key + 8, 8), word;
	uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
	                 k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
	const unsigned char *at = data;

	for (size_t left = len;; at += 8, left -= 8) {
		word = left >= 8 ? little(at, 8) : little(at, left) | (uint64_t)(len & 255) << 56;
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
		if (left < 8)
			break;
	}
	v[2] ^= 255;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
