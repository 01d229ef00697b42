/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uring.c - readiness as io_uring(7) sees it, by IORING_OP_POLL_ADD; bare system calls, one request at a time. */
#include "conf.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/** struct uring - a ring for one request at a time, and the parts of it that are used */
struct uring {
	int fd;
	struct io_uring_params params;
	unsigned char *ring; /* both queues, IORING_FEAT_SINGLE_MMAP */
	size_t ring_size, sqes_size;
	struct io_uring_sqe *sqes;
};

/** uring_open - make the ring, or skip the case where it is not allowed */
static struct uring uring_open(struct conf *c)
{
	struct uring u = {.fd = -1};
	void *map;

	u.fd = (int)syscall(SYS_io_uring_setup, 4, &u.params);
	if (u.fd < 0)
		SKIP("io_uring is not to be had here: %s", strerrorname_np(errno));
	keep(c, u.fd);
	CHECK(u.params.features & IORING_FEAT_SINGLE_MMAP);
	u.ring_size = u.params.cq_off.cqes + u.params.cq_entries * sizeof(struct io_uring_cqe);
	if (u.ring_size < u.params.sq_off.array + u.params.sq_entries * sizeof(uint32_t))
		u.ring_size = u.params.sq_off.array + u.params.sq_entries * sizeof(uint32_t);
	map = mmap(NULL, u.ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, u.fd, IORING_OFF_SQ_RING);
	CHECK(map != MAP_FAILED);
	u.ring = map;
	u.sqes_size = u.params.sq_entries * sizeof(struct io_uring_sqe);
	map = mmap(NULL, u.sqes_size, PROT_READ | PROT_WRITE, MAP_SHARED, u.fd, IORING_OFF_SQES);
	CHECK(map != MAP_FAILED);
	u.sqes = map;
	return u;
}

static void uring_close(struct uring *u)
{
	munmap(u->ring, u->ring_size);
	munmap(u->sqes, u->sqes_size);
}

/** at - a 32-bit field of the ring */
static uint32_t *at(const struct uring *u, uint32_t offset)
{
	return (uint32_t *)(void *)(u->ring + offset);
}

/** uring_submit - ask for a poll */
static void uring_submit(struct uring *u, int fd, uint32_t events)
{
	uint32_t tail = *at(u, u->params.sq_off.tail), slot = tail & *at(u, u->params.sq_off.ring_mask);

	memset(&u->sqes[slot], 0, sizeof(u->sqes[slot]));
	u->sqes[slot].opcode = IORING_OP_POLL_ADD;
	u->sqes[slot].fd = fd;
	u->sqes[slot].poll32_events = events;
	at(u, u->params.sq_off.array)[slot] = slot;
	__atomic_store_n(at(u, u->params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	CHECK_INT(syscall(SYS_io_uring_enter, u->fd, 1, 0, 0, NULL, 0), 1);
}

/** uring_result - wait for its end; the events, or a negative errno. A ring may tell of RDHUP unasked, which is left
 * out. */
static int uring_result(struct uring *u, int asked)
{
	uint32_t head = *at(u, u->params.cq_off.head);
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(void *)(u->ring + u->params.cq_off.cqes);
	int result;

	CHECK_INT(poll(&(struct pollfd){.fd = u->fd, .events = POLLIN}, 1, WAIT_MS), 1);
	CHECK(__atomic_load_n(at(u, u->params.cq_off.tail), __ATOMIC_ACQUIRE) != head);
	result = cqes[head & *at(u, u->params.cq_off.ring_mask)].res;
	__atomic_store_n(at(u, u->params.cq_off.head), head + 1, __ATOMIC_RELEASE);
	return result < 0 ? result : result & (asked | POLLERR | POLLHUP);
}

/** uring_idle - nothing has ended */
static void uring_idle(const struct uring *u)
{
	CHECK_INT(*at(u, u->params.cq_off.head), __atomic_load_n(at(u, u->params.cq_off.tail), __ATOMIC_ACQUIRE));
}

CASE(uring, poll, INET,
     "a poll in a ring ends when data arrive, at once when it is so already, and tells the end of a stream")
{
	struct uring u = uring_open(c);
	struct pair p = tcp_pair(c);

	uring_submit(&u, p.b, POLLIN);
	uring_idle(&u);
	send_text(p.a, "x");
	CHECK_INT(uring_result(&u, POLLIN), POLLIN);
	uring_submit(&u, p.b, POLLIN | POLLOUT);
	CHECK_INT(uring_result(&u, POLLIN | POLLOUT), POLLIN | POLLOUT);
	recv_text(p.b, "x");
	uring_submit(&u, p.b, POLLIN | POLLRDHUP);
	uring_idle(&u);
	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	CHECK_INT(uring_result(&u, POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
	uring_close(&u);
}

CASE(uring, accept_poll, INET, "a poll in a ring waits for a connection, and for one's own that is refused")
{
	struct uring u = uring_open(c);
	struct addr addr, refused;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK), lost = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);

	drop(c, bound(c, c->b, SOCK_STREAM, &refused));
	uring_submit(&u, server, POLLIN);
	uring_idle(&u);
	CHECK_ERR(ioth_connect(client, &addr.sa, addr.len), EINPROGRESS);
	CHECK_INT(uring_result(&u, POLLIN), POLLIN);
	accepted(c, server);
	CHECK_ERR(ioth_connect(lost, &refused.sa, refused.len), EINPROGRESS);
	CHECK_POLL(lost, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	uring_submit(&u, lost, POLLOUT);
	CHECK_INT(uring_result(&u, POLLOUT), POLLOUT | POLLERR | POLLHUP);
	uring_close(&u);
}
