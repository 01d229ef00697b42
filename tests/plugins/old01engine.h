/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * old01engine.h - a very small network engine: connections between ports of one and the same engine.
 *
 * A socket is one end of an AF_UNIX pair, so blocking, polling and message boundaries are the kernel's. What the engine
 * has of its own is the table of ports. Two engines do not see each other's ports, which is how a test finds out
 * whether two stacks share one.
 *
 * Errors are -1 and errno.
 */
#ifndef OLD01ENGINE_H
#define OLD01ENGINE_H

#include <sys/socket.h>

#define OLD01_LEVEL 0x4f31 /* getsockopt level of the engine */
#define OLD01_MADE 1       /* int: sockets that this engine has made since it was started */

struct old01;

/** old01_start - start the engine that is in this library's global variables; EBUSY when it runs already */
struct old01 *old01_start(void);

/** old01_new - an engine in memory of its own */
struct old01 *old01_new(void);

/** old01_stop - close what is left and end an engine that was started in either way */
void old01_stop(struct old01 *engine);

int old01_socket(struct old01 *engine, int domain, int type, int protocol);
int old01_close(struct old01 *engine, int fd);
int old01_bind(struct old01 *engine, int fd, const struct sockaddr *addr, socklen_t addrlen);
int old01_listen(struct old01 *engine, int fd, int backlog);
int old01_connect(struct old01 *engine, int fd, const struct sockaddr *addr, socklen_t addrlen);
int old01_accept(struct old01 *engine, int fd, struct sockaddr *addr, socklen_t *addrlen);
int old01_getsockname(struct old01 *engine, int fd, struct sockaddr *addr, socklen_t *addrlen);
int old01_getpeername(struct old01 *engine, int fd, struct sockaddr *addr, socklen_t *addrlen);
int old01_getsockopt(struct old01 *engine, int fd, int level, int optname, void *optval, socklen_t *optlen);

#endif
