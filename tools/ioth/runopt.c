/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* runopt.c - the options of ioth run, and of other commands that run a program on a stack. */
#include "runopt.h"
#include "command.h"
#include "config.h"
#include "node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The values of options without a letter. SETUP_MTU and its like are below 2000. */
enum { OPT_DNS = 2000, OPT_SEARCH, OPT_HOSTS, OPT_ALSO_HOST, OPT_NAT, OPT_CONFIG };

static const struct option options[] = {
        SETUP_LONG,
        {"dns", required_argument, NULL, OPT_DNS},
        {"search", required_argument, NULL, OPT_SEARCH},
        {"hosts", required_argument, NULL, OPT_HOSTS},
        {"also-host", required_argument, NULL, OPT_ALSO_HOST},
        {"nat", no_argument, NULL, OPT_NAT},
        {"config", required_argument, NULL, OPT_CONFIG},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

/** option_dns - one more name server */
static int option_dns(struct run *run, const char *value)
{
	unsigned char addr[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, value, addr) != 1 && inet_pton(AF_INET6, value, addr) != 1)
		return usage_error(run->command, "%s is not the address of a name server: write 10.0.0.1 or fd00::1",
		                   value);
	if (run->dns_count == RUN_DNS_MAX)
		return usage_error(run->command, "more than %d name servers", RUN_DNS_MAX);
	run->dns[run->dns_count++] = value;
	return 0;
}

/** option_nat - a network with a way to the Internet; slirp gives these addresses to its only guest */
static int option_nat(struct run *run)
{
	if (run->nat)
		return 0;
	run->nat = true;
	if (setup_option(&run->setup, "network", "nat0=slirp://") < 0 ||
	    setup_option(&run->setup, "address", "10.0.2.15/24@nat0") < 0 ||
	    setup_option(&run->setup, "gateway", "10.0.2.2") < 0)
		return usage_error(run->command, "%s", run->setup.error);
	return option_dns(run, "10.0.2.3");
}

static int option_hosts(struct run *run, const char *value)
{
	if (access(value, R_OK) < 0)
		return usage_error(run->command, "%s cannot be read: %s", value, strerror(errno));
	run->hosts = value;
	return 0;
}

static int option_also_host(struct run *run, const char *value)
{
	if (run->also_host_count == FORWARD_MAX)
		return usage_error(run->command, "more than %d of also-host", FORWARD_MAX);
	if (!forward_parse(value, &run->also_host[run->also_host_count]))
		return usage_error(run->command,
		                   "%s are not a port of this machine and one of the stack: write 8080:80, or "
		                   "ADDRESS:8080:80 with 192.168.0.1, [fd00::1] or * for the address",
		                   value);
	run->also_host_count++;
	return 0;
}

/** option - one, by its long name; 0 or an exit status */
static int option(void *arg, const char *name, const char *value)
{
	struct run *run = arg;
	int known = setup_option(&run->setup, name, value);

	if (known < 0)
		return usage_error(run->command, "%s", run->setup.error);
	if (known > 0)
		return 0;
	if (strcmp(name, "dns") == 0)
		return option_dns(run, value);
	if (strcmp(name, "search") == 0)
		run->search = value;
	else if (strcmp(name, "hosts") == 0)
		return option_hosts(run, value);
	else if (strcmp(name, "also-host") == 0)
		return option_also_host(run, value);
	else if (strcmp(name, "nat") == 0 && strcmp(value, "yes") == 0)
		return option_nat(run);
	else if (strcmp(name, "nat") != 0 || strcmp(value, "no") != 0)
		return usage_error(run->command, "there is no option '%s = %s' for a file", name, value);
	return 0;
}

/** long_name - of the option that getopt_long has found */
static const char *long_name(int val)
{
	for (const struct option *o = options; o->name != NULL; o++)
		if (o->val == val)
			return o->name;
	return "";
}

int run_options(struct run *run, int argc, char *argv[])
{
	int opt, status = 0;

	opterr = 0;
	/* '+': what follows the program is the program's. */
	while (status == 0 && (opt = getopt_long(argc, argv, "+:" SETUP_SHORT "h", options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			run->show_help = true;
			return -1;
		case OPT_NAT:
			status = option_nat(run);
			break;
		case OPT_CONFIG:
			status = config_read(run->command, optarg, option, run);
			break;
		case ':':
			status = usage_error(run->command, "%s needs a value", argv[optind - 1]);
			break;
		case '?':
			status = usage_error(run->command, "there is no option %s", argv[optind - 1]);
			break;
		default:
			status = option(run, long_name(opt), optarg);
		}
	}
	if (status != 0)
		return status;
	run->program = argv + optind;
	if (run->program[0] == NULL)
		return usage_error(run->command, "which program? Name it behind the options");
	if (run->setup.stack == NULL)
		return usage_error(run->command, "on which stack? Say -s NAME; 'ioth stacks' lists the names");
	return -1;
}

void run_resolv_conf(const struct run *run, char *out, size_t size)
{
	size_t len =
	        (size_t)snprintf(out, size, "# of ioth: %s\n", run->dns_count > 0 ? "--dns" : "no --dns was given");

	for (unsigned int i = 0; i < run->dns_count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "nameserver %s\n", run->dns[i]);
	if (run->search != NULL && len < size)
		snprintf(out + len, size - len, "search %s\n", run->search);
}

const char *run_hint(const struct run *run, int error)
{
	if (run->nat && error != EPERM)
		return "--nat needs the module slirp of libvdeplug: install the Debian package libvdeplug-slirp.";
	return node_hint(&run->setup, error);
}
