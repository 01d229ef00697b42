/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inet_ip.h - ip(8) on a struct inet and on the kernel: the same commands, the same answers.
 *
 * For tests. ip(8) reaches the stack of the test by nlq_relay.c; the kernel's network is a new namespace. Needs ip(8)
 * and the right to make namespaces: ip_begin says so.
 */
#ifndef INET_IP_H
#define INET_IP_H

#include "inet_fake.h"
#include "relay_server.h"

#define IP_TEXT RELAY_TEXT

/** ip_begin - once a program; 0, or 77 when this test cannot run here, having said why. ip_end */
int ip_begin(void);
void ip_end(void);

/** ip_run - run a command on the stack, or on the kernel when @fake is NULL; its exit status, and what it says in @text
 */
int ip_run(struct fake *fake, const char *command, char text[IP_TEXT]);

/**
 * ip_compare - run commands on both, in a new namespace; the test fails when they say something else
 * @commands: ended by NULL
 *
 * Both have, besides lo, two Ethernet interfaces, d0 and d1, with carrier, and no duplicate address detection, so that
 * nothing has to be waited for. The same must come out but for what normalize in inet_ip.c removes.
 */
void ip_compare(struct fake *fake, const char *const *commands);

/** ip_open - what ip_compare does first: both networks, in a new namespace; a descriptor to be closed at the end */
int ip_open(struct fake *fake);
/** ip_same - run a command on both; false, having said so, when it says something else */
bool ip_same(struct fake *fake, const char *command);

#endif
