/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * neigh.c - the table of neighbours: who has which hardware address, and do they still answer?
 *
 * One table a stack, both families in it, found by a hash of interface and address. Each entry is a small machine, the
 * one of RFC 4861 (7.3, appendix C), which IPv4 shares as it does on Linux. States are NUD_* of netlink:
 *
 *     NONE ── send ──▶ INCOMPLETE ── answer ──▶ REACHABLE ── 30 s ──▶ STALE ── send ──▶ DELAY ── 5 s ──▶ PROBE
 *
 * INCOMPLETE asks everybody, PROBE asks the neighbour itself, three times each, and then it is FAILED. From STALE,
 * DELAY and PROBE an answer, or TCP making progress, leads back to REACHABLE.
 *
 * A FAILED neighbour that is sent to is INCOMPLETE again. PERMANENT and NOARP are set by hand and never change by
 * themselves. become() is the only function that changes the state; it sets the timer, sends or gives up what waits,
 * and tells those who monitor. update() decides what something that was heard changes, by the rules of RFC 4861, 7.2.5.
 *
 * Timers: INCOMPLETE, REACHABLE, DELAY and PROBE have one each, in a heap; when all entries are at rest there is no
 * deadline.
 *
 * Bounds: what the network can make us learn is limited to LEARNED_MAX entries a family. There is no periodic clean-up;
 * when there are many entries and another is needed, the least useful ones go (collect): those that failed, then
 * strangers who spoke to us and to whom we never sent, then those not used for a minute, then those that have never
 * answered. Entries in use stay, so a flood of requests from addresses that do not exist costs only entries of its own.
 * If nothing can go, the new one is refused.
 *
 * Reentrance: inet_ops.unreachable may make the engine send, and so change this table. Packets that failed are
 * therefore collected, and handed out when nothing in here is being worked on (inet__neigh_failures).
 */
#include "neigh.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define DELAY_PROBE (5 * INET_SECOND)
#define PROBES 3 /* before giving up: to all when INCOMPLETE, to the neighbour in PROBE */
#define BASE_REACHABLE (30 * INET_SECOND)
#define RETRANS INET_SECOND
#define CHOOSE_EVERY (300 * INET_SECOND) /* how long a neighbour counts as reachable is random, and chosen anew */
#define UNUSED (60 * INET_SECOND)        /* gc_stale_time */

/* gc_thresh2 and gc_thresh3. Clean-up aims at the former and removes nothing below it. */
#define LEARNED_HIGH 512
#define LEARNED_MAX 1024
#define COLLECT_EVERY (5 * INET_SECOND)        /* between the two */
#define COLLECT_AGAIN (100 * INET_MILLISECOND) /* when all are in use */
#define COLLECT_UNPROVEN 64                    /* of those that have not answered yet, no more at a time */

#define BUCKETS_MIN 16
#define RECENT 16 /* confirmations remembered, a power of 2 */
#define CONFIRM_EVERY INET_SECOND

/** struct learned - the entries of a family */
struct learned {
	struct inet__neigh_entry *oldest, *newest;
	unsigned int count;    /* of those that are limited: not PERMANENT, not NOARP */
	int64_t collected;     /* when the last clean-up was */
	int64_t collect_again; /* not before, since all were in use */
};

/** struct recent - a destination that was confirmed a moment ago, so that most calls of inet_confirm do nothing */
struct recent {
	int family;
	union inet_ip ip;
	int64_t until;
};

struct inet__neigh_table {
	struct inet_neigh **bucket;      /* NULL until there is an entry */
	unsigned int buckets;            /* a power of 2 */
	unsigned int count;              /* all entries */
	struct learned learned[2];       /* IPv4, IPv6 */
	struct inet__neigh_entry **heap; /* timers: [1] is the next one */
	unsigned int timers, heap_room;
	size_t waiting;              /* bytes in all queues, those that failed too */
	struct inet__waiting failed; /* to be handed to inet_ops.unreachable */
	struct recent recent[RECENT];
};

static inline struct inet__neigh_entry *entry_of(struct inet_neigh *neigh)
{
	return (struct inet__neigh_entry *)neigh;
}

static inline struct inet__neigh_table *table_of(const struct inet__neigh_entry *entry)
{
	return entry->neigh.iface->inet->neigh;
}

static inline struct learned *learned_of(const struct inet__neigh_entry *entry)
{
	return &table_of(entry)->learned[entry->neigh.family == AF_INET6];
}

