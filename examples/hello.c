/* SPDX-License-Identifier: 0BSD */
/* hello - the program of the README: a node of its own says hello to 10.0.0.1, port 7, and prints the answer */
#include <arpa/inet.h>
#include <err.h>
#include <ioth.h>

int main(int argc, char *argv[])
{
	struct ioth *net = ioth_newstack("vdestack", argc > 1 ? argv[1] : "vde:///tmp/lan");
	struct sockaddr_in server = {
	        .sin_family = AF_INET, .sin_port = htons(7), .sin_addr.s_addr = inet_addr("10.0.0.1")};
	struct in_addr me = {.s_addr = inet_addr("10.0.0.2")};
	char answer[80];

	if (net == NULL)
		err(1, "ioth_newstack");
	unsigned int vde0 = (unsigned int)ioth_if_nametoindex(net, "vde0");
	if (ioth_linksetupdown(net, vde0, 1) < 0 || ioth_ipaddr_add(net, AF_INET, &me, 24, vde0) < 0)
		err(1, "configuring vde0");
	int fd = ioth_msocket(net, AF_INET, SOCK_STREAM, 0);
	if (ioth_connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		err(1, "ioth_connect");
	ioth_write(fd, "hello, virtual world\n", 21);
	ssize_t len = ioth_read(fd, answer, sizeof(answer));
	printf("%.*s", len > 0 ? (int)len : 0, answer);
	ioth_close(fd);
	return ioth_delstack(net) == 0 && len > 0 ? 0 : 1;
}
