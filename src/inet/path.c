/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * path.c - what is known of the paths to single destinations, and answers to earlier questions.
 *
 * Exceptions: a router may say that packets to a destination must be shorter, or that another router is the better one.
 * Both are believed for ten minutes. Anybody can send such messages, so there is room for a fixed number of them; a new
 * one takes the place of the one of its bucket that ends first.
 *
 * Answers: a small table with one place for each hash of a question. An answer is true as long as the generation of the
 * routing tables is the same and it has not expired; so nothing has to be removed from it.
 */
#include "route.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 128 /* of exceptions */
#define WAYS 4      /* exceptions of a bucket */
#define ANSWERS 64  /* answers, a power of two */
#define LIFE (600 * INET_SECOND)
#define MIN_PMTU4 552 /* Linux does not believe in less: the rest is done with fragments */

struct exception {
	int family; /* 0: free */
	union inet_ip dst;
	unsigned int oif;
	struct inet__path path;
};

struct remembered {
	struct inet_flow question, answer;
	int64_t until;
	uint32_t generation;
	bool valid;
};

struct inet__path_cache {
	struct exception *exceptions; /* BUCKETS * WAYS, made when the first one comes */
	unsigned int exception_count; /* that were ever made: 0 spares the search */
	struct remembered *answers;   /* ANSWERS, made with the first question */
};

int inet__paths_open(struct inet__routes *routes)
{
	routes->paths = calloc(1, sizeof(*routes->paths));
	return routes->paths != NULL ? 0 : -ENOMEM;
}

void inet__paths_close(struct inet__routes *routes)
{
	free(routes->paths->exceptions);
	free(routes->paths->answers);
	free(routes->paths);
}

/* ------------------------------------------------------------------------------------------------------- exceptions */

static struct exception *bucket_of(const struct inet__path_cache *paths, int family, const union inet_ip *dst)
{
	return paths->exceptions + WAYS * (inet__hash(family, dst, 0) % BUCKETS);
}

static bool is_about(const struct exception *exception, int family, const union inet_ip *dst, unsigned int oif)
{
	return exception->family == family && exception->oif == oif && inet__ip_equal(family, &exception->dst, dst);
}

const struct inet__path *inet__path_find(struct inet *inet, int family, const union inet_ip *dst, unsigned int oif)
{
	const struct inet__path_cache *paths = inet->routes->paths;
	const struct exception *bucket;

	if (paths->exception_count == 0)
		return NULL;
	bucket = bucket_of(paths, family, dst);
	for (unsigned int i = 0; i < WAYS; i++)
		if (is_about(&bucket[i], family, dst, oif))
			return bucket[i].path.until > inet__now(inet) ? &bucket[i].path : NULL;
	return NULL;
}

/** make - the exception for a destination, new or not; NULL: no memory */
static struct inet__path *make(struct inet *inet, int family, const union inet_ip *dst, unsigned int oif)
{
	struct inet__path_cache *paths = inet->routes->paths;
	struct exception *bucket, *chosen;
	int64_t now = inet__now(inet);

	if (paths->exceptions == NULL)
		paths->exceptions = calloc(BUCKETS * WAYS, sizeof(*paths->exceptions));
	if (paths->exceptions == NULL)
		return NULL;
	chosen = bucket = bucket_of(paths, family, dst);
	for (unsigned int i = 0; i < WAYS; i++) {
		if (is_about(&bucket[i], family, dst, oif)) {
			chosen = &bucket[i];
			break;
		}
		if (chosen->family != 0 && (bucket[i].family == 0 || bucket[i].path.until < chosen->path.until))
			chosen = &bucket[i];
	}
	if (!is_about(chosen, family, dst, oif) || chosen->path.until <= now) {
		memset(chosen, 0, sizeof(*chosen));
		chosen->family = family;
		memcpy(&chosen->dst, dst, inet__addr_len(family));
		chosen->oif = oif;
		paths->exception_count++;
	}
	chosen->path.until = now + LIFE;
	return &chosen->path;
}