/* ---------------------------------------------------------------------------------------------------------- timers */

/** place - put an entry at a place of the heap */
static void place(struct inet__neigh_table *table, struct inet__neigh_entry *entry, unsigned int at)
{
	table->heap[at] = entry;
	entry->timer = at;
}

/** settle - move an entry from @at to where it belongs by its time */
static void settle(struct inet__neigh_table *table, struct inet__neigh_entry *entry, unsigned int at)
{
	while (at > 1 && table->heap[at / 2]->when > entry->when) {
		place(table, table->heap[at / 2], at);
		at /= 2;
	}
	for (;;) {
		unsigned int child = 2 * at;

		if (child < table->timers && table->heap[child + 1]->when < table->heap[child]->when)
			child++;
		if (child > table->timers || table->heap[child]->when >= entry->when)
			break;
		place(table, table->heap[child], at);
		at = child;
	}
	place(table, entry, at);
}

/** timer_clear - the entry waits for nothing */
static void timer_clear(struct inet__neigh_entry *entry)
{
	struct inet__neigh_table *table = table_of(entry);
	unsigned int at = entry->timer;
	struct inet__neigh_entry *last;

	if (at == 0)
		return;
	entry->timer = 0;
	last = table->heap[table->timers--];
	if (last != entry)
		settle(table, last, at);
}

/** timer_set - call expired() for the entry at @when; cannot fail, see inet__neigh_create */
static void timer_set(struct inet__neigh_entry *entry, int64_t when)
{
	struct inet__neigh_table *table = table_of(entry);

	entry->when = when;
	settle(table, entry, entry->timer > 0 ? entry->timer : ++table->timers);
}

/* ----------------------------------------------------------------------------------------------------------- table */

static uint32_t hash_of(const struct inet_iface *iface, int family, const union inet_ip *ip)
{
	return inet__hash(family, ip, iface->index);
}

/** resize - another number of buckets; true when it is done */
static bool resize(struct inet__neigh_table *table, unsigned int buckets)
{
	struct inet_neigh **bucket = calloc(buckets, sizeof(struct inet_neigh *));

	if (!bucket)
		return false;
	for (unsigned int i = 0; i < table->buckets; i++) {
		struct inet_neigh *neigh = table->bucket[i], *next;

		for (; neigh; neigh = next) {
			struct inet_neigh **head =
			        &bucket[hash_of(neigh->iface, neigh->family, &neigh->ip) & (buckets - 1)];

			next = neigh->next;
			neigh->next = *head;
			*head = neigh;
		}
	}
	free(table->bucket);
	table->bucket = bucket;
	table->buckets = buckets;
	return true;
}

/** reserve - make sure that one more entry has its place among the buckets and the timers */
static bool reserve(struct inet__neigh_table *table)
{
	if (table->buckets == 0 && !resize(table, BUCKETS_MIN))
		return false;
	if (table->count >= table->buckets)
		resize(table, table->buckets * 2); /* if not, chains are longer */
	if (table->count + 2 > table->heap_room) {
		unsigned int room = table->heap_room > 0 ? table->heap_room * 2 : BUCKETS_MIN;
		struct inet__neigh_entry **heap = reallocarray(table->heap, room, sizeof(struct inet__neigh_entry *));

		if (!heap)
			return false;
		table->heap = heap;
		table->heap_room = room;
	}
	return true;
}

struct inet_neigh *inet__neigh_find(struct inet_iface *iface, int family, const union inet_ip *ip)
{
	const struct inet__neigh_table *table = iface->inet->neigh;
	struct inet_neigh *neigh;

	if (table->count == 0)
		return NULL;
	neigh = table->bucket[hash_of(iface, family, ip) & (table->buckets - 1)];
	while (neigh && (neigh->iface != iface || neigh->family != family || !inet__ip_equal(family, &neigh->ip, ip)))
		neigh = neigh->next;
	return neigh;
}

/** recount - has the entry become one of those that are limited, or ceased to be? */
static void recount(struct inet__neigh_entry *entry, bool counted)
{
	struct learned *learned = learned_of(entry);

	if (counted && !entry->counted)
		learned->count++;
	else if (!counted && entry->counted)
		learned->count--;
	entry->counted = counted;
}

