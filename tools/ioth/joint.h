/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* joint.h - two stream sockets, each of which gets what the other one receives. */
#ifndef TOOL_JOINT_H
#define TOOL_JOINT_H

#include <stdbool.h>
#include <stddef.h>

/** struct joint_end - a socket, and what came out of it that the other one has not taken yet */
struct joint_end {
	int fd; /* non-blocking */
	char *rest;
	size_t rest_at, rest_len;
	bool ended; /* nothing more comes out of it, and the other one has been told so */
};

struct joint {
	struct joint_end end[2];
};

/** joint_wants - the events of poll(2) for which an end waits; 0: for none, and it need not be looked at */
short joint_wants(const struct joint *joint, int end);

/** joint_move - move what can be moved, both ways; true: there may be more, false: both have ended, or one has failed */
bool joint_move(struct joint *joint);

/** joint_close - close both; who has not been told of the other's end sees a reset instead */
void joint_close(struct joint *joint);

#endif
