/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* peer.h - what the tasks of the peer share; a failure ends the program with a line on stderr */
#ifndef INTEROP_PEER_H
#define INTEROP_PEER_H

#include "../../examples/common.h"

/** peer_listen - a listening socket for both families; says "ready" */
int peer_listen(struct ioth *net, const char *port);

/** peer_connect - a TCP connection */
int peer_connect(struct ioth *net, const char *host, const char *port);

/** peer_write - all of it */
void peer_write(int fd, const void *data, size_t len);
/** peer_read - exactly so many bytes */
void peer_read(int fd, void *data, size_t len);

/**
 * peer_close - close a connection that the other side has ended; return when it knows that we have
 *
 * A stack that is deleted sends nothing again: acknowledgements that are lost with it would leave the other side waiting
 * (docs/lifetime-rules.md, rule 7).
 */
void peer_close(int fd);

/** peer_iperf - task iperf; @argv: host, port, bytes, "up" (we send) or "down" (the server sends) */
int peer_iperf(struct ioth *net, char *argv[]);

/* many.c: see the list of tasks in peer.c */
int peer_many_accept(struct ioth *net, char *argv[]);
int peer_many_connect(struct ioth *net, char *argv[]);
int peer_push(struct ioth *net, char *argv[]);
int peer_pull(struct ioth *net, char *argv[]);

/* datagram.c */
int peer_echo(struct ioth *net, char *argv[]);
int peer_ask(struct ioth *net, char *argv[]);
int peer_mdns_ask(struct ioth *net, char *argv[]);
int peer_mdns_answer(struct ioth *net, char *argv[]);

#endif
