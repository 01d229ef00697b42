/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * names.c - getaddrinfo and its like: names are looked up over the stack.
 *
 * The C library asks over sockets that it makes inside of itself, which would be the host's. c-ares does it instead:
 * its calls of socket, sendto and so on are resolved to ours. It reads the resolv.conf that ioth run has written, and
 * the hosts file by way of file.c; when no name server was given nobody is asked. A lookup has a channel of its own, so
 * that threads need no lock.
 *
 * What has nothing to do with the network (numeric addresses, services, the memory of a list) is still the C library's
 * part: an address that was found is given to its getaddrinfo as a text, and it makes the list.
 */
#include "names.h"
#include "shim.h"

#include <ares.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef int getaddrinfo_function(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static getaddrinfo_function *next_getaddrinfo;

static void init(void)
{
	*(void **)&next_getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
	ares_library_init(ARES_LIB_INIT_ALL);
}

/* ------------------------------------------------------------------------------------------------------------ asking
 */

/** asks_servers - does the resolv.conf at @path name a server? */
static bool asks_servers(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[1024];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
		found = strncmp(line, "nameserver", 10) == 0;
	if (file != NULL)
		fclose(file);
	return found;
}

int shim_channel_open(ares_channel *channel)
{
	char path[128];
	static char files[] = "f", all[] = "fb";
	struct ares_options options = {.resolvconf_path = path};

	/* Without a stack nobody is asked. */
	if (shim_dir() == NULL)
		return ARES_ENOTINITIALIZED;
	pthread_once(&once, init);
	snprintf(path, sizeof(path), "%s/resolv.conf", shim_dir());
	options.lookups = asks_servers(path) ? all : files;
	return ares_init_options(channel, &options, ARES_OPT_RESOLVCONF | ARES_OPT_LOOKUPS);
}

void shim_channel_run(ares_channel channel)
{
	for (;;) {
		ares_socket_t socks[ARES_GETSOCK_MAXNUM];
		struct pollfd fds[ARES_GETSOCK_MAXNUM];
		unsigned int bits = (unsigned int)ares_getsock(channel, socks, ARES_GETSOCK_MAXNUM);
		struct timeval most = {.tv_sec = 60}, wait;
		nfds_t count = 0;

		if (bits == 0)
			return;
		for (unsigned int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
			short events = (short)((ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0) |
			                       (ARES_GETSOCK_WRITABLE(bits, i) ? POLLOUT : 0));

			if (events != 0)
				fds[count++] = (struct pollfd){.fd = socks[i], .events = events};
		}
		ares_timeout(channel, &most, &wait);
		if (poll(fds, count, (int)(wait.tv_sec * 1000 + (wait.tv_usec + 999) / 1000)) <= 0) {
			ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
			continue;
		}
		for (nfds_t i = 0; i < count; i++)
			if (fds[i].revents != 0)
				ares_process_fd(channel, fds[i].revents & ~POLLOUT ? fds[i].fd : ARES_SOCKET_BAD,
				                fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
	}
}

/* ------------------------------------------------------------------------------------------------------- getaddrinfo
 */

struct found {
	int status;
	struct ares_addrinfo *list;
};

static void on_addrinfo(void *arg, int status, int timeouts, struct ares_addrinfo *list)
{
	struct found *found = arg;

	(void)timeouts;
	found->status = status;
	found->list = list;
}

/** lookup - the addresses of a name, to be freed by ares_freeaddrinfo; a status of c-ares */
static int lookup(const char *node, int family, bool canonical, struct ares_addrinfo **list)
{
	struct ares_addrinfo_hints hints = {.ai_family = family, .ai_flags = canonical ? ARES_AI_CANONNAME : 0};
	struct found found = {.status = ARES_ENOTFOUND};
	ares_channel channel;
	int status = shim_channel_open(&channel);

	if (status != ARES_SUCCESS)
		return status;
	ares_getaddrinfo(channel, node, NULL, &hints, on_addrinfo, &found);
	shim_channel_run(channel);
	ares_destroy(channel);
	*list = found.list;
	return found.status;
}

/** eai_of - a status of c-ares as getaddrinfo tells it */
static int eai_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_ENONAME:
	case ARES_EBADNAME:
		return EAI_NONAME;
	case ARES_ENOMEM:
		return EAI_MEMORY;
	case ARES_ETIMEOUT:
	case ARES_ECONNREFUSED:
	case ARES_ESERVFAIL:
		return EAI_AGAIN;
	default:
		return EAI_FAIL;
	}
}

