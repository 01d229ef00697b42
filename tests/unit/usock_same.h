/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usock_same.h - the same calls on the kernel's sockets and on ours, and the same results.
 *
 * A script makes calls on a stack and says what came of them; it is run on the kernel, in a network namespace of its
 * own, and on a stack of the plugin "ipengine". What it said must be the same. In both lo is up, and there is an
 * interface "d0" (up) with 192.0.2.1/24 and 2001:db8::1/64, and default routes over it.
 */
#ifndef TESTS_UNIT_USOCK_SAME_H
#define TESTS_UNIT_USOCK_SAME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ioth.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

typedef void same_script(struct ioth *stack);

/** same_place - a network namespace for the kernel's side; ends the program (77) where that is forbidden */
void same_place(void);
/** same_open, same_close - set up both sides, and end ours: for the group of tests */
int same_open(void **state);
int same_close(void **state);

/** same_ours - our stack */
struct ioth *same_ours(void);

/** same_symbol - of the plugin, see plugin_ipengine.h */
void *same_symbol(const char *name);

/** same - run a script on both */
void same(same_script *script);

/** say - a line of what a script has to say */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/** say_result - say a result of a call, and errno when it is -1; returns it */
long say_result(const char *what, long result);

#define SAY(call) say_result(#call, (long)(call))

/** in4, in6 - addresses */
struct sockaddr_in in4(const char *text, int port);
struct sockaddr_in6 in6(const char *text, int port, const char *ifname, struct ioth *stack);

#define SA(addr) ((const struct sockaddr *)&(addr)), sizeof(addr)

/** same_port - the port that a socket has */
int same_port(int fd);

/** same_hex - say bytes */
void same_hex(const char *what, const void *bytes, size_t len);

#endif
