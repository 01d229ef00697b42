/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iface.c - interfaces.
 *
 * An interface is made by inet_iface_new, in the order port, engine, list, so that whoever finds it in the list finds
 * it whole; it is deleted in the reverse order, after all that depends on it. What it carries is decided by two things:
 * IFF_UP, which a user sets, and the carrier, which the port reports. Only when both are there does it run.
 *
 * Linux's order of events is kept, since programs that watch netlink see it: the link is told first, then its addresses
 * and routes come; before it goes down they are still there, and when the link has been told they go.
 */
#include "private.h"

#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Flags that a user may set and that have no other effect than to be shown. */
#define FLAGS_PLAIN (IFF_DEBUG | IFF_NOTRAILERS | IFF_NOARP | IFF_DYNAMIC | IFF_MULTICAST | IFF_PORTSEL | IFF_AUTOMEDIA)
#define FLAGS_COUNTED ((unsigned int)(IFF_PROMISC | IFF_ALLMULTI))

static void notify(struct inet_iface *iface, bool del)
{
	if (!iface->inet->closing)
		inet__notify_link(iface, del);
}

static void changed(struct inet_iface *iface, unsigned int what)
{
	struct inet *inet = iface->inet;

	inet->ops->iface_change(inet->owner, iface, what);
}

/* ------------------------------------------------------------------------------------------------------------ names */

bool inet__iface_valid_name(const char *name)
{
	size_t len = strnlen(name, IFNAMSIZ);

	if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name != '\0'; name++)
		if (*name == '/' || *name == ':' || *name == ' ' || (*name >= '\t' && *name <= '\r'))
			return false;
	return true;
}

/**
 * choose_name - check a name, and put the first free number in the place of '%d'
 * @out: gets the name
 * @self: the interface that is being renamed, or NULL
 */
static int choose_name(struct inet *inet, const char *name, const struct inet_iface *self, char out[IFNAMSIZ])
{
	const char *percent;

	if (!inet__iface_valid_name(name))
		return -EINVAL;
	percent = strchr(name, '%');
	if (percent == NULL) {
		struct inet_iface *other = inet_iface_by_name(inet, name);

		if (other != NULL && other != self)
			return -EEXIST;
		memcpy(out, name, strlen(name) + 1);
		return 0;
	}
	if (percent[1] != 'd' || strchr(percent + 2, '%') != NULL)
		return -EINVAL;
	for (unsigned int n = 0; n <= inet->iface_count; n++) {
		char text[IFNAMSIZ + 12];
		int len = snprintf(text, sizeof(text), "%.*s%u%s", (int)(percent - name), name, n, percent + 2);

		if (len >= IFNAMSIZ)
			return -ENFILE;
		if (inet_iface_by_name(inet, text) == NULL) {
			memcpy(out, text, (size_t)len + 1);
			return 0;
		}
	}
	return -ENFILE;
}

struct inet_iface *inet_iface_first(struct inet *inet)
{
	return inet->ifaces;
}

struct inet_iface *inet_iface_by_index(struct inet *inet, unsigned int index)
{
	struct inet_iface *iface = inet->ifaces;

	while (iface != NULL && iface->index < index)
		iface = iface->next;
	return iface != NULL && iface->index == index ? iface : NULL;
}

struct inet_iface *inet_iface_by_name(struct inet *inet, const char *name)
{
	struct inet_iface *iface = inet->ifaces;

	while (iface != NULL && strcmp(iface->name, name) != 0)
		iface = iface->next;
	return iface;
}

/* --------------------------------------------------------------------------------------------------- life and death */

static bool valid_mac(const unsigned char mac[6])
{
	static const unsigned char zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, 6) != 0;
}

/** choose_index - the next one above all that were ever given out, so that a number is not soon somebody else's */
static unsigned int choose_index(struct inet *inet)
{
	do {
		inet->last_index = inet->last_index < INT32_MAX ? inet->last_index + 1 : 1;
	} while (inet_iface_by_index(inet, inet->last_index) != NULL);
	return inet->last_index;
}

/** make - an interface of no kind that nobody knows of yet; NULL: no memory */
static struct inet_iface *make(struct inet *inet)
{
	struct inet_iface *iface = calloc(1, sizeof(*iface));

