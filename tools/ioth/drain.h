/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* drain.h - what a program has sent before it ended. */
#ifndef TOOL_DRAIN_H
#define TOOL_DRAIN_H

#include <ioth.h>

#define DRAIN_SECONDS 10 /* as long as a peer that is there may take */

/**
 * drain - wait till TCP has delivered what programs that have ended had written
 *
 * A host does that after a program's end; a stack that ends with its program has to be given the time. Ends after
 * @seconds in any case.
 */
void drain(struct ioth *stack, int seconds);

/**
 * drain_quiet - the same for stacks in a process, which do not tell: wait till the stack sends nothing any more for a
 * tenth of a second
 *
 * A segment that is lost at the very end, and would be sent again later, is lost for good.
 */
void drain_quiet(struct ioth *stack, int seconds);

/** drain_close - close a connection of ours, once what was sent on it has arrived; after @seconds in any case */
void drain_close(int fd, int seconds);

#endif
