/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shm_ports.h - ports of a shm:// network for its tests, small frames that say a number, and that nothing is left. */
#ifndef TESTS_SHM_PORTS_H
#define TESTS_SHM_PORTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libvdeplug_mod.h>
#include <stdbool.h>

extern char shm_dir[], shm_net[64], shm_url[160]; /* of all networks; the directory and the locator of the one in use */

/** join - a port, with options behind the locator, or NULL; port - one that has to be there */
VDECONN *join(const char *options);
VDECONN *port(void);

/** frame - one from address @from to @to (0xff: all) that says @what */
void frame(unsigned char *out, size_t len, unsigned int to, unsigned int from, uint32_t what);

/** say - send such a frame of 64 bytes; heard - what the next one says; -1: there is none */
void say(VDECONN *conn, unsigned int to, unsigned int from, uint32_t what);
int64_t heard(VDECONN *conn);

/** readable - would poll say that there is something? */
bool readable(VDECONN *conn);

/** shm_begin, shm_end - of each test: the network has gone in the end, and so has everything else */
int shm_begin(void **state);
int shm_end(void **state);

/** shm_run - run tests in a directory of their own; exit status */
#define shm_run(tests) (shm_start() ? cmocka_run_group_tests(tests, NULL, shm_stop) : 1)
bool shm_start(void);
int shm_stop(void **state);

#define SHM_TEST(f) cmocka_unit_test_setup_teardown(f, shm_begin, shm_end)

#endif
