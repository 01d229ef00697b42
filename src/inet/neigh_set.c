/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * neigh_set.c - neighbours as `ip neigh` sees and sets them, and what happens to them when their interface changes.
 */
#include "neigh.h"

#include <errno.h>
#include <linux/netlink.h>

/* What a user may set the state to, or to none. */
#define STATES                                                                                                         \
	(NUD_INCOMPLETE | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_FAILED | NUD_NOARP | NUD_PERMANENT)
/* Flags that are kept as given; the others are ours, or ask for what is not done here. */
#define FLAGS (NTF_ROUTER | NTF_EXT_LEARNED)

int inet__neigh_set(struct inet_iface *iface, int family, const union inet_ip *ip, const unsigned char *mac,
                    uint16_t state, uint8_t flags, uint8_t protocol, unsigned int nlm_flags)
{
	struct inet_neigh *neigh = inet__neigh_find(iface, family, ip);
	unsigned int update = INET__NEIGH_ADMIN;
	bool made = !neigh;
	int err;

	if (flags & NTF_PROXY)
		return inet__neigh_proxy_set(iface, family, ip, flags, protocol, nlm_flags);
	if ((state & (state - 1)) || (state & ~STATES))
		return -EINVAL;
	if (!neigh && !(nlm_flags & NLM_F_CREATE))
		return -ENOENT;
	if (neigh && (nlm_flags & NLM_F_EXCL))
		return -EEXIST;
	if (!neigh) {
		if ((state & INET__NUD_VALID) && !mac && !(flags & NTF_USE))
			return nlq_error(-EINVAL, NULL, "No link layer address given");
		neigh = inet__neigh_create(iface, family, ip);
		if (!neigh)
			return -ENOBUFS;
	}
	if (made || (nlm_flags & NLM_F_REPLACE))
		update |= INET__NEIGH_OVERRIDE | (flags & NTF_ROUTER ? INET__NEIGH_ROUTER : INET__NEIGH_HOST);
	if (protocol != RTPROT_UNSPEC)
		neigh->protocol = protocol;
	neigh->flags = (uint8_t)((neigh->flags & NTF_ROUTER) | (flags & FLAGS & ~NTF_ROUTER));
	if (flags & NTF_USE) {
		inet__neigh_use(neigh);
		return 0;
	}
	err = inet__neigh_update(neigh, mac, state, update);
	if (err == -EINVAL)
		nlq_error(err, NULL, "No link layer address given");
	if (err < 0 && made)
		inet__neigh_free(neigh);
	inet__neigh_failures(iface->inet);
	return err;
}

int inet__neigh_delete(struct inet_iface *iface, int family, const union inet_ip *ip, bool proxy)
{
	struct inet_neigh *neigh = inet__neigh_find(iface, family, ip);

	if (proxy)
		return inet__neigh_proxy_delete(iface, family, ip);
	if (!neigh)
		return -ENOENT;
	/* Linux tells twice: that it is not valid any more, and that it is gone. What waits for it is undeliverable. */
	inet__neigh_update(neigh, NULL, NUD_FAILED, INET__NEIGH_ADMIN);
	inet__neigh_free(neigh);
	inet__neigh_failures(iface->inet);
	return 0;
}

/** each_family - inet__neigh_each of one family */
static int each_family(struct inet *inet, int family, int (*each)(const struct inet_neigh *neigh, void *arg), void *arg)
{
	for (struct inet_neigh *neigh = inet__neigh_first(inet, family); neigh; neigh = inet__neigh_next(neigh)) {
		int result = each(neigh, arg);

		if (result)
			return result;
	}
	for (const struct inet_iface *iface = inet->ifaces; iface; iface = iface->next) {
		for (const struct inet_neigh *proxy = iface->private->nd->proxies; proxy; proxy = proxy->next) {
			int result = proxy->family == family ? each(proxy, arg) : 0;

			if (result)
				return result;
		}
	}
	return 0;
}

int inet__neigh_each(struct inet *inet, int family, int (*each)(const struct inet_neigh *neigh, void *arg), void *arg)
{
	int result = 0;

	if (family != AF_INET6)
		result = each_family(inet, AF_INET, each, arg);
	if (!result && family != AF_INET)
		result = each_family(inet, AF_INET6, each, arg);
	return result;
}

int inet__neigh_reachable(struct inet_iface *iface, int family, const union inet_ip *ip)
{
	const struct inet_neigh *neigh = inet__neigh_find(iface, family, ip);

	if (!neigh || neigh->state == NUD_NONE || (neigh->state & INET__NUD_VALID))
		return 1;
	return neigh->state == NUD_FAILED ? -1 : 0;
}

/** forget - remove the entries of an interface, of one family (0: both); @keep_permanent: not those set by hand */
static void forget(struct inet_iface *iface, int family, bool keep_permanent)
{
	for (int i = 0; i < 2; i++) {
		int af = i == 0 ? AF_INET : AF_INET6;
		struct inet_neigh *neigh = inet__neigh_first(iface->inet, af), *next;

		for (; neigh && (family == 0 || family == af); neigh = next) {
			next = inet__neigh_next(neigh);
			if (neigh->iface == iface && !(keep_permanent && (neigh->state & NUD_PERMANENT)))
				inet__neigh_free(neigh);
		}
	}
}

void inet__neigh_flush(struct inet_iface *iface, int family)
{
	forget(iface, family, false);
	inet__neigh_proxy_flush(iface, family);
}

void inet__neigh_mac_changed(struct inet_iface *iface)
{
	forget(iface, 0, false);
}

void inet__neigh_carrier(struct inet_iface *iface)
{
	if (!iface->carrier)
		forget(iface, 0, true);
}
