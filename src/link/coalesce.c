/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * coalesce.c - TCP segments that came one after the other become one.
 *
 * What the kernel does for its own adapters (GRO) happens here for frames of a VDE network, and only within a batch that has come already:
 * nothing waits for more. A batch is gone through once. A frame that may begin something opens a *flow*; a frame that continues one is copied
 * behind it, its checksum being verified on the way; a frame of the same connection that does not fit closes it, so that the
 * order of a connection is kept.
 *
 * Which segments are alike enough is in segment.c. All but the last have one size, so that the cut (finish.c) gives the frames back that came.
 * The result says that its checksum is left to be done, which is true and saves the stack the work. So may a frame that came through
 * memory (shm): such checksums are not looked at.
 */
#include "checksum.h"
#include "segment.h"

#define FLOWS 8 /* connections followed in one batch; others are left as they are */

/** struct flow - a frame that may grow */
struct flow {
	struct link_frame *frame;
	struct link__segment first;
	uint32_t len; /* bytes of the frame so far */
	unsigned int merged;
	bool open;
};

/** flow_open - begin a flow with a segment, in a place that is free */
static void flow_open(struct flow *flow, struct link_frame *frame, const struct link__segment *s)
{
	*flow = (struct flow){
	        .frame = frame,
	        .first = *s,
	        .len = s->len,
	        .open = s->plain && !link__segment_last(s, s),
	};
}

/** flow_take - copy a segment behind the flow if it fits; false: it has to stay by itself */
static bool flow_take(struct flow *flow, const struct link__segment *s)
{
	struct link__segment *first = &flow->first;

	if (!flow->open || !link__segment_follows(first, flow->len, s))
		return false;
	/* The first is verified when there is a second: most are alone, and then the stack does it. */
	if (flow->merged == 0 && !first->unsummed &&
	    !link__segment_sum_is_right(first, link__sum(0, first->data + first->headers, first->payload)))
		return false;
	if (s->unsummed)
		memcpy(first->data + flow->len, s->data + s->headers, s->payload);
	else if (!link__segment_sum_is_right(
	                 s, link__sum_copy(0, first->data + flow->len, s->data + s->headers, s->payload)))
		return false;
	flow->len += s->payload;
	flow->merged++;
	first->data[first->tcp + 13] |= s->flags & LINK__SEGMENT_PSH;
	if (link__segment_last(first, s))
		flow->open = false;
	return true;
}

/** flow_end - if the flow has grown, its headers become those of one large segment */
static void flow_end(struct flow *flow)
{
	const struct link__segment *first = &flow->first;

	if (flow->frame == NULL || flow->merged == 0)
		return;
	flow->frame->vnet = link__segment_grow(first, flow->len);
	flow->frame->len = flow->len;
}

unsigned int link__coalesce(struct link_frame *frames, unsigned int count)
{
	struct flow flows[FLOWS] = {0};
	unsigned int kept = 0, victim = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct flow *flow = NULL;
		struct link__segment s;

		if (!link__segment_measure(&s, &frames[i]) || link__segment_has_work(&s, &frames[i])) {
			/* It might belong to any connection. */
			for (unsigned int j = 0; j < FLOWS; j++)
				flows[j].open = false;
			frames[kept++] = frames[i];
			continue;
		}
		for (unsigned int j = 0; j < FLOWS && flow == NULL; j++)
			if (flows[j].frame != NULL && link__segment_same_connection(&flows[j].first, &s))
				flow = &flows[j];
		if (flow != NULL && flow_take(flow, &s))
			continue;
		if (flow == NULL) {
			flow = &flows[victim];
			victim = (victim + 1) % FLOWS;
		}
		flow_end(flow);
		frames[kept] = frames[i];
		flow_open(flow, &frames[kept++], &s);
	}
	for (unsigned int j = 0; j < FLOWS; j++)
		flow_end(&flows[j]);
	return kept;
}