/** inet__neigh_free - remove an entry, with what waits for it, telling those who monitor */
void inet__neigh_free(struct inet_neigh *neigh)
{
	struct inet__neigh_entry *entry = entry_of(neigh);
	struct inet__neigh_table *table = table_of(entry);
	struct learned *learned = learned_of(entry);
	struct inet_neigh **link =
	        &table->bucket[hash_of(neigh->iface, neigh->family, &neigh->ip) & (table->buckets - 1)];

	timer_clear(entry);
	recount(entry, false);
	inet__waiting_drop(&entry->waiting, &table->waiting);
	while (*link != neigh)
		link = &(*link)->next;
	*link = neigh->next;
	table->count--;
	*(entry->older ? &entry->older->newer : &learned->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &learned->newest) = entry->older;
	if (neigh->state != NUD_NONE)
		inet__notify_neigh(neigh, true);
	free(entry);
}

/* The classes of usefulness in which collect() takes entries away. */
enum use { USE_FAILED, USE_STRANGER, USE_IDLE, USE_UNPROVEN, USE_KEEP };

static enum use use_of(const struct inet__neigh_entry *entry, int64_t now)
{
	uint16_t state = entry->neigh.state;

	if (!entry->counted)
		return USE_KEEP;
	if (state == NUD_NONE || state == NUD_FAILED)
		return USE_FAILED;
	if (state == NUD_STALE && !entry->wanted)
		return USE_STRANGER;
	if (state == NUD_STALE && now - entry->neigh.used > UNUSED)
		return USE_IDLE;
	return entry->proven ? USE_KEEP : USE_UNPROVEN;
}

/** collect - there are many entries: remove the least useful ones, oldest first, down to LEARNED_HIGH */
static void collect(struct learned *learned, int64_t now)
{
	learned->collected = now;
	for (enum use use = USE_FAILED; use < USE_KEEP && learned->count > LEARNED_HIGH; use++) {
		struct inet__neigh_entry *entry = learned->oldest, *newer;
		unsigned int most = UINT_MAX;

		if (use == USE_UNPROVEN) /* only when there is no other way */
			most = learned->count < LEARNED_MAX ? 0 : COLLECT_UNPROVEN;
		for (; entry && most > 0 && learned->count > LEARNED_HIGH; entry = newer) {
			newer = entry->newer;
			if (use_of(entry, now) != use)
				continue;
			inet__neigh_free(&entry->neigh);
			most--;
		}
	}
	if (learned->count >= LEARNED_MAX)
		learned->collect_again = now + COLLECT_AGAIN;
}

/** make_room - may one more entry be learned? */
static bool make_room(struct learned *learned, int64_t now)
{
	if (learned->count < LEARNED_HIGH)
		return true;
	if ((learned->count >= LEARNED_MAX || now - learned->collected > COLLECT_EVERY) &&
	    now >= learned->collect_again)
		collect(learned, now);
	return learned->count < LEARNED_MAX;
}

/**
 * inet__neigh_create - a new entry in state NONE; there must be none for this address
 *
 * Returns NULL when there is no memory or there are too many. Other entries may have been freed in any case.
 */
struct inet_neigh *inet__neigh_create(struct inet_iface *iface, int family, const union inet_ip *ip)
{
	struct inet__neigh_table *table = iface->inet->neigh;
	struct learned *learned = &table->learned[family == AF_INET6];
	struct inet__neigh_entry *entry;
	struct inet_neigh **head;
	int64_t now = inet__now(iface->inet);

	if (!make_room(learned, now) || !reserve(table))
		return NULL;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->neigh.iface = iface;
	entry->neigh.family = family;
	memcpy(&entry->neigh.ip, ip, inet__addr_len(family));
	entry->neigh.state = NUD_NONE;
	entry->neigh.type = RTN_UNICAST;
	entry->neigh.used = entry->neigh.confirmed = entry->neigh.updated = now;
	inet__waiting_init(&entry->waiting);
	head = &table->bucket[hash_of(iface, family, ip) & (table->buckets - 1)];
	entry->neigh.next = *head;
	*head = &entry->neigh;
	table->count++;
	entry->older = learned->newest;
	*(learned->newest ? &learned->newest->newer : &learned->oldest) = entry;
	learned->newest = entry;
	recount(entry, true);
	return &entry->neigh;
}

/* ---------------------------------------------------------------------------------------------------------- states */

void inet__neigh_choose_reachable(struct inet__neigh_params *params, int64_t now)
{
	params->reachable = params->base_reachable / 2 + (int64_t)inet__random_below((uint64_t)params->base_reachable);
	params->reachable_chosen = now;
}