	if (iface == NULL)
		return NULL;
	iface->inet = inet;
	iface->private = calloc(1, sizeof(*iface->private));
	if (iface->private == NULL) {
		free(iface);
		return NULL;
	}
	iface->carrier = true;
	iface->mtu = INET_MTU_DEFAULT;
	iface->accept_ra = !inet->no_accept_ra;
	iface->autoconf = !inet->no_autoconf;
	iface->dad_transmits = 1;
	iface->hop_limit = 64;
	iface->private->txqlen = 1000;
	return iface;
}

static void destroy(struct inet_iface *iface)
{
	inet__groups_free(iface);
	free(iface->private->alias);
	free(iface->private);
	free(iface->vnl);
	free(iface);
}

static void insert(struct inet_iface *iface)
{
	struct inet_iface **at = &iface->inet->ifaces;

	while (*at != NULL && (*at)->index < iface->index)
		at = &(*at)->next;
	iface->next = *at;
	*at = iface;
	iface->inet->iface_count++;
}

static void take_out(struct inet_iface *iface)
{
	struct inet_iface **at = &iface->inet->ifaces;

	while (*at != iface)
		at = &(*at)->next;
	*at = iface->next;
	iface->inet->iface_count--;
}

/** announce - the port is there: tell discovery and the engine, and put the interface in the list */
static int announce(struct inet_iface *iface)
{
	struct inet *inet = iface->inet;
	int error = inet__nd_iface_add(iface);

	if (error != 0)
		return error;
	error = inet->ops->iface_add(inet->owner, iface);
	if (error != 0) {
		inet__nd_iface_del(iface);
		return error;
	}
	insert(iface);
	return 0;
}

int inet__iface_new_lo(struct inet *inet)
{
	struct inet_iface *lo = make(inet);
	int error;

	if (lo == NULL)
		return -ENOMEM;
	lo->index = inet->last_index = 1;
	memcpy(lo->name, "lo", 3);
	lo->type = ARPHRD_LOOPBACK;
	lo->flags = IFF_LOOPBACK;
	lo->mtu = INET_MTU_LOOPBACK;
	lo->accept_ra = false;
	inet->lo = lo;
	error = announce(lo);
	if (error != 0) {
		inet->lo = NULL;
		destroy(lo);
	}
	return error;
}

/** set_up_kind - what kinds of interfaces differ in */
static int set_up_kind(struct inet_iface *iface, const char *kind, const char *vnl, const unsigned char *mac)
{
	if (strcmp(kind, "vde") == 0) {
		iface->kind = "vde";
		iface->flags = IFF_BROADCAST | IFF_MULTICAST;
	} else if (strcmp(kind, "dummy") == 0) {
		iface->kind = "dummy";
		iface->flags = IFF_BROADCAST | IFF_NOARP;
	} else {
		return nlq_error(-EOPNOTSUPP, NULL, "Unknown device type");
	}
	iface->type = ARPHRD_ETHER;
	if (vnl != NULL && (iface->vnl = strdup(vnl)) == NULL)
		return -ENOMEM;
	memset(iface->private->broadcast, 0xff, 6);
	inet__random(iface->private->stable_secret, sizeof(iface->private->stable_secret));
	if (mac != NULL && !valid_mac(mac))
		return -EADDRNOTAVAIL;
	if (mac != NULL) {
		memcpy(iface->mac, mac, 6);
	} else {
		inet__random(iface->mac, 6);
		iface->mac[0] = (unsigned char)((iface->mac[0] & ~1) | 2); /* one station, locally administered */
	}
	return 0;
}

int inet_iface_new(struct inet *inet, const char *name, const char *kind, const char *vnl, const unsigned char *mac,
                   unsigned int index, struct inet_iface **out)
{
	struct inet_iface *iface;
	int error;

	if (inet->iface_count >= INET_IFACES_MAX)
		return -ENFILE;
	if (index > INT32_MAX)
		return -EINVAL;
	if (index != 0 && inet_iface_by_index(inet, index) != NULL)
		return -EEXIST;
	iface = make(inet);
	if (iface == NULL)
		return -ENOMEM;
	error = choose_name(inet, name, NULL, iface->name);
	if (error == 0)
		error = set_up_kind(iface, kind, vnl, mac);
	if (error != 0)
		goto failed;
	iface->index = index != 0 ? index : choose_index(inet);
	if (strcmp(iface->kind, "vde") == 0)
		error = inet->ops->link_create(inet->owner, iface);
	if (error != 0)
		goto failed;
	memcpy(iface->private->permanent_mac, iface->mac, 6);
	error = announce(iface);
	if (error != 0)
		goto failed_port;
	notify(iface, false);
	if (out != NULL)
		*out = iface;
	return 0;
failed_port:
	if (strcmp(iface->kind, "vde") == 0)
		inet->ops->link_destroy(inet->owner, iface);
failed:
	destroy(iface);
	return error;
}