/** append - what the C library makes of the address @sa for the program's hints; 0 or EAI_... */
static int append(const struct sockaddr *sa, const char *service, const struct addrinfo *hints, bool mapped,
                  struct addrinfo ***end)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
	struct addrinfo numeric = *hints;
	char text[INET6_ADDRSTRLEN + 8] = "::ffff:";
	char *at = mapped ? text + 7 : text;
	int err;

	inet_ntop(sa->sa_family, sa->sa_family == AF_INET ? (const void *)&in->sin_addr : (const void *)&in6->sin6_addr,
	          at, INET6_ADDRSTRLEN);
	numeric.ai_flags = (hints->ai_flags & AI_NUMERICSERV) | AI_NUMERICHOST;
	numeric.ai_family = mapped ? AF_INET6 : sa->sa_family;
	err = next_getaddrinfo(text, service, &numeric, *end);
	while (err == 0 && **end != NULL)
		*end = &(**end)->ai_next;
	return err;
}

/** name_of - the canonical name; NULL: no memory */
static char *name_of(const struct ares_addrinfo *list, const char *node)
{
	const char *name = list->name != NULL ? list->name : node;

	for (const struct ares_addrinfo_cname *c = list->cnames; c != NULL; c = c->next)
		if (c->name != NULL)
			name = c->name;
	return strdup(name);
}

/** by_name - getaddrinfo for a node that is not numeric; adds to the list at *@res */
static int by_name(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	bool canonical = hints->ai_flags & AI_CANONNAME, mapped = false;
	struct ares_addrinfo *list = NULL;
	struct addrinfo **end = res;
	int err = eai_of(lookup(node, hints->ai_family, canonical, &list));

	if (err == EAI_NONAME && hints->ai_family == AF_INET6 && hints->ai_flags & AI_V4MAPPED) {
		mapped = true;
		err = eai_of(lookup(node, AF_INET, canonical, &list));
	}
	for (struct ares_addrinfo_node *n = list != NULL ? list->nodes : NULL; n != NULL && err == 0; n = n->ai_next)
		if (n->ai_family == AF_INET || n->ai_family == AF_INET6)
			err = append(n->ai_addr, service, hints, mapped, &end);
	if (err == 0 && *res == NULL)
		err = EAI_NONAME;
	if (err == 0 && canonical) {
		(*res)->ai_canonname = name_of(list, node);
		err = (*res)->ai_canonname == NULL ? EAI_MEMORY : 0;
	}
	if (list != NULL)
		ares_freeaddrinfo(list);
	return err;
}

EXPORT int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	struct addrinfo all = {.ai_flags = 0}, numeric;
	int err;

	pthread_once(&once, init);
	if (shim_dir() == NULL)
		return next_getaddrinfo(node, service, hints, res);
	numeric = hints != NULL ? *hints : all;
	all = numeric;
	/* The C library would look at the addresses of the host for this. */
	numeric.ai_flags &= ~AI_ADDRCONFIG;
	if (node != NULL)
		numeric.ai_flags |= AI_NUMERICHOST;
	err = next_getaddrinfo(node, service, &numeric, res);
	if (err != EAI_NONAME || node == NULL || all.ai_flags & AI_NUMERICHOST)
		return err;
	*res = NULL;
	err = by_name(node, service, &all, res);
	if (err != 0 && *res != NULL) {
		freeaddrinfo(*res);
		*res = NULL;
	}
	return err;
}

/* -------------------------------------------------------------------------------------------- gethostbyname and its
 * like */

/** struct answer - a host to be copied to the program's buffer */
struct answer {
	struct hostent *out;
	char *buf;
	size_t room;
	int status; /* of c-ares */
	bool full;  /* the buffer is too small */
};

/** take - @len bytes of the buffer, aligned; NULL: it is too small */
static void *take(struct answer *a, size_t len)
{
	size_t pad = (size_t)(-(uintptr_t)a->buf % _Alignof(char *));
	void *place = a->buf + pad;

	if (a->full || pad + len > a->room) {
		a->full = true;
		return NULL;
	}
	a->buf += pad + len;
	a->room -= pad + len;
	return place;
}

/** copy_list - a NULL-terminated list of @len bytes each; 0: of strings */
static char **copy_list(struct answer *a, char **list, size_t len)
{
	size_t n = 0;
	char **out;

	while (list != NULL && list[n] != NULL)
		n++;
	out = take(a, (n + 1) * sizeof(*out));
	for (size_t i = 0; i < n && out != NULL; i++) {
		size_t size = len > 0 ? len : strlen(list[i]) + 1;

		out[i] = take(a, size);
		if (out[i] == NULL)
			return NULL;
		memcpy(out[i], list[i], size);
	}
	if (out != NULL)
		out[n] = NULL;
	return out;
}

