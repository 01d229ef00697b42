/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usock_core_fake.h"

#include "drive.h"
#include "ip.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fake_disposed;
struct ioth_functions fake_f;

/* --------------------------------------------------------------------------------------------------- libioth's part */

static _Thread_local struct usock_stack *current_stack;
static _Thread_local void *current, *made;

static void *getstackdata(void)
{
	return current_stack;
}

static void *getsockdata(void)
{
	return current;
}

static int setsockdata(void *data)
{
	made = data;
	return 0;
}

static int renewfd(int fd)
{
	return dup3(fd, ((struct usock *)current)->ready.user, O_CLOEXEC) < 0 ? -1 : 0;
}

/* ----------------------------------------------------------------------------------------------------- no networks */

bool usock__port_glance(struct usock_stack *stack)
{
	(void)stack;
	return false;
}

bool usock__port_waiting(const struct usock_stack *stack)
{
	(void)stack;
	return false;
}

void usock__port_rest(struct usock_stack *stack)
{
	(void)stack;
}

/* -------------------------------------------------------------------------------------------------------- the kinds */

static struct fake *of(struct usock *sock)
{
	return (struct fake *)sock;
}

static void fake_release(struct usock *sock)
{
	of(sock)->released++;
}

static void fake_destroy(struct usock *sock)
{
	assert_int_equal(of(sock)->released, 1);
	fake_disposed++;
}

static int fake_connect(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	int result = sock->kind->shape == USOCK_SHAPE_FRESH ? usock__ready_pair(sock) : 0;

	(void)addr;
	(void)len;
	if (result < 0)
		return result;
	sock->connecting = of(sock)->connected == -EINPROGRESS;
	return of(sock)->connected;
}

static int fake_connect_done(struct usock *sock)
{
	sock->connecting = of(sock)->connected == -EINPROGRESS;
	return of(sock)->connected;
}

static int fake_listen(struct usock *sock, int backlog)
{
	(void)backlog;
	return usock__ready_pair(sock);
}

static int fake_accept(struct usock *sock, struct usock **out)
{
	if (of(sock)->backlog == 0)
		return -EAGAIN;
	*out = usock__new(sock->stack, sock->kind, sizeof(struct fake), sock->family, sock->type, sock->protocol);
	of(*out)->automatic = true;
	of(sock)->backlog--;
	return 0;
}

static int fake_name(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len)
{
	(void)sock;
	*(struct sockaddr_in *)addr = (struct sockaddr_in){.sin_family = AF_INET};
	*len = sizeof(struct sockaddr_in);
	return 0;
}

static int fake_shutdown(struct usock *sock, int how)
{
	sock->shutdown |= how == SHUT_RD ? USOCK_RCV_SHUTDOWN : how == SHUT_WR ? USOCK_SEND_SHUTDOWN : 3;
	usock__changed(sock, EPOLLIN | EPOLLOUT | EPOLLHUP);
	return 0;
}

static int fake_send(struct usock *sock, struct usock__xfer *xfer)
{
	struct fake *fake = of(sock);
	size_t n = xfer->len - xfer->done < fake->room ? xfer->len - xfer->done : fake->room;

	if (sock->shutdown & USOCK_SEND_SHUTDOWN)
		return -EPIPE;
	fake->room -= n;
	xfer->done += n;
	return xfer->done < xfer->len ? -EAGAIN : 0;
}

static int fake_recv(struct usock *sock, struct usock__xfer *xfer)
{
	struct fake *fake = of(sock);
	size_t n = xfer->len - xfer->done < fake->in ? xfer->len - xfer->done : fake->in;

	if (sock->error != 0)
		return usock__take_error(sock);
	if (n == 0)
		return sock->shutdown & USOCK_RCV_SHUTDOWN ? 0 : -EAGAIN;
	memset((char *)xfer->msg->msg_iov->iov_base + xfer->done, 'x', n);
	xfer->done += n;
	if (!(xfer->flags & MSG_PEEK))
		fake->in -= n;
	return (xfer->flags & MSG_WAITALL) && xfer->done < xfer->len ? -EAGAIN : 0;
}

static uint32_t fake_poll(struct usock *sock)
{
	struct fake *fake = of(sock);

	if (!fake->automatic)
		return fake->want;
	return (fake->in > 0 || fake->backlog > 0 ? EPOLLIN : 0U) | (fake->room > 0 ? EPOLLOUT : 0U);
}

#define KIND(name, its_shape)                                                                                          \
	const struct usock__kind usock__##name##_kind = {#name,         its_shape,   NULL,         fake_release,       \
	                                                 fake_destroy,  NULL,        fake_connect, fake_connect_done,  \
	                                                 fake_listen,   fake_accept, fake_name,    fake_name,          \
	                                                 fake_shutdown, fake_send,   fake_recv,    NULL,               \
	                                                 NULL,          NULL,        NULL,         fake_poll};         \
	const size_t usock__##name##_size = sizeof(struct fake)

KIND(stream, USOCK_SHAPE_FRESH);
KIND(udp, USOCK_SHAPE_DGRAM);
KIND(raw, USOCK_SHAPE_DGRAM);
KIND(ping, USOCK_SHAPE_DGRAM);
KIND(packet, USOCK_SHAPE_DGRAM);
KIND(netlink, USOCK_SHAPE_DGRAM);

