/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net.c - ioth net: networks in shared memory (shm://), their ports, addresses and counters.
 *
 * A network is looked at from outside, through a mapping that cannot be written (shm_net_look); it takes no port and
 * nobody notices. What stands in the memory may be nonsense: it is shown as it is, but texts are stripped of what a
 * terminal would act upon.
 *
 * Networks are found by the sockets of their members, which the kernel lists in /proc/net/unix.
 */
#include "command.h"
#include "net.h"
#include "netcapture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NETWORKS_MAX 4096
#define SEQPACKET 5 /* as /proc/net/unix shows it */

static const char help[] =
        "usage: ioth net list [--json]\n"
        "       ioth net show [--json] PATH\n"
        "       ioth net capture [--count N] PATH [FILE]\n"
        "\n"
        "list shows the networks in shared memory (shm://PATH) that you may look at. show tells all about one: its "
        "ports\n"
        "with the addresses that were seen there, how many frames they sent and received, and how many were lost.\n"
        "\n"
        "capture writes all frames that pass, as a pcap file, to FILE or standard output, until it is interrupted:\n"
        "    ioth net capture /tmp/net | tcpdump -n -r -\n"
        "It gets a port that receives and cannot send, and nobody waits for it. Segments that stacks exchange in one "
        "piece\n"
        "are shown in one piece.\n"
        "\n"
        "  full    frames that were lost because their receiver did not read: its queue was full, or the sender's\n"
        "          memory; counted at the sender\n"
        "  lost    frames that could not be sent, or were gone or damaged before they were received\n"
        "  wakes   system calls to wake receivers; at the receiver: times it went to sleep\n"
        "  queue   frames that wait for the port\n"
        "\n"
        "      --json     for programs: objects with the same names\n"
        "      --count N  stop after N frames\n"
        "  -h, --help     this text\n";

/** struct port - what is shown of a port */
struct port {
	uint32_t number, pid, uid;
	bool alive, offload;
	uint64_t queue;
	char description[SHM_DESCRIPTION];
	uint64_t sent[5], received[5]; /* frames, bytes, full, lost, wakes */
};

/** counters - of one direction */
static void counters(const struct shm_counters *c, uint64_t out[5])
{
	out[0] = atomic_load(&c->frames);
	out[1] = atomic_load(&c->bytes);
	out[2] = atomic_load(&c->full);
	out[3] = atomic_load(&c->lost);
	out[4] = atomic_load(&c->wakes);
}

/** read_port - a copy of what port @number shows; false when it is not in use */
static bool read_port(const struct shm_net *net, int lockfd, uint32_t number, struct port *out)
{
	const struct shm_control *control = shm_control_of(net, number);
	uint64_t waiting;

	if (!(atomic_load(shm_active_of(net, number)) & shm_active_bit(number)))
		return false;
	waiting = atomic_load(&control->tail) - atomic_load(&control->head);
	*out = (struct port){
	        .number = number,
	        .pid = control->pid,
	        .uid = control->uid,
	        .alive = lockfd < 0 || shm_place_used(lockfd, number, 1),
	        .offload = atomic_load(&control->features) & SHM_OFFLOAD,
	        .queue = waiting <= net->geometry.slots ? waiting : 0,
	};
	memcpy(out->description, control->description, sizeof(out->description) - 1);
	for (char *c = out->description; *c != '\0'; c++)
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '?';
	counters(&control->sent, out->sent);
	counters(&control->received, out->received);
	return true;
}

/** addresses - print the addresses that were seen at a port, with @before before each but the first; returns how many
 */
static unsigned int addresses(const struct shm_net *net, uint32_t number, const char *quote, const char *before)
{
	const struct shm_entry *entry = shm_table_of(net).entry;
	uint32_t generation = atomic_load(&shm_control_of(net, number)->generation), now = shm_now_s();
	unsigned int n = 0;

	for (size_t i = 0; i < (size_t)net->geometry.buckets * SHM_WAYS; i++) {
		uint64_t key = atomic_load(&entry[i].key);

		if (key == 0 || (key & 0xffff) != number || atomic_load(&entry[i].generation) != generation ||
		    (int32_t)(now - atomic_load(&entry[i].seen)) > (int32_t)net->geometry.age)
			continue;
		printf("%s%s%02x:%02x:%02x:%02x:%02x:%02x%s", n++ ? before : "", quote, (unsigned int)(key >> 56),
		       (unsigned int)(key >> 48 & 255), (unsigned int)(key >> 40 & 255),
		       (unsigned int)(key >> 32 & 255), (unsigned int)(key >> 24 & 255),
		       (unsigned int)(key >> 16 & 255), quote);
	}
	return n;
}

static void print_port(const struct shm_net *net, const struct port *port)
{
	uint64_t lost = port->sent[3] + port->received[3];

	printf("%-5u %-8u %-6u %-5s %10llu %10llu %7llu %7llu %6llu %8llu  %s%s\n      ", port->number, port->pid,
	       port->uid, port->alive ? "" : "dead", (unsigned long long)port->sent[0],
	       (unsigned long long)port->received[0], (unsigned long long)port->sent[2], (unsigned long long)lost,
	       (unsigned long long)port->queue, (unsigned long long)port->sent[4], port->description,
	       port->offload ? " [offload]" : "");
	if (addresses(net, port->number, "", " ") == 0)
		printf("no address was seen");
	putchar('\n');
}

static void json_direction(const char *name, const uint64_t c[5])
{
	printf(", \"%s\": {\"frames\": %llu, \"bytes\": %llu, \"full\": %llu, \"lost\": %llu, \"wakes\": %llu}", name,
	       (unsigned long long)c[0], (unsigned long long)c[1], (unsigned long long)c[2], (unsigned long long)c[3],
	       (unsigned long long)c[4]);
}

static void json_port(const struct shm_net *net, const struct port *port)
{
	printf("{\"port\": %u, \"pid\": %u, \"uid\": %u, \"alive\": %s, \"offload\": %s, \"queue\": %llu, "
	       "\"description\": \"%s\"",
	       port->number, port->pid, port->uid, port->alive ? "true" : "false", port->offload ? "true" : "false",
	       (unsigned long long)port->queue, port->description);
	json_direction("sent", port->sent);
	json_direction("received", port->received);
	printf(", \"macs\": [");
	addresses(net, port->number, "\"", ", ");
	printf("]}");
}

/** explain - why a network cannot be looked at; exit status */
static int explain(const char *path, int err)
{
	const char *hint = err == -ENOENT    ? "there is no network, or nobody is on it any more: see 'ioth net list'"
	                   : err == -EACCES  ? "its mode does not let you join; ask who made it for mode= or group="
	                   : err == -ENOTDIR ? "a network is a directory"
	                                     : strerror(-err);

	fprintf(stderr, "ioth net: shm://%s: %s\n", path, hint);
	return 1;
}

/** lock_of - the lock file, to see who is alive; -1 */
static int lock_of(const struct shm_net *net)
{
	return openat(net->dirfd, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static int show(const char *path, bool json)
{
	struct shm_net net;
	struct port port;
	unsigned int n = 0;
	int err = shm_net_look(path, &net), lockfd;

	if (err)
		return explain(path, err);
	lockfd = lock_of(&net);
	if (json)
		printf("{\"path\": \"%s\", \"ports\": %u, \"slots\": %u, \"mtu\": %u, \"age\": %u, \"used\": [", path,
		       net.geometry.ports, net.geometry.slots, net.geometry.mtu, net.geometry.age);
	else
		printf("shm://%s: up to %u ports, queues of %u frames, MTU %u, addresses kept for %u s\n\n"
		       "port  pid      uid              sent   received    full    lost  queue    wakes  description, "
		       "addresses\n",
		       path, net.geometry.ports, net.geometry.slots, net.geometry.mtu, net.geometry.age);
	for (uint32_t i = 0; i < net.geometry.ports; i++) {
		if (!read_port(&net, lockfd, i, &port))
			continue;
		if (json && n > 0)
			printf(", ");
		(json ? json_port : print_port)(&net, &port);
		n++;
	}
	if (json)
		printf("]}\n");
	if (lockfd >= 0)
		close(lockfd);
	shm_net_unlook(&net);
	return 0;
}

/** find - the directories of members' sockets, each once; returns how many */
static size_t find(char **path)
{
	FILE *sockets = fopen("/proc/net/unix", "re");
	char line[512], name[256], end;
	unsigned int type, n;
	size_t count = 0;

	while (sockets && count < NETWORKS_MAX && fgets(line, sizeof(line), sockets)) {
		char *slash;
		size_t i = 0;

		if (sscanf(line, "%*s %*s %*s %*s %x %*s %*s %255s", &type, name) != 2 || type != SEQPACKET)
			continue;
		slash = strrchr(name, '/');
		if (!slash || sscanf(slash, "/m%u%c", &n, &end) != 1)
			continue;
		*slash = '\0';
		while (i < count && strcmp(path[i], name) != 0)
			i++;
		if (i == count && (path[count] = strdup(name)))
			count++;
	}
	if (sockets)
		fclose(sockets);
	return count;
}

static int list(bool json)
{
	static char *path[NETWORKS_MAX];
	size_t count = find(path);
	bool first = true;

	if (json)
		putchar('[');
	for (size_t i = 0; i < count; i++) {
		unsigned int used = 0;
		struct shm_net net;

		if (shm_net_look(path[i], &net) == 0) {
			for (uint32_t at = 0; at < net.geometry.ports; at += 64)
				used += (unsigned int)__builtin_popcountll(atomic_load(shm_active_of(&net, at)));
			if (json)
				printf("%s{\"path\": \"%s\", \"used\": %u, \"ports\": %u, \"mtu\": %u}",
				       first ? "" : ", ", path[i], used, net.geometry.ports, net.geometry.mtu);
			else
				printf("shm://%s  %u of %u ports, MTU %u\n", path[i], used, net.geometry.ports,
				       net.geometry.mtu);
			first = false;
			shm_net_unlook(&net);
		}
		free(path[i]);
	}
	if (json)
		printf("]\n");
	else if (first)
		fprintf(stderr, "ioth net: there is no shm:// network that you may look at\n");
	return 0;
}

/** capture - see net_capture; the exit status */
static int capture(const char *path, const char *name, unsigned long count)
{
	FILE *out = name ? NULL : stdout;
	struct shm_net net;
	int err;

	if (!name && isatty(STDOUT_FILENO))
		return usage_error("net", "%s",
		                   "a pcap file is not for a terminal: name a FILE, or pipe it to tcpdump -r -");
	/* Joining would make a network where there is none. */
	err = shm_net_look(path, &net);
	if (err)
		return explain(path, err);
	shm_net_unlook(&net);
	if (name && !(out = fopen(name, "we"))) {
		complain("net", NULL, "%s: %s", name, strerror(errno));
		return STATUS_FAILED;
	}
	err = net_capture(path, out, count);
	return err ? explain(path, err) : 0;
}

/** path_of - a path may be given as a locator */
static const char *path_of(const char *text)
{
	return strncmp(text, "shm://", 6) == 0 ? text + 6 : text;
}

int net_main(int argc, char *argv[])
{
	const char *word[3] = {NULL, NULL, NULL};
	unsigned long count = 0;
	bool json = false;
	int words = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			fputs(help, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
			char *end;

			count = strtoul(argv[++i], &end, 10);
			if (count == 0 || *end)
				return usage_error("net", "'%s' is not a number of frames", argv[i]);
		} else if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (words < 3 && argv[i][0] != '-')
			word[words++] = argv[i];
		else
			return usage_error("net", argv[i][0] == '-' ? "there is no option '%s'" : "'%s' is too much",
			                   argv[i]);
	}
	if (words == 1 && strcmp(word[0], "list") == 0)
		return list(json);
	if (words == 2 && strcmp(word[0], "show") == 0)
		return show(path_of(word[1]), json);
	if (words >= 2 && strcmp(word[0], "capture") == 0)
		return capture(path_of(word[1]), word[2], count);
	return usage_error("net", "'list', 'show PATH' or 'capture PATH' is wanted");
}
