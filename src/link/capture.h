/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capture.h - packet capture, shared by ports and loops.
 */
#ifndef IOTH_LINK_CAPTURE_H
#define IOTH_LINK_CAPTURE_H

#include "link.h"

struct link__capture;

/**
 * link__capture_open - capture into a file, which is made anew unless this process is capturing into it already
 * @path: "%i" stands for @ifname, "%%" for a percent sign
 *
 * Returns 0, or a negative errno: -EINVAL for another character after '%'; -ENAMETOOLONG; -ENOMEM; that of open(2).
 */
int link__capture_open(const char *path, const char *ifname, struct link__capture **out);

/** link__capture_close - stop capturing for one of those who opened it; the last one closes the file */
void link__capture_close(struct link__capture *capture);

/** link__capture_write - record frames, all with the time of now; sets aside memory for them, link__capture_flush
 * writes */
void link__capture_write(struct link__capture *capture, const struct link_frame *frames, unsigned int count);

/** link__capture_flush - bring what this thread recorded to its files; a loop does so before it sleeps or ends */
void link__capture_flush(void);

/** link__capture_flush_one - bring what anybody recorded with this capture to its file */
void link__capture_flush_one(struct link__capture *capture);

/** What fork(2) needs: no record is waiting, and no lock is held, when the process doubles. */
void link__capture_fork_prepare(void);
void link__capture_fork_parent(void);
void link__capture_fork_child(void);

#endif