void inet__neigh_params_init(struct inet__neigh_params *params)
{
	params->base_reachable = BASE_REACHABLE;
	params->retrans = RETRANS;
	params->reachable = 0; /* chosen when it is needed */
}

/** reachable_time - for how long an answer is good */
static int64_t reachable_time(const struct inet_neigh *neigh, int64_t now)
{
	struct inet__neigh_params *params = inet__neigh_params(neigh->iface, neigh->family);

	if (params->reachable == 0 || now - params->reachable_chosen >= CHOOSE_EVERY)
		inet__neigh_choose_reachable(params, now);
	return params->reachable;
}

static int64_t retrans_time(const struct inet_neigh *neigh)
{
	return inet__neigh_params(neigh->iface, neigh->family)->retrans;
}

/** ask - send a solicitation, as if from the one of ours whose packet waits */
static void ask(struct inet__neigh_entry *entry)
{
	struct inet_neigh *neigh = &entry->neigh;
	const unsigned char *mac = neigh->state == NUD_PROBE ? neigh->mac : NULL;
	size_t len = 0;
	const unsigned char *packet = inet__waiting_newest(&entry->waiting, &len);
	bool v4 = neigh->family == AF_INET;
	union inet_ip src;

	neigh->probes++;
	if (packet && len >= (v4 ? 20 : 40)) {
		memcpy(&src, packet + (v4 ? 12 : 8), v4 ? 4 : 16);
		if (!inet_local(neigh->iface->inet, neigh->family, &src, v4 ? NULL : neigh->iface))
			packet = NULL;
	} else {
		packet = NULL;
	}
	if (v4)
		inet__arp_ask(neigh->iface, neigh->ip.v4, mac, packet ? &src.v4 : NULL);
	else
		inet__nd_solicit(neigh->iface, &neigh->ip.v6, mac, packet ? &src.v6 : NULL);
}

/**
 * become - the transition function: enter a state, which may be the same one again
 *
 * The hardware address has been set when the state has one. What waits is sent, or given up; those who monitor are told
 * but when nothing has been found out: of INCOMPLETE and DELAY, as on Linux.
 */
static void become(struct inet__neigh_entry *entry, uint16_t state, int64_t now)
{
	struct inet__neigh_table *table = table_of(entry);
	struct inet_neigh *neigh = &entry->neigh;
	bool sending = false;
	uint16_t old = neigh->state;

	neigh->state = state;
	neigh->updated = now;
	neigh->probes = 0;
	recount(entry, !(state & INET__NUD_FIXED));

	switch (state) {
	case NUD_REACHABLE:
		entry->proven = true;
		neigh->confirmed = now;
		timer_set(entry, now + reachable_time(neigh, now));
		break;
	case NUD_DELAY:
		timer_set(entry, now + DELAY_PROBE);
		break;
	case NUD_INCOMPLETE:
	case NUD_PROBE:
		timer_set(entry, now + retrans_time(neigh));
		break;
	default:
		timer_clear(entry);
		break;
	}
	if (!(state & INET__NUD_VALID))
		neigh->has_mac = false;
	if (state != NUD_INCOMPLETE && state != NUD_DELAY)
		inet__notify_neigh(neigh, false);
	/* Which router is used depends on which ones answer. */
	if ((neigh->flags & NTF_ROUTER) && state != old && (state == NUD_FAILED || old == NUD_FAILED))
		inet__routes_changed(neigh->iface->inet);

	if (state & INET__NUD_VALID) {
		sending = entry->waiting.first != NULL;
		inet__waiting_send(&entry->waiting, &table->waiting, neigh->mac);
	} else if (state == NUD_FAILED) {
		inet__waiting_move(&entry->waiting, &table->failed);
	}
	if (sending && state == NUD_STALE)
		become(entry, NUD_DELAY, now);
	if (state == NUD_INCOMPLETE || state == NUD_PROBE)
		ask(entry);
}

/** expired - the timer of an entry has run out; it is set to a later time, or cleared */
static void expired(struct inet__neigh_entry *entry, int64_t now)
{
	struct inet_neigh *neigh = &entry->neigh;
	int64_t good;

	switch (neigh->state) {
	case NUD_REACHABLE: /* has it been confirmed since the timer was set? */
		good = neigh->confirmed + reachable_time(neigh, now);
		if (good > now)
			timer_set(entry, good);
		else
			become(entry, NUD_STALE, now);
		break;
	case NUD_DELAY:
		become(entry, NUD_PROBE, now);
		break;
	case NUD_INCOMPLETE:
	case NUD_PROBE:
		if (neigh->probes >= PROBES) {
			become(entry, NUD_FAILED, now);
			break;
		}
		timer_set(entry, now + retrans_time(neigh));
		ask(entry);
		break;
	default:
		timer_clear(entry);
		break;
	}
}

