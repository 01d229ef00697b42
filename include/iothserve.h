/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iothserve.h - offer a stack to other processes.
 *
 * They use it with ioth_newstack("remote,socket=/path", NULL), or with `ioth run -s remote,socket=/path`. What passes
 * between is in docs/protocol.md. Link with -liothserve.
 */
#ifndef IOTHSERVE_H
#define IOTHSERVE_H

#include <ioth.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* What clients may do: options.flags.
   LINKS: plug the stack into networks of their choice (RTM_NEWLINK of kind vde): a locator can start programs */
#define IOTH_SERVE_LINKS 1u

/** struct ioth_serve_options - all zero is a good choice */
struct ioth_serve_options {
	size_t size;                  /* sizeof(struct ioth_serve_options) */
	unsigned int flags;           /* IOTH_SERVE_... */
	const uid_t *allow_uids;      /* users who may connect; NULL: all whom the socket file lets in */
	size_t allow_count;           /* of them */
	unsigned int max_sockets;     /* of one process; 0: 4096 */
	unsigned int max_connections; /* of one process, a call in progress needs one; 0: 256 */
	unsigned int max_clients;     /* processes; 0: 1024 */
	int stop_fd;                  /* when this descriptor becomes readable the server ends; 0 or negative: never */
};

/**
 * ioth_listen_unix - make the listening socket for ioth_serve at @path
 * @mode: permissions of the socket file: who may write to it may connect
 *
 * A file that is left of a server that is no more is replaced. Returns a descriptor, or -1 with errno: EADDRINUSE
 * somebody serves there; EEXIST there is a file that is not a socket; ENAMETOOLONG, EACCES, ENOENT.
 */
int ioth_listen_unix(const char *path, mode_t mode);

/**
 * ioth_serve - serve @stack to whoever connects to @listenfd
 * @listenfd: a listening AF_UNIX socket of the type SOCK_SEQPACKET, from ioth_listen_unix or a service manager; stays
 * open
 * @options: NULL for the defaults
 *
 * Runs in the calling thread until options->stop_fd is readable. One thread serves any number of clients. The sockets
 * of clients are closed when they are done with them, however they end. Returns 0 when it was stopped, all sockets of
 * clients having been closed; or -1 with errno: EINVAL @listenfd is not such a socket; EMFILE, ENOMEM when it cannot
 * begin.
 *
 * The process should have a high limit of descriptors: a socket takes up to four. When they run out, clients get
 * EMFILE.
 */
int ioth_serve(struct ioth *stack, int listenfd, const struct ioth_serve_options *options);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
