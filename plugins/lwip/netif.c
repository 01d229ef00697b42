/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netif.c - interfaces and addresses as lwIP knows them; memberships in groups.
 *
 * lwIP has one interface for each of inet's, and one more, "any", which it takes for its route to everywhere. They have no MTU as far
 * as lwIP is concerned and send by ipout.c. An interface of its own matters to lwIP in three cases: a connection bound to
 * it, a link-local address (whose zone is the number lwIP gave it), and group membership. Addresses are inet's; lwIP gets those
 * that its reports to routers are sent from: the first IPv4 address and a link-local one, written into its structure,
 * since its own functions would probe for them, and reset the connections of one that goes.
 *
 * lwIP numbers interfaces from 1 to 255, of which one is "any"; the 255th interface of a stack is refused.
 */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INTERFACES_MAX 254U

/* Unlike ip_2_ip6 of lwIP, these are good for C with -Wcast-qual. */
static void set_v4(ip_addr_t *out, uint32_t addr)
{
	memset(out, 0, sizeof(*out));
	out->u_addr.ip4.addr = addr;
	out->type = IPADDR_TYPE_V4;
}

static void set_v6(ip_addr_t *out, const struct in6_addr *addr, uint8_t zone)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->u_addr.ip6.addr, addr, sizeof(*addr));
	out->u_addr.ip6.zone = zone;
	out->type = IPADDR_TYPE_V6;
}

uint8_t lwip_index(struct engine *e, unsigned int index)
{
	struct inet_iface *iface = index ? inet_iface_by_index(e->inet, index) : NULL;

	return iface && iface->engine ? netif_get_index(&((struct interface *)iface->engine)->netif) : NETIF_NO_INDEX;
}

void lwip_addr(struct engine *e, int family, const union inet_ip *ip, unsigned int index, ip_addr_t *out)
{
	if (family == AF_INET)
		set_v4(out, ip->v4.s_addr);
	else
		set_v6(out, &ip->v6, IN6_IS_ADDR_LINKLOCAL(&ip->v6) ? lwip_index(e, index) : NETIF_NO_INDEX);
}

static err_t output4(struct netif *netif, struct pbuf *p, const ip4_addr_t *dst)
{
	(void)dst;
	return lwip_output((struct interface *)netif, AF_INET, p);
}

static err_t output6(struct netif *netif, struct pbuf *p, const ip6_addr_t *dst)
{
	(void)dst;
	return lwip_output((struct interface *)netif, AF_INET6, p);
}

/** set_up - called by lwIP while it adds the interface */
static err_t set_up(struct netif *netif)
{
	netif->name[0] = 'i';
	netif->name[1] = 'f';
	netif->mtu = 0;
	netif->output = output4;
	netif->output_ip6 = output6;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
	return ERR_OK;
}

/** input - lwIP would pass what it loops back to itself; nothing is */
static err_t input(struct pbuf *p, struct netif *netif)
{
	(void)netif;
	engine_current->lw.pbuf_free(p);
	return ERR_OK;
}

static int add(struct engine *e, struct interface *interface, struct inet_iface *iface)
{
	ip4_addr_t none = {0};

	interface->e = e;
	interface->iface = iface;
	if (!e->lw.netif_add(&interface->netif, &none, &none, &none, interface, set_up, input))
		return -ENOMEM;
	e->lw.netif_set_link_up(&interface->netif);
	return 0;
}

int netif_open(struct engine *e)
{
	int err = add(e, &e->any, NULL);

	if (err == 0)
		e->lw.netif_set_up(&e->any.netif);
	return err;
}

void engine_routes_changed(void *arg)
{
	struct engine *e = engine_enter(arg);

	if (++e->generation == 0)
		e->generation = 1;
}

int engine_iface_add(void *arg, struct inet_iface *iface)
{
	struct engine *e = engine_enter(arg);
	struct interface *interface;
	unsigned int count = 0;
	int err;

	e->inet = iface->inet; /* lo is announced first, and before there is anything to ask */
	for (struct netif *netif = *e->lw.netif_list; netif; netif = netif->next)
		count++;
	if (count > INTERFACES_MAX)
		return -ENOBUFS;
	interface = calloc(1, sizeof(*interface));
	if (!interface)
		return -ENOMEM;
	err = add(e, interface, iface);
	if (err < 0) {
		free(interface);
		return err;
	}
	iface->engine = interface;
	engine_routes_changed(e);
	return 0;
}