static void on_host(void *arg, int status, int timeouts, struct hostent *host)
{
	struct answer *a = arg;

	(void)timeouts;
	a->status = status;
	if (status != ARES_SUCCESS || host == NULL)
		return;
	a->out->h_addrtype = host->h_addrtype;
	a->out->h_length = host->h_length;
	a->out->h_name = take(a, strlen(host->h_name) + 1);
	if (a->out->h_name != NULL)
		strcpy(a->out->h_name, host->h_name);
	a->out->h_aliases = copy_list(a, host->h_aliases, 0);
	a->out->h_addr_list = copy_list(a, host->h_addr_list, (size_t)host->h_length);
}

/** host - ask for a name (@addr is NULL) or an address, as the functions whose names end in _r do */
static int host(const char *name, const void *addr, int len, int family, struct answer *a, struct hostent **result,
                int *herr)
{
	ares_channel channel;

	*result = NULL;
	a->status = shim_channel_open(&channel);
	if (a->status == ARES_SUCCESS) {
		a->status = ARES_ENOTFOUND;
		if (addr == NULL)
			ares_gethostbyname(channel, name, family, on_host, a);
		else
			ares_gethostbyaddr(channel, addr, len, family, on_host, a);
		shim_channel_run(channel);
		ares_destroy(channel);
	}
	if (a->full) {
		*herr = NETDB_INTERNAL;
		return errno = ERANGE;
	}
	switch (eai_of(a->status)) {
	case 0:
		*result = a->out;
		*herr = NETDB_SUCCESS;
		return 0;
	case EAI_NONAME:
		*herr = HOST_NOT_FOUND;
		return 0;
	case EAI_AGAIN:
		*herr = TRY_AGAIN;
		return errno = EAGAIN;
	default:
		*herr = NO_RECOVERY;
		return errno = EBADMSG;
	}
}

EXPORT int gethostbyname2_r(const char *name, int family, struct hostent *out, char *buf, size_t room,
                            struct hostent **result, int *herr)
{
	struct answer a = {.out = out, .buf = buf, .room = room};

	return host(name, NULL, 0, family, &a, result, herr);
}

EXPORT int gethostbyname_r(const char *name, struct hostent *out, char *buf, size_t room, struct hostent **result,
                           int *herr)
{
	return gethostbyname2_r(name, AF_INET, out, buf, room, result, herr);
}

EXPORT int gethostbyaddr_r(const void *addr, socklen_t len, int family, struct hostent *out, char *buf, size_t room,
                           struct hostent **result, int *herr)
{
	struct answer a = {.out = out, .buf = buf, .room = room};

	return host(NULL, addr, (int)len, family, &a, result, herr);
}

/* What these return is overwritten by the next call, of any thread. */
static struct hostent shared;
static char shared_buf[8192];

EXPORT struct hostent *gethostbyname2(const char *name, int family)
{
	struct hostent *result;

	gethostbyname2_r(name, family, &shared, shared_buf, sizeof(shared_buf), &result, &h_errno);
	return result;
}

EXPORT struct hostent *gethostbyname(const char *name)
{
	return gethostbyname2(name, AF_INET);
}

EXPORT struct hostent *gethostbyaddr(const void *addr, socklen_t len, int family)
{
	struct hostent *result;

	gethostbyaddr_r(addr, len, family, &shared, shared_buf, sizeof(shared_buf), &result, &h_errno);
	return result;
}

EXPORT int getnameinfo(const struct sockaddr *sa, socklen_t salen, char *name, socklen_t namelen, char *service,
                       socklen_t servicelen, int flags)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
	struct hostent out, *result = NULL;
	char buf[4096];
	int herr, err;

	err = shim_next()->getnameinfo(sa, salen, name, namelen, service, servicelen,
	                               (flags & ~NI_NAMEREQD) | NI_NUMERICHOST);
	if (err != 0 || name == NULL || namelen == 0 || flags & NI_NUMERICHOST || shim_dir() == NULL ||
	    (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return err;
	if (sa->sa_family == AF_INET)
		gethostbyaddr_r(&in->sin_addr, sizeof(in->sin_addr), AF_INET, &out, buf, sizeof(buf), &result, &herr);
	else
		gethostbyaddr_r(&in6->sin6_addr, sizeof(in6->sin6_addr), AF_INET6, &out, buf, sizeof(buf), &result,
		                &herr);
	if (result == NULL)
		return flags & NI_NAMEREQD ? EAI_NONAME : 0;
	if (strlen(out.h_name) >= namelen)
		return EAI_OVERFLOW;
	strcpy(name, out.h_name);
	return 0;
}
