/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The Internet checksum over pieces, against one that adds byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ip.h>
#include <stdlib.h>

#define ROOM 300

/** plain - RFC 1071, section 4.1, in words; as a number in network byte order */
static uint16_t plain(const unsigned char *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static uint32_t state = 12345;

static uint32_t next(void)
{
	state = state * 1664525 + 1013904223;
	return state >> 8;
}

static void fill(unsigned char *data, size_t len, unsigned int how)
{
	for (size_t i = 0; i < len; i++)
		data[i] = how == 0 ? 0xff : how == 1 ? 0 : (unsigned char)next();
}

static void whole(void **nothing)
{
	unsigned char data[ROOM];

	(void)nothing;
	for (unsigned int round = 0; round < 3000; round++) {
		size_t len = next() % ROOM;

		fill(data, len, round % 5);
		assert_int_equal(usock__checksum_fold(usock__checksum(0, data, len, false)), plain(data, len, 0));
	}
}

static void pieces(void **nothing)
{
	unsigned char data[ROOM], copy[ROOM];

	(void)nothing;
	for (unsigned int round = 0; round < 3000; round++) {
		size_t len = next() % ROOM, done = 0;
		uint32_t sum = 0, copied = 0;

		fill(data, len, round % 5);
		memset(copy, 0x55, sizeof(copy));
		while (done < len) {
			size_t part = 1 + next() % 20;

			if (part > len - done)
				part = len - done;
			sum = usock__checksum(sum, data + done, part, done & 1);
			copied = usock__checksum_copy(copied, copy + done, data + done, part, done & 1);
			done += part;
		}
		assert_int_equal(usock__checksum_fold(sum), plain(data, len, 0));
		assert_int_equal(usock__checksum_fold(copied), plain(data, len, 0));
		assert_memory_equal(copy, data, len);
	}
}

static void pseudo_header(void **nothing)
{
	union inet_ip src, dst;

	(void)nothing;
	for (unsigned int round = 0; round < 1000; round++) {
		int family = round & 1 ? AF_INET : AF_INET6;
		size_t size = family == AF_INET ? 4 : 16, len = next() % 70000;
		unsigned char flat[40];

		fill((unsigned char *)&src, sizeof(src), 2);
		fill((unsigned char *)&dst, sizeof(dst), 2);
		memcpy(flat, &src, size);
		memcpy(flat + size, &dst, size);
		assert_int_equal(usock__checksum_fold(usock__checksum_pseudo(family, &src, &dst, 17, len)),
		                 plain(flat, 2 * size, 17 + (uint32_t)(len >> 16) + (uint32_t)(len & 0xffff)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(whole),
	        cmocka_unit_test(pieces),
	        cmocka_unit_test(pseudo_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
