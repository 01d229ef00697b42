/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * join.c - finding or making the network of a directory, and leaving it.
 *
 * A process is on a network once, however many ports it has: one mapping, one descriptor of the memory, one socket to
 * hand it over.
 *
 * Joining and leaving happen with the directory locked, so there is one at a time. Only the traces of the dead are cleared
 * away without that lock, by who holds the port's: a port that is held and not in use is tried again, for as long
 * as everything else. Who joins asks the sockets mN of the members, one
 * after the other, but does not wait long for one before he asks the next as well. If nobody answers, and no port
 * is locked, the memory has gone with the last process that had it, and is made anew. If a port is locked its process
 * is just ending, or cannot answer (it is stopped): it is tried again, for some seconds.
 *
 * What comes from another process is checked as if it came from an enemy: the descriptor must be a file of the right
 * size that cannot shrink, and its header must describe a network of exactly that size.
 *
 * Lock. `registry` guards the list of networks and the lists of ports. It is held while networks are joined, which
 * others do not wait for: the thread that hands out memory (answer.c) does not take it.
 *
 * fork(2). The child gives up everything at once but the mappings and the sockets pN, which its owner may still refer
 * to: otherwise the locks would live as long as the child. It has no networks then, and may join them afresh.
 */
#include "net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define JOIN_MS 5000  /* how long to try, */
#define ATTEMPTS 8    /* but so often in any case: a busy machine may be away for all that time */
#define ANSWER_MS 300 /* how long to wait for an answer when all members were asked */
#define NEXT_MS 20    /* and before the next is asked */
#define ASKED_MAX 64  /* whose answers are waited for at a time */
#define LEAVE_MS 1000
#define PAUSE_NS 1000000 /* between two attempts */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct shm_net *nets;

/* -------------------------------------------------------------------------------------------------------- fork */

static void fork_prepare(void)
{
	pthread_mutex_lock(&registry);
	shm_answer_prepare();
}

static void fork_parent(void)
{
	shm_answer_parent();
	pthread_mutex_unlock(&registry);
}

static void fork_child(void)
{
	shm_answer_child();
	for (struct shm_net *net = nets; net; net = net->next) {
		net->foreign = true;
		close(net->dirfd);
		close(net->memfd);
		close(net->listenfd);
		for (struct shm_port *port = net->ports; port; port = port->next)
			close(port->lockfd);
	}
	nets = NULL;
	pthread_mutex_unlock(&registry);
}

static void watch_forks(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* ------------------------------------------------------------------------------------------------------ memory */

/** map - map the memory and keep what its header says; 0 or a negative errno */
static int map(struct shm_net *net, int protection)
{
	int seals = fcntl(net->memfd, F_GET_SEALS), err;
	struct shm_header header;
	struct stat st;
	void *base;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(net->memfd, &st) != 0 ||
	    pread(net->memfd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.magic, SHM_MAGIC, sizeof(header.magic)) != 0)
		return -EPROTO;
	err = shm_geometry_make(header.ports, header.slots, header.mtu, header.age, &net->geometry);
	if (err || st.st_size < 0 || net->geometry.size != (size_t)st.st_size)
		return -EPROTO;
	base = mmap(NULL, net->geometry.size, protection, MAP_SHARED, net->memfd, 0);
	if (base == MAP_FAILED)
		return -errno;
	net->base = base;
	return 0;
}

