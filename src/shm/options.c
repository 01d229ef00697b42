/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options.c - what a locator says: shm:///path/name/option=value/..., or shm:///path/name[option=value/...] as other
 * modules write it.
 *
 * Components at the end of the path that look like "word=value" are options, the word being of small letters.
 */
#include "net.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORTS 1024
#define SLOTS 1024
#define MTU 9216
#define AGE 300

/** number - digits, or -1 */
static long number(const char *text, int base)
{
	char *end;
	long n;

	if (*text < '0' || *text > '9')
		return -1;
	n = strtol(text, &end, base);
	return *end == '\0' && n >= 0 && n <= INT32_MAX ? n : -1;
}

/** group_of - by name or number; 0, -ENOENT there is none */
static int group_of(const char *text, gid_t *out)
{
	char room[4096];
	struct group group, *found;
	long n = number(text, 10);

	if (n >= 0) {
		*out = (gid_t)n;
		return 0;
	}
	if (getgrnam_r(text, &group, room, sizeof(room), &found) != 0 || !found)
		return -ENOENT;
	*out = group.gr_gid;
	return 0;
}

/** set - one option "word=value", which is changed; 0 or a negative errno */
static int set(struct shm_options *o, char *option)
{
	const struct {
		const char *name;
		uint32_t *value;
	} numbers[] = {{"ports", &o->ports}, {"slots", &o->slots}, {"mtu", &o->mtu}, {"age", &o->age}};
	char *value = strchr(option, '=');
	long n;

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (strcmp(option, "group") == 0)
		return group_of(value, &o->group);
	if (strcmp(option, "monitor") == 0) {
		n = number(value, 10);
		o->monitor = n == 1;
		return n == 0 || n == 1 ? 0 : -EINVAL;
	}
	if (strcmp(option, "mode") == 0) {
		n = number(value, 8);
		if (n < 0 || n > 0777)
			return -EINVAL;
		o->mode = (mode_t)n;
		return 0;
	}
	n = number(value, 10);
	for (size_t i = 0; n >= 0 && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(option, numbers[i].name) == 0) {
			*numbers[i].value = (uint32_t)n;
			return 0;
		}
	}
	return -EINVAL;
}

/** is_option - does a component of a path look like one? */
static bool is_option(const char *component)
{
	size_t letters = strspn(component, "abcdefghijklmnopqrstuvwxyz");

	return letters > 0 && component[letters] == '=';
}

/** set_all - options in brackets, with slashes between them */
static int set_all(struct shm_options *o, char *text)
{
	char *save, *option;
	int err = 0;

	for (option = strtok_r(text, "/", &save); option && !err; option = strtok_r(NULL, "/", &save))
		err = set(o, option);
	return err;
}

int shm_options_parse(char *text, struct shm_options *out)
{
	struct shm_options o = {
	        .path = text, .group = (gid_t)-1, .ports = PORTS, .slots = SLOTS, .mtu = MTU, .age = AGE};
	struct shm_geometry geometry;
	size_t len = strlen(text);
	char *slash, *bracket = strchr(text, '[');
	int err = 0;

	if (bracket) {
		if (text[len - 1] != ']')
			return -EINVAL;
		text[len - 1] = '\0';
		*bracket++ = '\0';
		err = set_all(&o, bracket);
	}
	while (!err && (slash = strrchr(text, '/')) && (is_option(slash + 1) || (slash[1] == '\0' && slash != text))) {
		*slash = '\0';
		if (slash[1] != '\0')
			err = set(&o, slash + 1);
	}
	if (err)
		return err;
	if (text[0] == '\0' || is_option(text) || shm_geometry_make(o.ports, o.slots, o.mtu, o.age, &geometry) != 0)
		return -EINVAL;
	*out = o;
	return 0;
}
