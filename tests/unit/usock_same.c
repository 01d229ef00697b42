/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usock_same.h"

#include "netns.h"
#include "wait.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdlib.h>

static struct ioth *ours;
static FILE *transcript;

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(transcript, format, args);
	va_end(args);
	fputc('\n', transcript);
}

long say_result(const char *what, long result)
{
	if (result < 0)
		say("%s: %s", what, strerrorname_np(errno));
	else
		say("%s: %ld", what, result);
	return result;
}

void same_hex(const char *what, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	fprintf(transcript, "%s:", what);
	for (size_t i = 0; i < len; i++)
		fprintf(transcript, " %02x", at[i]);
	fputc('\n', transcript);
}

struct sockaddr_in in4(const char *text, int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	assert_int_equal(inet_pton(AF_INET, text, &addr.sin_addr), 1);
	return addr;
}

struct sockaddr_in6 in6(const char *text, int port, const char *ifname, struct ioth *stack)
{
	struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	assert_int_equal(inet_pton(AF_INET6, text, &addr.sin6_addr), 1);
	if (ifname)
		addr.sin6_scope_id = (uint32_t)ioth_if_nametoindex(stack, ifname);
	return addr;
}

int same_port(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	assert_int_equal(ioth_getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	return ntohs(((struct sockaddr_in *)&addr)->sin_port); /* at the same place in both families */
}

/** furnish - interfaces, addresses and routes */
static void furnish(struct ioth *stack)
{
	struct in_addr gateway4, addr4;
	struct in6_addr gateway6, addr6;
	int index;

	inet_pton(AF_INET, "192.0.2.1", &addr4);
	inet_pton(AF_INET, "192.0.2.254", &gateway4);
	inet_pton(AF_INET6, "2001:db8::1", &addr6);
	inet_pton(AF_INET6, "2001:db8::fe", &gateway6);
	assert_int_equal(ioth_linksetupdown(stack, (unsigned int)ioth_if_nametoindex(stack, "lo"), 1), 0);
	/* One end of a pair whose other end nobody reads: kernels have that more often than dummies. */
	if (stack)
		assert_true(ioth_iplink_add(stack, "veth0", 2, "dummy", NULL, 0) >= 0);
	if (ioth_iplink_add(stack, "d0", 7, stack ? "dummy" : "veth", NULL, 0) < 0)
		fail_msg("no interface: %s", strerror(errno));
	assert_int_equal(ioth_if_nametoindex(stack, "veth0"), 2);
	assert_int_equal(ioth_linksetupdown(stack, 2, 1), 0);
	index = ioth_if_nametoindex(stack, "d0");
	assert_true(index > 0);
	assert_int_equal(ioth_ipaddr_add(stack, AF_INET, &addr4, 24, (unsigned int)index), 0);
	assert_int_equal(ioth_linksetupdown(stack, (unsigned int)index, 1), 0);
	assert_int_equal(ioth_ipaddr_add(stack, AF_INET6, &addr6, 64, (unsigned int)index), 0);
	assert_int_equal(ioth_iproute_add(stack, AF_INET, NULL, 0, &gateway4, (unsigned int)index), 0);
	assert_int_equal(ioth_iproute_add(stack, AF_INET6, NULL, 0, &gateway6, (unsigned int)index), 0);
}

void same_place(void)
{
	int error = netns_private();

	if (error < 0) {
		printf("no network namespace: %s\n", strerror(-error));
		exit(77);
	}
}

/** no_detection - IPv6 addresses of the kernel are usable at once */
static void no_detection(void)
{
	FILE *file = fopen("/proc/sys/net/ipv6/conf/default/accept_dad", "w");

	assert_non_null(file);
	assert_true(fputs("0", file) > 0);
	fclose(file);
}

/** usable - wait till a stack can use its IPv6 address: the kernel makes it so behind our back */
static void usable(struct ioth *stack)
{
	struct sockaddr_in6 addr = in6("2001:db8::1", 0, NULL, stack);
	int fd = ioth_msocket(stack, AF_INET6, SOCK_DGRAM, 0);
	long deadline = wait_now_ms() + WAIT_MS;

	assert_true(fd >= 0);
	while (ioth_bind(fd, SA(addr)) < 0)
		assert_true(wait_again(deadline));
	ioth_close(fd);
}

int same_open(void **state)
{
	(void)state;
	no_detection();
	ours = ioth_newstack("ipengine", NULL);
	if (!ours)
		fail_msg("ipengine: %s", strerror(errno));
	furnish(NULL);
	furnish(ours);
	usable(NULL);
	usable(ours);
	return 0;
}

int same_close(void **state)
{
	(void)state;
	assert_int_equal(ioth_delstack(ours), 0);
	return 0;
}

struct ioth *same_ours(void)
{
	return ours;
}

void *same_symbol(const char *name)
{
	void *handle = dlopen(IPENGINE_PATH, RTLD_NOW | RTLD_NOLOAD), *symbol;

	assert_non_null(handle);
	symbol = dlsym(handle, name);
	assert_non_null(symbol);
	dlclose(handle);
	return symbol;
}

/** run - a script's transcript, to be freed */
static char *run(same_script *script, struct ioth *stack)
{
	char *text = NULL;
	size_t size;

	transcript = open_memstream(&text, &size);
	assert_non_null(transcript);
	script(stack);
	fclose(transcript);
	transcript = NULL;
	return text;
}

/** next_line - the length of the line that begins at @text, and where the next one begins */
static const char *next_line(const char *text, size_t *len)
{
	*len = strcspn(text, "\n");
	return text + *len + (text[*len] == '\n');
}

void same(same_script *script)
{
	char *kernel = run(script, NULL), *stack = run(script, ours);
	const char *a = kernel, *b = stack;
	const char *heading = kernel;
	bool differs = false;

	assert_true(*kernel != '\0'); /* a script that says nothing proves nothing */
	while (*a || *b) {
		size_t alen, blen;
		const char *anext = next_line(a, &alen), *bnext = next_line(b, &blen);

		if (alen != blen || memcmp(a, b, alen) != 0) {
			if (heading != a)
				print_error("%.*s\n", (int)strcspn(heading, "\n"), heading);
			print_error("kernel: %.*s\n  ours: %.*s\n", (int)alen, a, (int)blen, b);
			differs = true;
		} else if (*a != ' ') {
			heading = a; /* the last line on which they agreed */
		}
		a = anext;
		b = bnext;
	}
	free(kernel);
	free(stack);
	if (differs)
		fail();
}