void inet_path_mtu(struct inet *inet, int family, const union inet_ip *dst, unsigned int oif, unsigned int mtu)
{
	struct inet_flow flow = {.family = family, .dst = *dst, .oif = oif};
	unsigned int least = family == AF_INET ? MIN_PMTU4 : INET_MTU_MIN6;
	struct inet__path *path;

	if (inet_route(inet, &flow) != 0 || flow.type != RTN_UNICAST)
		return;
	if (mtu < least)
		mtu = least;
	if (mtu >= flow.mtu)
		return; /* a router that would have longer packets is wrong or late */
	path = make(inet, family, dst, flow.iface->index);
	if (path == NULL)
		return;
	path->mtu = mtu;
	inet__routes_changed(inet);
}

void inet_redirect(struct inet *inet, struct inet_iface *iface, int family, const union inet_ip *dst,
                   const union inet_ip *gateway)
{
	struct inet_flow flow = {.family = family, .dst = *dst};
	struct inet_flow hop = {.family = family, .dst = *gateway, .oif = iface->index};
	struct inet__path *path;

	if (inet->forwarding || inet__ip_is_group(family, gateway) || inet__ip_is_zero(family, gateway))
		return;
	if (inet_route(inet, &flow) != 0 || flow.type != RTN_UNICAST || flow.iface != iface ||
	    inet__ip_equal(family, &flow.nexthop, gateway))
		return;
	/* The new router has to be a neighbour; a destination named as its own router is one (RFC 4861, 8). */
	if (!(family == AF_INET6 && inet__ip_equal(family, dst, gateway)) &&
	    (inet_route(inet, &hop) != 0 || hop.type != RTN_UNICAST || hop.iface != iface ||
	     !inet__ip_equal(family, &hop.nexthop, gateway)))
		return;
	path = make(inet, family, dst, iface->index);
	if (path == NULL)
		return;
	path->has_gateway = true;
	path->gateway = *gateway;
	path->oif = iface->index;
	inet__routes_changed(inet);
}

void inet__paths_iface_gone(struct inet *inet, unsigned int oif)
{
	struct inet__path_cache *paths = inet->routes->paths;

	for (unsigned int i = 0; paths->exceptions != NULL && i < BUCKETS * WAYS; i++)
		if (paths->exceptions[i].oif == oif)
			memset(&paths->exceptions[i], 0, sizeof(paths->exceptions[i]));
}

/* ---------------------------------------------------------------------------------------------------------- answers */

static struct remembered *place_of(const struct inet__path_cache *paths, const struct inet_flow *flow)
{
	return &paths->answers[inet__hash(flow->family, &flow->dst, flow->oif) & (ANSWERS - 1)];
}

bool inet__path_cached(struct inet *inet, struct inet_flow *flow)
{
	const struct inet__path_cache *paths = inet->routes->paths;
	const struct remembered *place;

	if (paths->answers == NULL)
		return false;
	place = place_of(paths, flow);
	if (!place->valid || place->generation != inet->routes->generation || place->question.family != flow->family ||
	    place->question.oif != flow->oif || !inet__ip_equal(flow->family, &place->question.dst, &flow->dst) ||
	    !inet__ip_equal(flow->family, &place->question.src, &flow->src))
		return false;
	if (place->until != INET_NEVER && place->until <= inet__now(inet))
		return false;
	*flow = place->answer;
	return true;
}

void inet__path_remember(struct inet *inet, const struct inet_flow *question, const struct inet_flow *answer,
                         int64_t until)
{
	struct inet__path_cache *paths = inet->routes->paths;
	struct remembered *place;

	if (paths->answers == NULL)
		paths->answers = calloc(ANSWERS, sizeof(*paths->answers));
	if (paths->answers == NULL)
		return;
	place = place_of(paths, question);
	place->question = *question;
	place->answer = *answer;
	place->until = until;
	place->generation = inet->routes->generation;
	place->valid = true;
}