/**
 * inet__neigh_update - something was heard of a neighbour, or `ip neigh` sets it: what does that change?
 * @mac: hardware address, NULL: the one that is known
 * @state: what it would be if nothing else were known
 * @flags: INET__NEIGH_*
 *
 * Returns 0; -EPERM the entry was set by hand; -EINVAL a hardware address is needed.
 */
int inet__neigh_update(struct inet_neigh *neigh, const unsigned char *mac, uint16_t state, unsigned int flags)
{
	struct inet__neigh_entry *entry = entry_of(neigh);
	bool admin = flags & INET__NEIGH_ADMIN, known = neigh->state & INET__NUD_VALID, differs;
	int64_t now = inet__now(neigh->iface->inet);
	uint8_t marks = neigh->flags;

	if (!admin && (neigh->state & INET__NUD_FIXED))
		return -EPERM;
	if (!(state & INET__NUD_VALID)) {
		become(entry, state, now);
		return 0;
	}
	if (flags & INET__NEIGH_ROUTER)
		marks |= NTF_ROUTER;
	else if (flags & INET__NEIGH_HOST)
		marks &= (uint8_t)~NTF_ROUTER;
	if (!mac && !known) {
		neigh->flags = marks;
		return -EINVAL;
	}
	differs = mac && (!known || memcmp(mac, neigh->mac, 6) != 0);
	if (known && differs && !(flags & INET__NEIGH_OVERRIDE)) {
		/* Not to be believed, but a reason to look whether it is still there. */
		if ((flags & INET__NEIGH_WEAK) && (neigh->state & INET__NUD_CONNECTED))
			become(entry, NUD_STALE, now);
		return 0;
	}
	if (known && !differs && state == NUD_STALE && !admin)
		state = neigh->state; /* nothing new */
	if (differs) {
		memcpy(neigh->mac, mac, 6);
		entry->proven = false;
	}
	neigh->has_mac = true;
	if (state & INET__NUD_CONNECTED)
		neigh->confirmed = now;
	if (state != neigh->state) {
		neigh->flags = marks;
		become(entry, state, now);
	} else if (differs || marks != neigh->flags) {
		neigh->flags = marks;
		neigh->updated = now;
		inet__notify_neigh(neigh, false);
	}
	return 0;
}

void inet__neigh_learn(struct inet_iface *iface, int family, const union inet_ip *ip, const unsigned char *mac,
                       uint16_t state, unsigned int flags, bool create)
{
	struct inet_neigh *neigh = inet__neigh_find(iface, family, ip);

	if (!neigh && create && mac)
		neigh = inet__neigh_create(iface, family, ip);
	if (neigh)
		inet__neigh_update(neigh, mac, state, flags);
}

/* --------------------------------------------------------------------------------------------------------- sending */

void inet__neigh_use(struct inet_neigh *neigh)
{
	struct inet__neigh_entry *entry = entry_of(neigh);

	neigh->used = inet__now(neigh->iface->inet);
	entry->wanted = true;
	if (neigh->state == NUD_STALE)
		become(entry, NUD_DELAY, neigh->used);
	else if (!(neigh->state & (INET__NUD_VALID | NUD_INCOMPLETE)))
		become(entry, NUD_INCOMPLETE, neigh->used);
}

/** send_unknown - send to somebody whose hardware address is not known; @neigh: the entry, or NULL */
static int send_unknown(struct inet_iface *iface, int family, const union inet_ip *ip, struct inet_neigh *neigh,
                        unsigned char *packet, size_t len)
{
	struct inet__neigh_table *table = iface->inet->neigh;
	int err;

	if (iface->flags & IFF_NOARP)
		return inet_output_to(iface, family, iface->mac, packet, len);
	if (!neigh) {
		static const unsigned char all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

		if (family == AF_INET && inet_addr_type(iface->inet, family, ip, iface) == RTN_BROADCAST)
			return inet_output_to(iface, family, all, packet, len);
		neigh = inet__neigh_create(iface, family, ip);
		if (!neigh)
			return -ENOBUFS;
	}
	err = inet__waiting_add(&entry_of(neigh)->waiting, &table->waiting, iface, family, packet, len);
	inet__neigh_use(neigh);
	return err;
}