/** delete - for lo as well, at the very end */
static void delete (struct inet_iface *iface)
{
	struct inet *inet = iface->inet;

	iface->private->removing = true;
	if (iface->flags & IFF_UP)
		inet__iface_set_flags(iface, 0, IFF_UP);
	inet__addrs_flush(iface);
	inet__routes_iface_down(iface, true);
	inet__neigh_flush(iface, 0);
	inet__nd_iface_del(iface);
	inet__groups_leave_all(iface);
	take_out(iface);
	inet__routes_changed(inet);
	notify(iface, true);
	inet->ops->iface_del(inet->owner, iface);
	if (iface->kind != NULL && strcmp(iface->kind, "vde") == 0)
		inet->ops->link_destroy(inet->owner, iface);
	destroy(iface);
}

int inet_iface_delete(struct inet_iface *iface)
{
	if (iface->flags & IFF_LOOPBACK)
		return -EOPNOTSUPP;
	delete (iface);
	return 0;
}

void inet__ifaces_free(struct inet *inet)
{
	while (inet->ifaces != NULL && inet->ifaces->next != NULL)
		delete (inet->ifaces->next);
	if (inet->ifaces != NULL)
		delete (inet->ifaces);
	inet->lo = NULL;
}

/* ---------------------------------------------------------------------------------------------------- flags, states */

unsigned int inet__iface_flags(const struct inet_iface *iface)
{
	unsigned int flags = (iface->flags & ~FLAGS_COUNTED) | iface->private->user_flags;

	if (!(iface->flags & IFF_UP))
		return flags;
	return iface->carrier ? flags | IFF_RUNNING | IFF_LOWER_UP : flags;
}

uint8_t inet__iface_operstate(const struct inet_iface *iface)
{
	if (!(iface->flags & IFF_UP))
		return IF_OPER_DOWN;
	if (iface->kind == NULL || strcmp(iface->kind, "dummy") == 0)
		return IF_OPER_UNKNOWN; /* these have no network that could tell */
	return inet_iface_running(iface) ? IF_OPER_UP : IF_OPER_DOWN;
}

/** count - somebody (@by 1) wants a flag of FLAGS_COUNTED, or no longer (-1) */
static void count(struct inet_iface *iface, unsigned int *users, unsigned int flag, int by)
{
	unsigned int before = iface->flags;

	if (by < 0 && *users == 0)
		return;
	*users += (unsigned int)by;
	iface->flags = *users > 0 ? iface->flags | flag : iface->flags & ~flag;
	if (iface->flags != before)
		changed(iface, INET_CHANGE_FILTER);
}

void inet_iface_promisc(struct inet_iface *iface, int by)
{
	count(iface, &iface->promisc, IFF_PROMISC, by);
}

void inet_iface_allmulti(struct inet_iface *iface, int by)
{
	count(iface, &iface->allmulti, IFF_ALLMULTI, by);
}

static int go_up(struct inet_iface *iface)
{
	iface->flags |= IFF_UP;
	changed(iface, INET_CHANGE_FLAGS);
	inet__routes_changed(iface->inet);
	notify(iface, false);
	return inet__addrs_up(iface);
}

static void go_down(struct inet_iface *iface)
{
	inet__nd_stop(iface);
	inet__neigh_flush(iface, 0);
	iface->flags &= ~(unsigned int)IFF_UP;
	changed(iface, INET_CHANGE_FLAGS);
	inet__routes_changed(iface->inet);
	notify(iface, false);
	inet__routes_iface_down(iface, false);
	inet__addrs_down(iface);
}

