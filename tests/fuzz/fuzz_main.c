/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_main.c - run a fuzz target without a fuzzer: on each seed, and on damaged versions of it.
 *
 * usage: fuzz_NAME ROUNDS SEED_FILE...
 *
 * The damage comes from a generator that starts at the same point each time, so a failure can be repeated. Each input
 * lies at the end of a mapping, right before a page that cannot be read. With clang the same target runs under
 * libFuzzer, which brings its own main:
 *     clang -g -fsanitize=fuzzer,address,undefined -I... fuzz_NAME.c ... && ./a.out CORPUS
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEED_MAX (1U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A fixed start: xorshift64. */
static uint64_t state = 88172645463325252ULL;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/** struct input - a mapping of @room bytes, a page that cannot be read behind it */
struct input {
	unsigned char *base;
	size_t room;
};

/** damage - change a few values; lengths and offsets like to be small, huge, or one more than they were */
static void damage(unsigned char *data, size_t size)
{
	for (uint64_t n = next() % 8; n < 8; n++) {
		/* Tables that say where things are stand at the ends of most formats more often than in the middle. */
		size_t span = next() % 3 == 0 ? size : size < 1024 ? size : 1024;
		size_t len = (size_t)1 << next() % 4, at = span > len ? next() % (span - len) : 0;
		uint64_t value;

		if (size < at + len)
			continue;
		if (next() % 4 == 0)
			at += size - span;
		memcpy(&value, data + at, len > size - at ? size - at : len);
		switch (next() % 6) {
		case 0:
			value = 0;
			break;
		case 1:
			value = ~(uint64_t)0;
			break;
		case 2:
			value = next() % 64;
			break;
		case 3:
			value = next() % (2 * size);
			break;
		case 4:
			value++;
			break;
		default:
			value ^= (uint64_t)1 << next() % 64;
			break;
		}
		memcpy(data + at, &value, len > size - at ? size - at : len);
	}
}

/** run - hand @size bytes of @seed to the target, damaged @rounds times */
static void run(const struct input *in, const unsigned char *seed, size_t size, unsigned long rounds)
{
	for (unsigned long i = 0; i <= rounds; i++) {
		size_t len = i > 0 && next() % 8 == 0 ? next() % (size + 1) : size;
		unsigned char *data = in->base + in->room - len;

		memcpy(data, seed, len);
		if (i > 0)
			damage(data, len);
		LLVMFuzzerTestOneInput(data, len);
	}
}

/** read_seed - the bytes of a file; how many, or 0, having said why */
static size_t read_seed(const char *path, unsigned char *seed)
{
	FILE *file = fopen(path, "re");
	size_t size = file ? fread(seed, 1, SEED_MAX, file) : 0;

	if (size == 0)
		fprintf(stderr, "%s: %s\n", path, file ? "empty" : strerror(errno));
	if (file)
		fclose(file);
	return size;
}

/** run_seed - all of it for one seed, in a mapping made for it; 0, or 1 when there is no memory */
static int run_seed(const unsigned char *seed, size_t size, unsigned long rounds)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct input in = {.room = (size + page - 1) & ~(page - 1)};

	in.base = mmap(NULL, in.room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (in.base == MAP_FAILED || mprotect(in.base + in.room, page, PROT_NONE) < 0) {
		perror("mmap");
		return 1;
	}
	run(&in, seed, size, rounds);
	munmap(in.base, in.room + page);
	return 0;
}

int main(int argc, char *argv[])
{
	static unsigned char seed[SEED_MAX];
	int failed = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: %s ROUNDS SEED_FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		size_t size = read_seed(argv[i], seed);

		failed |= size == 0 || run_seed(seed, size, strtoul(argv[1], NULL, 10)) != 0;
	}
	return failed;
}