/** make - new memory; 0 or a negative errno */
static int make(struct shm_net *net, const struct shm_options *o)
{
	struct shm_geometry g;
	struct shm_header header = {.magic = SHM_MAGIC};
	int err = shm_geometry_make(o->ports, o->slots, o->mtu, o->age, &g);

	if (err)
		return err;
	header.ports = g.ports;
	header.slots = g.slots;
	header.mtu = g.mtu;
	header.age = g.age;
	header.size = g.size;
	net->memfd = memfd_create("vde-shm", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (net->memfd < 0 && errno == EINVAL) /* Linux before 6.3 */
		net->memfd = memfd_create("vde-shm", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (net->memfd < 0 || ftruncate(net->memfd, (off_t)g.size) != 0 ||
	    pwrite(net->memfd, &header, sizeof(header), 0) != sizeof(header) ||
	    fcntl(net->memfd, F_ADD_SEALS, SEALS) != 0)
		return -errno;
	return map(net, PROT_READ | PROT_WRITE);
}

/** struct asked - members that have not answered yet */
struct asked {
	struct pollfd member[ASKED_MAX];
	unsigned int count;
};

/** forget - do not wait for an answer of the member at @i any more */
static void forget(struct asked *asked, unsigned int i)
{
	close(asked->member[i].fd);
	memmove(&asked->member[i], &asked->member[i + 1], (--asked->count - i) * sizeof(asked->member[0]));
}

/** ask - ask the member mN for the memory; 0, -ECONNREFUSED nobody is there, or another negative errno */
static int ask(struct shm_net *net, unsigned int number, struct asked *asked)
{
	struct sockaddr_un address;
	socklen_t len = shm_place_address(net, 'm', number, &address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, len) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	if (asked->count == ASKED_MAX)
		forget(asked, 0);
	asked->member[asked->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	return 0;
}

/** take_memory - the descriptor that a member has sent, or a negative errno */
static int take_memory(int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg;
	int memory;

	if (recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		return -EAGAIN;
	if (msg.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPROTO;
	memcpy(&memory, CMSG_DATA(cmsg), sizeof(memory));
	return memory;
}

/** is_final - is that how the search ends, unless another member has a better answer? */
static bool is_final(int err)
{
	return err == 0 || err == -EACCES || err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

/** take_answer - of a member that has answered or hung up; 0 or a negative errno */
static int take_answer(struct shm_net *net, int fd, int protection)
{
	int err;

	net->memfd = take_memory(fd);
	if (net->memfd < 0)
		return net->memfd;
	err = map(net, protection);
	if (err) {
		close(net->memfd);
		net->memfd = -1;
	}
	return err;
}

/** await - wait so long for a good answer; 0, -EAGAIN there was none, or another error that is final */
static int await(struct shm_net *net, struct asked *asked, int ms, int protection)
{
	int64_t deadline = shm_now_ns() + (int64_t)ms * 1000000, left;

	while (asked->count > 0 && (left = deadline - shm_now_ns()) > 0) {
		if (poll(asked->member, asked->count, (int)((left + 999999) / 1000000)) <= 0)
			continue;
		for (unsigned int i = asked->count; i-- > 0;) {
			int err;

			if (asked->member[i].revents == 0)
				continue;
			err = take_answer(net, asked->member[i].fd, protection);
			forget(asked, i);
			if (is_final(err))
				return err;
		}
	}
	return -EAGAIN;
}

/**
 * ask_all - ask every member until one answers
 * @clear: remove the sockets of those that are not there
 *
 * Returns 0, -ENOENT nobody answered, or why they could not be asked. net->number is one that is free.
 */
static int ask_all(struct shm_net *net, int protection, bool clear)
{
	unsigned char taken[512] = {0};
	struct asked asked = {.count = 0};
	int fd = openat(net->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = -ENOENT, free_number = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!dir) {
		int err = -errno;

		if (fd >= 0)
			close(fd);
		return err;
	}
	while ((entry = readdir(dir))) {
		unsigned int n;
		char end;
		int err;

		if (sscanf(entry->d_name, "m%u%c", &n, &end) != 1)
			continue;
		if (n < sizeof(taken))
			taken[n] = 1;
		if (result == 0)
			continue;
		err = ask(net, n, &asked);
		if (err == -ECONNREFUSED && clear)
			shm_place_remove(net, 'm', n);
		if (err == -ECONNREFUSED && clear && n < sizeof(taken))
			taken[n] = 0;
		if (err == 0)
			err = await(net, &asked, NEXT_MS, protection);
		if (is_final(err))
			result = err;
	}
	if (result != 0) {
		int err = await(net, &asked, ANSWER_MS, protection);

		result = is_final(err) ? err : result;
	}
	while (asked.count > 0)
		forget(&asked, asked.count - 1);
	closedir(dir);
	while (free_number < (int)sizeof(taken) && taken[free_number])
		free_number++;
	net->number = free_number;
	return result;
}

/* ------------------------------------------------------------------------------------------ joining and leaving */

/** net_free - what is left of a network that nobody refers to */
static void net_free(struct shm_net *net)
{
	if (net->base)
		munmap(net->base, net->geometry.size);
	if (!net->foreign) {
		if (net->memfd >= 0)
			close(net->memfd);
		if (net->listenfd >= 0) {
			shm_place_remove(net, 'm', (unsigned int)net->number);
			close(net->listenfd);
		}
		if (net->dirfd >= 0)
			close(net->dirfd);
	}
	free(net->path);
	free(net);
}

/** enter - be on the network of a directory that is locked; 0, -EAGAIN try again, or another negative errno */
static int enter(struct shm_net *net, const struct shm_options *options, int lockfd, const struct stat *dir)
{
	int err = shm_place_prefix(net, options->path);

	if (!err)
		err = ask_all(net, PROT_READ | PROT_WRITE, true);
	if (err == -ENOENT)
		err = shm_place_used(lockfd, 0, SHM_PORTS_MAX) ? -EAGAIN : make(net, options);
	if (err)
		return err;
	net->listenfd = shm_place_socket(net, SOCK_SEQPACKET | SOCK_NONBLOCK, 'm', (unsigned int)net->number, dir);
	if (net->listenfd < 0)
		return net->listenfd;
	if (listen(net->listenfd, 64) != 0)
		return -errno;
	return shm_answer_add(net);
}

/** find - the network of this directory, if the process is on it already */
static struct shm_net *find(const struct stat *dir)
{
	struct shm_net *net = nets;

	while (net && (net->dev != dir->st_dev || net->ino != dir->st_ino))
		net = net->next;
	return net;
}

/** net_get - the network of the locked directory @dirfd, which is used up; 0 or as enter */
static int net_get(const struct shm_options *options, int dirfd, int lockfd, const struct stat *dir,
                   struct shm_net **out)
{
	struct shm_net *net = find(dir);
	int err;

	if (net) {
		close(dirfd);
		*out = net;
		return 0;
	}
	net = calloc(1, sizeof(*net));
	if (!net) {
		close(dirfd);
		return -ENOMEM;
	}
	net->dirfd = dirfd;
	net->memfd = net->listenfd = -1;
	net->dev = dir->st_dev;
	net->ino = dir->st_ino;
	err = enter(net, options, lockfd, dir);
	if (err) {
		net_free(net);
		return err;
	}
	net->next = nets;
	nets = net;
	*out = net;
	return 0;
}

/** net_put - a network with no port of ours is left; registry locked */
static void net_put(struct shm_net *net)
{
	struct shm_net **at = &nets;

	if (net->members > 0)
		return;
	while (*at && *at != net)
		at = &(*at)->next;
	if (*at) {
		*at = net->next;
		shm_answer_del(net);
	}
	net_free(net);
}

/** forsake - we could not join: leave nothing behind, unless others are there; the descriptor of the lock is used up */
static void forsake(const struct shm_options *options, int lockfd)
{
	int dirfd = open(options->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd >= 0 && !shm_place_used(lockfd, 0, SHM_PORTS_MAX))
		shm_place_clear(dirfd, options->path);
	if (dirfd >= 0)
		close(dirfd);
	close(lockfd);
}

/** attempt - join once; 0, -ESTALE, -EAGAIN or -EBUSY: try again, or another negative errno */
static int attempt(const struct shm_options *options, struct shm_port *port)
{
	int dirfd = shm_place_open(options), err;
	struct shm_net *net = NULL;
	struct stat dir;

	if (dirfd < 0)
		return dirfd;
	port->lockfd = shm_place_lock(dirfd, JOIN_MS);
	if (port->lockfd < 0 || fstat(dirfd, &dir) != 0) {
		close(dirfd);
		rmdir(options->path); /* if it is empty, it had better not be there */
		return port->lockfd < 0 ? port->lockfd : -EIO;
	}
	err = net_get(options, dirfd, port->lockfd, &dir, &net);
	if (err) {
		forsake(options, port->lockfd);
		return err;
	}
	port->net = net;
	err = shm_port_take(port);
	port->datafd = err ? err : shm_place_socket(net, SOCK_DGRAM, 'p', port->number, &dir);
	if (port->datafd < 0) {
		err = port->datafd;
		shm_place_give(port->lockfd, port->number);
		net_put(net);
		forsake(options, port->lockfd);
		return err;
	}
	net->members++;
	port->next = net->ports;
	net->ports = port;
	shm_place_unlock(port->lockfd);
	return 0;
}

/** again - is it an error of an attempt that another one may not have? */
static bool again(int err)
{
	return err == -ESTALE || err == -EAGAIN || err == -EBUSY;
}

int shm_net_join(const struct shm_options *options, struct shm_port *out)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int64_t deadline = shm_now_ns() + (int64_t)JOIN_MS * 1000000;
	unsigned int attempts = 1;
	int err;

	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&registry);
	while (again(err = attempt(options, out)) && (attempts++ < ATTEMPTS || shm_now_ns() < deadline))
		nanosleep(&pause, NULL);
	pthread_mutex_unlock(&registry);
	if (err == -EBUSY)
		return -ENOSPC;
	return again(err) ? -ETIMEDOUT : err;
}

void shm_net_leave(struct shm_port *port)
{
	struct shm_net *net = port->net;
	struct shm_port **at = &net->ports;
	int dirfd = -1;

	pthread_mutex_lock(&registry);
	while (*at != port)
		at = &(*at)->next;
	*at = port->next;
	net->members--;
	if (!net->foreign) {
		char *path = strdup(net->path);
		bool locked = shm_place_relock(port->lockfd, LEAVE_MS) == 0;

		shm_place_remove(net, 'p', port->number);
		dirfd = fcntl(net->dirfd, F_DUPFD_CLOEXEC, 0);
		net_put(net);
		if (locked && path && dirfd >= 0 && !shm_place_used(port->lockfd, 0, SHM_PORTS_MAX))
			shm_place_clear(dirfd, path);
		free(path);
		if (dirfd >= 0)
			close(dirfd);
		close(port->lockfd);
	} else {
		net_put(net);
	}
	pthread_mutex_unlock(&registry);
	close(port->datafd);
}

int shm_net_look(const char *path, struct shm_net *net)
{
	int err;

	*net = (struct shm_net){.memfd = -1, .listenfd = -1};
	net->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (net->dirfd < 0)
		return -errno;
	err = shm_place_prefix(net, path);
	if (!err)
		err = ask_all(net, PROT_READ, false);
	if (err)
		shm_net_unlook(net);
	return err;
}

void shm_net_unlook(struct shm_net *net)
{
	if (net->base)
		munmap(net->base, net->geometry.size);
	if (net->memfd >= 0)
		close(net->memfd);
	close(net->dirfd);
	free(net->path);
}