/** forget - a connection is not bound to an interface that goes */
static void forget(struct conn *conn, uint8_t index)
{
	if (conn->pcb.netif_idx == index)
		conn->pcb.netif_idx = NETIF_NO_INDEX;
}

void engine_iface_del(void *arg, struct inet_iface *iface)
{
	struct engine *e = engine_enter(arg);
	struct interface *interface = iface->engine;
	struct conn *conn;

	if (!interface)
		return;
	TAILQ_FOREACH(conn, &e->living, all)
	forget(conn, netif_get_index(&interface->netif));
	TAILQ_FOREACH(conn, &e->over, all)
	forget(conn, netif_get_index(&interface->netif));
	/* Without addresses nothing is told to connections. */
	set_v4(&interface->netif.ip_addr, 0);
	memset(interface->netif.ip6_addr_state, 0, sizeof(interface->netif.ip6_addr_state));
	e->lw.netif_remove(&interface->netif);
	iface->engine = NULL;
	free(interface);
	engine_routes_changed(e);
}

void engine_iface_change(void *arg, struct inet_iface *iface, unsigned int what)
{
	struct engine *e = engine_enter(arg);
	struct interface *interface = iface->engine;

	engine_routes_changed(e);
	if (!interface || !(what & INET_CHANGE_FLAGS))
		return;
	if (inet_iface_running(iface)) {
		e->lw.netif_set_up(&interface->netif);
		timer_groups(e);
	} else {
		e->lw.netif_set_down(&interface->netif);
	}
}

/** addresses - give lwIP the addresses that its reports are sent from; @gone is on its way out */
static void addresses(struct inet_iface *iface, const struct inet_addr *gone)
{
	struct interface *interface = iface->engine;
	struct netif *netif = &interface->netif;

	set_v4(&netif->ip_addr, 0);
	netif->ip6_addr_state[0] = IP6_ADDR_INVALID;
	for (const struct inet_addr *addr = iface->addrs; addr; addr = addr->next) {
		if (addr == gone || (addr->flags & IFA_F_TENTATIVE))
			continue;
		if (addr->family == AF_INET && netif->ip_addr.u_addr.ip4.addr == 0) {
			set_v4(&netif->ip_addr, addr->local.v4.s_addr);
		} else if (addr->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&addr->local.v6) &&
		           netif->ip6_addr_state[0] == IP6_ADDR_INVALID) {
			set_v6(&netif->ip6_addr[0], &addr->local.v6, netif_get_index(netif));
			netif->ip6_addr_state[0] = IP6_ADDR_PREFERRED;
		}
	}
}

int engine_addr_add(void *arg, struct inet_addr *addr)
{
	struct engine *e = engine_enter(arg);

	if (addr->iface->engine)
		addresses(addr->iface, NULL);
	engine_routes_changed(e);
	return 0;
}

void engine_addr_del(void *arg, struct inet_addr *addr)
{
	struct engine *e = engine_enter(arg);

	if (addr->iface->engine)
		addresses(addr->iface, addr);
	engine_routes_changed(e);
}

int engine_group_join(void *arg, struct inet_iface *iface, int family, const union inet_ip *group)
{
	struct engine *e = engine_enter(arg);
	struct interface *interface = iface->engine;
	ip_addr_t addr;
	err_t err;

	if (!interface || (iface->flags & IFF_LOOPBACK_))
		return 0;
	if (family == AF_INET) {
		set_v4(&addr, group->v4.s_addr);
		err = e->lw.igmp_joingroup_netif(&interface->netif, &addr.u_addr.ip4);
	} else {
		set_v6(&addr, &group->v6, netif_get_index(&interface->netif));
		err = e->lw.mld6_joingroup_netif(&interface->netif, &addr.u_addr.ip6);
	}
	timer_groups(e);
	return err == ERR_OK ? 0 : -ENOBUFS;
}

void engine_group_leave(void *arg, struct inet_iface *iface, int family, const union inet_ip *group)
{
	struct engine *e = engine_enter(arg);
	struct interface *interface = iface->engine;
	ip_addr_t addr;

	if (!interface || (iface->flags & IFF_LOOPBACK_))
		return;
	if (family == AF_INET) {
		set_v4(&addr, group->v4.s_addr);
		e->lw.igmp_leavegroup_netif(&interface->netif, &addr.u_addr.ip4);
	} else {
		set_v6(&addr, &group->v6, netif_get_index(&interface->netif));
		e->lw.mld6_leavegroup_netif(&interface->netif, &addr.u_addr.ip6);
	}
}