int inet__iface_set_flags(struct inet_iface *iface, unsigned int flags, unsigned int mask)
{
	unsigned int plain = mask & FLAGS_PLAIN, before = inet__iface_flags(iface);
	unsigned int counted = (flags ^ iface->private->user_flags) & mask & FLAGS_COUNTED;
	bool rest;

	iface->flags = (iface->flags & ~plain) | (flags & plain);
	iface->private->user_flags ^= counted;
	if (counted & IFF_PROMISC)
		inet_iface_promisc(iface, flags & IFF_PROMISC ? 1 : -1);
	if (counted & IFF_ALLMULTI)
		inet_iface_allmulti(iface, flags & IFF_ALLMULTI ? 1 : -1);
	rest = inet__iface_flags(iface) != before;
	if ((flags ^ iface->flags) & mask & IFF_UP) {
		if (flags & IFF_UP)
			return go_up(iface);
		go_down(iface);
	} else if (rest) {
		changed(iface, INET_CHANGE_FLAGS);
		notify(iface, false);
	}
	return 0;
}

void inet_iface_carrier(struct inet_iface *iface, bool carrier)
{
	if (iface->carrier == carrier)
		return;
	iface->carrier = carrier;
	if (carrier)
		iface->private->carrier_up++;
	else
		iface->private->carrier_down++;
	changed(iface, INET_CHANGE_FLAGS);
	inet__routes_iface_carrier(iface);
	inet__routes_changed(iface->inet);
	if (iface->flags & IFF_UP) {
		notify(iface, false);
		inet__neigh_carrier(iface);
		inet__addrs_carrier(iface);
	}
}

/* ----------------------------------------------------------------------------------------------------- other values */

int inet__iface_set_name(struct inet_iface *iface, const char *name)
{
	char chosen[IFNAMSIZ];
	int error = choose_name(iface->inet, name, iface, chosen);

	if (error != 0 || strcmp(chosen, iface->name) == 0)
		return error;
	memcpy(iface->name, chosen, sizeof(chosen));
	changed(iface, INET_CHANGE_NAME);
	inet__addrs_renamed(iface);
	notify(iface, false);
	return 0;
}

int inet__iface_set_mtu(struct inet_iface *iface, unsigned int mtu)
{
	unsigned int max = iface->kind == NULL ? INET_MTU_LOOPBACK : INET_MTU_MAX;
	bool had6 = inet__iface_has6(iface);

	if (mtu == iface->mtu)
		return 0;
	if (mtu < INET_MTU_MIN)
		return nlq_error(-EINVAL, NULL, "mtu less than device minimum");
	if (mtu > max)
		return nlq_error(-EINVAL, NULL, "mtu greater than device maximum");
	if (had6 && mtu < INET_MTU_MIN6)
		inet__addrs_disable6(iface);
	iface->mtu = mtu;
	changed(iface, INET_CHANGE_MTU);
	inet__routes_changed(iface->inet);
	notify(iface, false);
	if (!had6 && mtu >= INET_MTU_MIN6)
		inet__addrs_enable6(iface);
	return 0;
}

unsigned int inet__iface_mtu(const struct inet_iface *iface, int family)
{
	if (family == AF_INET6 && iface->mtu6 != 0 && iface->mtu6 < iface->mtu)
		return iface->mtu6;
	return iface->mtu;
}

int inet__iface_set_mac(struct inet_iface *iface, const unsigned char mac[6])
{
	if (!valid_mac(mac))
		return -EADDRNOTAVAIL;
	if (memcmp(iface->mac, mac, 6) == 0)
		return 0;
	memcpy(iface->mac, mac, 6);
	changed(iface, INET_CHANGE_MAC);
	inet__neigh_mac_changed(iface);
	notify(iface, false);
	return 0;
}

int inet__iface_set_addr_gen_mode(struct inet_iface *iface, uint8_t mode)
{
	if (mode > IN6_ADDR_GEN_MODE_RANDOM)
		return -EINVAL;
	if (iface->addr_gen_mode == mode)
		return 0;
	iface->addr_gen_mode = mode; /* for the next address that is made: the link-local one when it goes up */
	notify(iface, false);
	return 0;
}

bool inet__iface_has6(const struct inet_iface *iface)
{
	return !iface->private->disabled6;
}
