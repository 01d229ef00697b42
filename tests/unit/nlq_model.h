/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nlq_model.h - a stack without a network: links, addresses, routes and neighbours in lists, behind a table of
 * handlers.
 *
 * It behaves as Linux does as far as the tests look: the prefix of an address that is up has a route, links that go
 * down lose their routes, a gateway has to be reachable, and every error has the errno and the text of Linux. No locks;
 * one thread.
 */
#ifndef NLQ_MODEL_H
#define NLQ_MODEL_H

#include <libnlq.h>

struct model {
	struct object *objects, **end; /* of all kinds, in the order of their making */
	unsigned int count;            /* of them */
	int next_index;                /* of the next link */
	struct nlq_msg *changes;       /* queue of RTM_NEW* and RTM_DEL*: what happened, when keep_changes is set */
	int keep_changes;
	int fail_get; /* after this many objects a dump fails with -ENOMEM; 0: never */
};

#define MODEL_MAX 1000 /* objects; more is -ENOBUFS */

/** model_new - a stack with the link lo; model_free frees it; both abort when there is no memory */
struct model *model_new(void);
void model_free(struct model *model);

/** model_count - the traffic that a link has seen, for the tests of statistics */
void model_count(struct model *model, const char *ifname, const struct rtnl_link_stats64 *stats);

/** model_table - the handlers; stackinfo is the struct model */
extern nlq_request_handlers_table model_table;

#endif