int inet__neigh_send(struct inet_iface *iface, int family, const union inet_ip *ip, unsigned char *packet, size_t len)
{
	struct inet_neigh *neigh = inet__neigh_find(iface, family, ip);

	if (!neigh || !(neigh->state & INET__NUD_VALID))
		return send_unknown(iface, family, ip, neigh, packet, len);
	inet__neigh_use(neigh);
	return inet_output_to(iface, family, neigh->mac, packet, len);
}

/** way_to - the neighbour to whom packets for @dst go, NULL: not known */
static struct inet_neigh *way_to(struct inet *inet, int family, const union inet_ip *dst)
{
	struct inet_flow flow = {.family = family, .dst = *dst};
	struct inet_neigh *neigh, *found = NULL;

	if (!inet__ip_is_link_local(family, dst))
		return inet_route(inet, &flow) == 0 ? inet__neigh_find(flow.iface, family, &flow.nexthop) : NULL;
	/* On which link is not said; when the address is there on two, nothing is proved of either. */
	for (struct inet_iface *iface = inet->ifaces; iface; iface = iface->next) {
		neigh = inet__neigh_find(iface, family, dst);
		if (neigh && found)
			return NULL;
		found = neigh ? neigh : found;
	}
	return found;
}

void inet_confirm(struct inet *inet, int family, const union inet_ip *dst)
{
	struct recent *recent = &inet->neigh->recent[inet__hash(family, dst, 0) & (RECENT - 1)];
	struct inet_neigh *neigh;
	int64_t now = inet__now(inet);

	if (recent->family == family && now < recent->until && inet__ip_equal(family, &recent->ip, dst))
		return;
	*recent = (struct recent){.family = family, .ip = *dst, .until = now + CONFIRM_EVERY};
	neigh = way_to(inet, family, dst);
	if (!neigh || !(neigh->state & INET__NUD_VALID))
		return;
	neigh->confirmed = now;
	if (neigh->state & (NUD_STALE | NUD_DELAY | NUD_PROBE))
		become(entry_of(neigh), NUD_REACHABLE, now);
}

/* -------------------------------------------------------------------------------------------------- table as whole */

int inet__neigh_open(struct inet *inet)
{
	inet->neigh = calloc(1, sizeof(*inet->neigh));
	if (!inet->neigh)
		return -ENOMEM;
	inet__waiting_init(&inet->neigh->failed);
	return 0;
}

void inet__neigh_close(struct inet *inet)
{
	struct inet__neigh_table *table = inet->neigh;

	if (!table)
		return;
	for (unsigned int i = 0; i < 2; i++) {
		for (struct inet__neigh_entry *entry = table->learned[i].oldest, *newer; entry; entry = newer) {
			newer = entry->newer;
			inet__neigh_free(&entry->neigh);
		}
	}
	inet__waiting_drop(&table->failed, &table->waiting);
	free(table->bucket);
	free(table->heap);
	free(table);
	inet->neigh = NULL;
}

int64_t inet__neigh_deadline(const struct inet *inet)
{
	return inet->neigh->timers > 0 ? inet->neigh->heap[1]->when : INET_NEVER;
}

void inet__neigh_run(struct inet *inet)
{
	struct inet__neigh_table *table = inet->neigh;
	int64_t now = inet__now(inet);

	while (table->timers > 0 && table->heap[1]->when <= now)
		expired(table->heap[1], now);
	inet__neigh_failures(inet);
}

/** inet__neigh_failures - tell the senders of packets that no neighbour answers for; nothing may be using an entry */
void inet__neigh_failures(struct inet *inet)
{
	while (inet__waiting_fail(&inet->neigh->failed, &inet->neigh->waiting))
		;
}

/** inet__neigh_first, inet__neigh_next - the entries of a family, oldest first */
struct inet_neigh *inet__neigh_first(const struct inet *inet, int family)
{
	struct inet__neigh_entry *entry = inet->neigh->learned[family == AF_INET6].oldest;

	return entry ? &entry->neigh : NULL;
}

struct inet_neigh *inet__neigh_next(const struct inet_neigh *neigh)
{
	struct inet__neigh_entry *entry = ((const struct inet__neigh_entry *)neigh)->newer;

	return entry ? &entry->neigh : NULL;
}
