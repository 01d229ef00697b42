/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plugin_nlqmodel.c - a stack of libioth that has netlink and nothing else, served by the model of nlq_model.h.
 *
 * A socket is one end of an AF_UNIX pair of packets. What is sent is answered at once, through the other end. Options:
 * old - the stack does not know the empty IFLA_NEW_IFINDEX, as Linux; domain=N - what SO_DOMAIN says, 0: nothing.
 */
#include <ioth.h>
#include <linux/if_link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "nlq_model.h"

#define EXPORT __attribute__((visibility("default")))

struct stack {
	struct model *model;
	bool old;
	int domain;
};

static struct ioth_functions *functions;

EXPORT extern const char *ioth_nlqmodel_license;
EXPORT const char *ioth_nlqmodel_license = "0BSD";

EXPORT void *ioth_nlqmodel_newstack(const char *vnlv[], const char *options, struct ioth_functions *f);
EXPORT int ioth_nlqmodel_delstack(void *stackdata);
EXPORT int ioth_nlqmodel_socket(int domain, int type, int protocol);
EXPORT int ioth_nlqmodel_bind(int fd, const struct sockaddr *addr, socklen_t addrlen);
EXPORT int ioth_nlqmodel_close(int fd);
EXPORT ssize_t ioth_nlqmodel_send(int fd, const void *buf, size_t len, int flags);
EXPORT ssize_t ioth_nlqmodel_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
                                      socklen_t *fromlen);
EXPORT int ioth_nlqmodel_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen);
EXPORT int ioth_nlqmodel_ioctl(int fd, unsigned long request, void *arg);

/* As Linux does it: an IFLA_NEW_IFINDEX holds a number, so it cannot be empty. */
static int old_new_link(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	if (attr[49] != NULL && nlq_attr_len(attr[49]) < sizeof(int))
		return nlq_error(-ERANGE, attr[49], "Attribute failed policy validation");
	return model_table[RTMF_LINK].new(msg, attr, stackinfo);
}

void *ioth_nlqmodel_newstack(const char *vnlv[], const char *options, struct ioth_functions *f)
{
	struct stack *stack = calloc(1, sizeof(*stack));
	const char *domain = options == NULL ? NULL : strstr(options, "domain=");

	(void)vnlv;
	functions = f;
	if (stack == NULL)
		return NULL;
	stack->model = model_new();
	stack->old = options != NULL && strstr(options, "old") != NULL;
	stack->domain = domain == NULL ? AF_NETLINK : atoi(domain + strlen("domain="));
	return stack;
}

int ioth_nlqmodel_delstack(void *stackdata)
{
	struct stack *stack = stackdata;

	model_free(stack->model);
	free(stack);
	return 0;
}

int ioth_nlqmodel_socket(int domain, int type, int protocol)
{
	int fds[2], *far;

	if (domain != AF_NETLINK || protocol != NETLINK_ROUTE) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0, fds) < 0)
		return -1;
	far = malloc(sizeof(*far));
	if (far == NULL)
		abort();
	*far = fds[1];
	functions->setsockdata(far);
	return fds[0];
}

int ioth_nlqmodel_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	(void)fd, (void)addr, (void)addrlen;
	return 0;
}

int ioth_nlqmodel_close(int fd)
{
	int *far = functions->getsockdata();

	close(*far);
	free(far);
	return close(fd);
}

ssize_t ioth_nlqmodel_send(int fd, const void *buf, size_t len, int flags)
{
	nlq_request_handlers_table table;
	struct stack *stack = functions->getstackdata();
	const int *far = functions->getsockdata();
	struct nlq_msg *replies;

	(void)fd, (void)flags;
	memcpy(table, model_table, sizeof(table));
	if (stack->old)
		table[RTMF_LINK].new = old_new_link;
	replies = nlq_process_datagram(buf, len, table, stack->model, 1, 0);
	nlq_pack(&replies, 4096);
	for (; replies != NULL; nlq_dropmsg(&replies)) {
		struct nlq_msg *reply = nlq_head(replies);

		if (send(*far, reply->nlq_packet, reply->nlq_size, MSG_NOSIGNAL) < 0)
			return -1;
	}
	return (ssize_t)len;
}

ssize_t ioth_nlqmodel_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (fromlen != NULL) {
		memcpy(from, &kernel, *fromlen < sizeof(kernel) ? *fromlen : sizeof(kernel));
		*fromlen = sizeof(kernel);
	}
	return recv(fd, buf, len, flags);
}

int ioth_nlqmodel_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen)
{
	const struct stack *stack = functions->getstackdata();

	(void)fd;
	if (level != SOL_SOCKET || optname != SO_DOMAIN || stack->domain == 0 || *optlen < sizeof(int)) {
		errno = ENOPROTOOPT;
		return -1;
	}
	memcpy(optval, &stack->domain, sizeof(int));
	*optlen = sizeof(int);
	return 0;
}

/* what gets here is no ioctl of netdevice(7) */
int ioth_nlqmodel_ioctl(int fd, unsigned long request, void *arg)
{
	(void)fd, (void)arg;
	errno = request == FIONREAD ? EXDEV : ENOTTY;
	return -1;
}
