/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * session.c - the server, and which descriptors are its sockets.
 *
 * The session is begun when the first socket is made, or the first inherited one is used: most of the programs that a
 * shell runs need none. It is never ended; the process's end does that. Until then a name of the right form
 * (protocol.h) is enough of a reason to begin it.
 *
 * Kinds of descriptors are remembered only as far as it does no harm to be wrong, for programs and the C library itself
 * close and copy descriptors in ways that we do not see (fclose, raw system calls, a child of vfork that shares this
 * memory):
 *
 *     FOREIGN   is remembered. A socket of the stack can get the number only through calls that we see, which forget it
 *     STREAM    is remembered for reading and writing, which are the system calls in any case; for other calls
 *               the server, which knows a socket by its inode, refuses what is none (shim_kind looks again first)
 *     CALLS     is looked at each time
 *
 * A process in a sandbox (seccomp(2)) may not even look: sshd's may read and write, and is killed for getsockname. So
 * what it has is looked at before, and what it opens later is FOREIGN unless it comes from socket or accept.
 */
#include "shim.h"

#include <protocol.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define KINDS 65536      /* descriptors whose kind is remembered */
#define SANDBOX_FDS 1024 /* that are looked at before a sandbox is entered */

static _Atomic unsigned char kinds[KINDS];
static _Atomic(struct remote *) session;
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static pid_t process;
static bool sandboxed;
static char dir[96]; /* the path of the socket has to fit a struct sockaddr_un */

static struct remote_next for_remote;

static void after_fork(void)
{
	process = getpid();
	/* The thread that was beginning a session is not here. */
	pthread_mutex_init(&opening, NULL);
}

static void init(void)
{
	const char *env = secure_getenv(SHIM_ENV_DIR);
	const struct shim_next *next = shim_next();

	process = getpid();
	pthread_atfork(NULL, NULL, after_fork);
	for_remote = (struct remote_next){
	        .socket = next->socket,
	        .connect = next->connect,
	        .close = next->close,
	        .fcntl = next->fcntl,
	        .poll = next->poll,
	        .ppoll = ppoll, /* nothing of the stack is polled for here (poll.c) */
	        .shutdown = next->shutdown,
	        .getsockname = next->getsockname,
	        .getpeername = next->getpeername,
	        .getsockopt = next->getsockopt,
	        .setsockopt = next->setsockopt,
	        .ioctl = next->ioctl,
	        .recv = next->recv,
	        .recvmsg = next->recvmsg,
	        .sendmsg = next->sendmsg,
	};
	remote_set_next(&for_remote);
	if (env != NULL && strlen(env) < sizeof(dir))
		strcpy(dir, env);
}

const char *shim_dir(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	/* Constructors of other libraries may come before ours (exec.c). */
	pthread_once(&once, init);
	return dir[0] != '\0' ? dir : NULL;
}

bool shim_own_process(void)
{
	return !sandboxed && getpid() == process;
}

struct remote *shim_remote(void)
{
	struct remote *r = atomic_load_explicit(&session, memory_order_acquire);
	char path[sizeof(dir) + 8];
	int err;

	if (r != NULL)
		return r;
	if (shim_dir() == NULL) {
		errno = ENETDOWN;
		return NULL;
	}
	pthread_mutex_lock(&opening);
	r = atomic_load_explicit(&session, memory_order_relaxed);
	if (r == NULL) {
		snprintf(path, sizeof(path), "%s/socket", dir);
		err = remote_open(path, &r);
		if (err == 0)
			atomic_store_explicit(&session, r, memory_order_release);
		else
			errno = err == -ENOENT || err == -ECONNREFUSED ? ENETDOWN : -err;
	}
	pthread_mutex_unlock(&opening);
	return r;
}

void shim_forget(int fd)
{
	if (fd >= 0 && fd < KINDS)
		atomic_store_explicit(&kinds[fd], SHIM_UNKNOWN, memory_order_relaxed);
}

void shim_set(int fd, enum shim_kind kind)
{
	if (fd >= 0 && fd < KINDS)
		atomic_store_explicit(&kinds[fd], (unsigned char)kind, memory_order_relaxed);
}

void shim_look_at_all(void)
{
	for (int fd = 0; fd < SANDBOX_FDS && shim_dir() != NULL; fd++)
		shim_kind(fd);
}

void shim_sandboxed(void)
{
	sandboxed = true;
}

void shim_forget_range(unsigned int first, unsigned int last)
{
	for (unsigned int fd = first; fd <= last && fd < KINDS; fd++)
		shim_forget((int)fd);
}

/** look - at a descriptor itself; SHIM_UNKNOWN: there is none */
static enum shim_kind look(int fd)
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	struct remote *r;

	if (shim_next()->getsockname(fd, (struct sockaddr *)&name, &len) < 0)
		return errno == EBADF ? SHIM_UNKNOWN : SHIM_FOREIGN;
	if (name.sun_family != AF_UNIX ||
	    len < offsetof(struct sockaddr_un, sun_path) + sizeof(REMOTE_NAME) + REMOTE_NAME_DIGITS ||
	    name.sun_path[0] != '\0' || memcmp(name.sun_path + 1, REMOTE_NAME, sizeof(REMOTE_NAME) - 1) != 0)
		return SHIM_FOREIGN;
	r = shim_remote();
	if (r == NULL || !remote_is(r, fd))
		return SHIM_FOREIGN;
	return remote_is_stream(r, fd) ? SHIM_STREAM : SHIM_CALLS;
}

enum shim_kind shim_kind(int fd)
{
	enum shim_kind kind = SHIM_UNKNOWN;
	int error = errno;

	if (fd < 0)
		return SHIM_FOREIGN;
	if (fd < KINDS)
		kind = (enum shim_kind)atomic_load_explicit(&kinds[fd], memory_order_relaxed);
	if (kind == SHIM_FOREIGN || kind == SHIM_STREAM)
		return kind;
	if (sandboxed)
		return kind == SHIM_UNKNOWN ? SHIM_FOREIGN : kind;
	kind = look(fd);
	if (fd < KINDS)
		atomic_store_explicit(&kinds[fd], (unsigned char)kind, memory_order_relaxed);
	errno = error;
	return kind == SHIM_UNKNOWN ? SHIM_FOREIGN : kind;
}
