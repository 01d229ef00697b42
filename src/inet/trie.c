/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * trie.c - prefixes in a tree by their bits, for routing tables.
 *
 * A compressed binary trie: the prefix of a node begins with that of its parent, and its first bit behind that says
 * which child it is. Nodes are only where a prefix has routes or where two longer ones part, so n prefixes make at most
 * 2n - 1 nodes, and a search visits about log2(n) of them for prefixes as they occur.
 *
 * A search goes down by single bits without comparing anything, and comes back up to the first node whose whole prefix
 * agrees: as its ancestors' prefixes are part of its own, all nodes above that one agree as well.
 */
#include "route.h"

#include <stdlib.h>
#include <string.h>

/** bit_at - bit @n of an address, the highest one being bit 0 */
static unsigned int bit_at(const union inet_ip *ip, unsigned int n)
{
	const unsigned char *bytes = (const unsigned char *)ip;

	return (unsigned int)bytes[n / 8] >> (7 - n % 8) & 1;
}

/** descend - the deepest node on the way of an address; its prefix may differ from the address */
static struct inet__route_node *descend(const struct inet__trie *trie, const union inet_ip *addr, unsigned int max)
{
	struct inet__route_node *node = trie->root;

	while (node != NULL && node->len < max) {
		struct inet__route_node *child = node->child[bit_at(addr, node->len)];

		if (child == NULL || child->len > max)
			break;
		node = child;
	}
	return node;
}

struct inet__route_node *inet__trie_longest(const struct inet__trie *trie, const union inet_ip *addr)
{
	struct inet__route_node *node = descend(trie, addr, inet__bits(trie->family));

	while (node != NULL && !inet__ip_match(trie->family, &node->prefix, addr, node->len))
		node = node->parent;
	return node;
}

struct inet__route_node *inet__trie_find(const struct inet__trie *trie, const union inet_ip *prefix, unsigned int len)
{
	struct inet__route_node *node = descend(trie, prefix, len);

	if (node == NULL || node->len != len || !inet__ip_match(trie->family, &node->prefix, prefix, len))
		return NULL;
	return node;
}

static struct inet__route_node *make(struct inet__trie *trie, const union inet_ip *prefix, unsigned int len,
                                     struct inet__route_node *parent)
{
	struct inet__route_node *node = calloc(1, sizeof(*node));

	if (node == NULL)
		return NULL;
	memcpy(&node->prefix, prefix, inet__addr_len(trie->family));
	inet__ip_mask(trie->family, &node->prefix, len);
	node->len = (uint8_t)len;
	node->parent = parent;
	return node;
}

/** place_of - where the tree points to @node */
static struct inet__route_node **place_of(struct inet__trie *trie, const struct inet__route_node *node)
{
	if (node->parent == NULL)
		return &trie->root;
	return &node->parent->child[node->parent->child[1] == node];
}

static void hang(struct inet__route_node *parent, struct inet__route_node *child)
{
	parent->child[bit_at(&child->prefix, parent->len)] = child;
	child->parent = parent;
}

/** split - put a node for a prefix above @below: the prefix itself when @below is in it, else where the two part */
static struct inet__route_node *split(struct inet__trie *trie, struct inet__route_node *below,
                                      const union inet_ip *prefix, unsigned int len)
{
	struct inet__route_node **place = place_of(trie, below), *node, *fork;
	unsigned int common = inet__ip_common(trie->family, &below->prefix, prefix);

	if (common > below->len)
		common = below->len;
	if (common >= len) {
		node = make(trie, prefix, len, below->parent);
		if (node == NULL)
			return NULL;
		*place = node;
		hang(node, below);
		return node;
	}
	node = make(trie, prefix, len, NULL);
	fork = make(trie, prefix, common, below->parent);
	if (node == NULL || fork == NULL) {
		free(node);
		free(fork);
		return NULL;
	}
	*place = fork;
	hang(fork, below);
	hang(fork, node);
	return node;
}

struct inet__route_node *inet__trie_make(struct inet__trie *trie, const union inet_ip *prefix, unsigned int len)
{
	struct inet__route_node *above = NULL, *node = trie->root;

	while (node != NULL && node->len <= len && inet__ip_match(trie->family, &node->prefix, prefix, node->len)) {
		if (node->len == len)
			return node;
		above = node;
		node = node->child[bit_at(prefix, node->len)];
	}
	if (node != NULL)
		return split(trie, node, prefix, len);
	node = make(trie, prefix, len, above);
	if (node == NULL)
		return NULL;
	if (above == NULL)
		trie->root = node;
	else
		hang(above, node);
	return node;
}

void inet__trie_prune(struct inet__trie *trie, struct inet__route_node *node)
{
	while (node != NULL && node->routes == NULL && (node->child[0] == NULL || node->child[1] == NULL)) {
		struct inet__route_node *child = node->child[0] != NULL ? node->child[0] : node->child[1];
		struct inet__route_node *parent = node->parent;

		*place_of(trie, node) = child;
		if (child != NULL)
			child->parent = parent;
		free(node);
		node = parent; /* it may have been there for this one only */
	}
}

static struct inet__route_node *deepest(struct inet__route_node *node)
{
	while (node->child[0] != NULL || node->child[1] != NULL)
		node = node->child[node->child[0] == NULL];
	return node;
}

/** after - the next node whether it has routes or not: children before parents, lower ones first */
static struct inet__route_node *after(const struct inet__route_node *node)
{
	struct inet__route_node *parent = node->parent;

	if (parent == NULL || parent->child[1] == node || parent->child[1] == NULL)
		return parent;
	return deepest(parent->child[1]);
}

struct inet__route_node *inet__trie_first(const struct inet__trie *trie)
{
	struct inet__route_node *node = trie->root != NULL ? deepest(trie->root) : NULL;

	while (node != NULL && node->routes == NULL)
		node = after(node);
	return node;
}

struct inet__route_node *inet__trie_next(const struct inet__route_node *node)
{
	struct inet__route_node *next = after(node);

	while (next != NULL && next->routes == NULL)
		next = after(next);
	return next;
}