void usock__stream_putback(struct usock *listener, struct usock *sock)
{
	of(listener)->backlog++;
	usock__dispose(sock);
}

/* ------------------------------------------------------------------------------------- parts of a stack that do nothing */

#define NOTHING(call)                                                                                                  \
	void call                                                                                                      \
	{                                                                                                              \
	}
#define NULLARY(call)                                                                                                  \
	int call                                                                                                       \
	{                                                                                                              \
		return 0;                                                                                              \
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"
NULLARY(usock__binds_open(struct usock_stack *stack))
NOTHING(usock__binds_close(struct usock_stack *stack))
NULLARY(usock__icmp_open(struct usock_stack *stack))
NOTHING(usock__icmp_close(struct usock_stack *stack))
NULLARY(usock__netlink_open(struct usock_stack *stack))
NOTHING(usock__netlink_close(struct usock_stack *stack))
NOTHING(usock__netlink_notify(struct usock_stack *stack, struct nlq_msg *queue, uint32_t seq, uint32_t portid))
NOTHING(usock__unreachable(struct usock_stack *stack, struct inet_iface *iface, int family, const unsigned char *packet,
                           size_t len))
NOTHING(usock__packet_iface(struct usock_stack *stack, struct inet_iface *iface, unsigned int what, bool gone))
NOTHING(usock__packet_tap(struct usock_stack *stack, struct inet_iface *iface, const unsigned char *frame, size_t len,
                          unsigned char direction))
NULLARY(usock__port_open(struct usock_stack *stack, struct inet_iface *iface))
NOTHING(usock__port_close(struct usock_stack *stack, struct inet_iface *iface))
NOTHING(usock__port_event(void *port, enum usock__event event, uint32_t events))
NOTHING(usock__port_flush(struct usock_stack *stack))
NOTHING(usock__port_transmit(struct usock_stack *stack, struct inet_iface *iface, unsigned char *frame, size_t len))
NOTHING(usock__loopback_clear(struct usock_stack *stack))
NOTHING(inet_free(struct inet *inet))
NOTHING(inet_set_forwarding(struct inet *inet, bool forwarding))
NOTHING(inet_set_advertisements(struct inet *inet, bool accept, bool autoconf))
NOTHING(inet_run_timers(struct inet *inet))
NULLARY(inet_iface_delete(struct inet_iface *iface))
NULLARY(inet_output_to(struct inet_iface *iface, int family, const unsigned char mac[6], unsigned char *packet,
                       size_t len))
nlq_request_handlers_table inet_handlers;

size_t usock__packet_copy(const struct usock_packet *packet, size_t skip, void *to, size_t len)
{
	return 0;
}

bool usock__loopback_run(struct usock_stack *stack)
{
	return false;
}

bool usock__loopback_pending(const struct usock_stack *stack)
{
	return false;
}

struct inet *inet_new(const struct inet_ops *ops, void *owner)
{
	static char something;

	return (struct inet *)&something;
}

int64_t inet_deadline(const struct inet *inet)
{
	return INET_NEVER;
}

int inet_iface_new(struct inet *inet, const char *name, const char *kind, const char *vnl, const unsigned char *mac,
                   unsigned int index, struct inet_iface **out)
{
	return -ENOBUFS;
}

struct inet_iface *inet_iface_first(struct inet *inet)
{
	return NULL;
}

struct inet_iface *inet_iface_by_index(struct inet *inet, unsigned int index)
{
	return NULL;
}

struct inet_iface *inet_iface_by_name(struct inet *inet, const char *name)
{
	return NULL;
}

static int64_t engine_deadline(void *e)
{
	return INET_NEVER;
}

static int engine_open(struct usock_stack *stack, const char *options, void **e)
{
	*e = stack;
	return strstr(options, "bad") != NULL ? -EINVAL : 0;
}

static void engine_close(void *e)
{
}

static const struct usock_engine engine = {
        .name = "fake", .open = engine_open, .close = engine_close, .deadline = engine_deadline};

/* ---------------------------------------------------------------------------------------------------- what tests use */

struct usock_stack *fake_stack(void)
{
	struct usock_stack *stack;

	fake_f = (struct ioth_functions){.getstackdata = getstackdata,
	                                 .getsockdata = getsockdata,
	                                 .setsockdata = setsockdata,
	                                 .renewfd = renewfd,
	                                 .size = sizeof(fake_f)};
	stack = usock_stack_new(&engine, NULL, "", &fake_f);
	assert_non_null(stack);
	return stack;
}

void fake_stack_free(struct usock_stack *stack)
{
	assert_int_equal(usock_stack_delete(stack), 0);
}

struct fake *fake_open(struct usock_stack *stack, int type)
{
	struct fake *fake;

	current_stack = stack;
	assert_true(fake_f.socket(AF_INET, type, 0) >= 0);
	fake = made;
	fake_use(fake);
	return fake;
}

struct usock *fake_use(struct fake *fake)
{
	struct usock *before = current;

	current = fake;
	return before;
}

void fake_tell(struct fake *fake, uint32_t want, uint32_t events)
{
	usock_lock(fake->sock.stack);
	fake->want = want;
	usock__changed(&fake->sock, events);
	usock_unlock(fake->sock.stack);
}
