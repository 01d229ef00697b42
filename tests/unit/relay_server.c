/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay_server.c - see relay_server.h. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <libnlq.h>

#include "nlq_relay.h"
#include "relay_server.h"

#define CONNECTIONS 8

static char path[] = "/tmp/relay_server.XXXXXX/socket";
static int listener;

static struct connection {
	int fd;
	uint32_t groups; /* as in sockaddr_nl */
} connections[CONNECTIONS];
static int connected;

void relay_begin(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char *slash = strrchr(path, '/');

	*slash = '\0';
	if (mkdtemp(path) == NULL)
		abort();
	*slash = '/';
	memcpy(addr.sun_path, path, sizeof(path));
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, CONNECTIONS) < 0)
		abort();
}

void relay_end(void)
{
	close(listener);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

static void deliver(int fd, const struct nlq_msg *msg)
{
	assert_int_equal(send(fd, msg->nlq_packet, msg->nlq_size, MSG_NOSIGNAL), msg->nlq_size);
}

/** notify - tell the members of the groups what has happened, in the order of the changes */
static void notify(struct nlq_msg **changes)
{
	for (; *changes != NULL; nlq_dropmsg(changes)) {
		const struct nlq_msg *msg = nlq_head(*changes);
		unsigned int group = nlq_notification_group(msg->nlq_packet);

		for (int i = 0; group != 0 && i < connected; i++)
			if (connections[i].groups & 1U << (group - 1))
				deliver(connections[i].fd, msg);
	}
}

/** serve - answer one datagram of requests; false when the connection has ended */
static bool serve(const struct relay_stack *stack, struct connection *from)
{
	static unsigned char datagram[65536];
	struct relay_header header;
	ssize_t got = recv(from->fd, datagram, sizeof(datagram), 0);
	struct nlq_msg *queue;

	if (got < (ssize_t)sizeof(header))
		return false;
	memcpy(&header, datagram, sizeof(header));
	from->groups = header.groups;
	queue = stack->answer(stack->of, datagram + sizeof(header), (size_t)got - sizeof(header), header.portid,
	                      header.options);
	nlq_pack(&queue, 4096);
	for (; queue != NULL; nlq_dropmsg(&queue))
		deliver(from->fd, nlq_head(queue));
	if (stack->changes != NULL)
		notify(stack->changes);
	return true;
}

/** serve_ready - serve the connections that poll(2) has found to be readable, and forget those that have ended */
static void serve_ready(const struct relay_stack *stack, const struct pollfd *fds, int count)
{
	for (int i = count - 1; i >= 0; i--) {
		if (fds[i].revents == 0 || serve(stack, &connections[i]))
			continue;
		close(connections[i].fd);
		connections[i] = connections[--connected];
	}
}

/** poll_connections - fill @fds; how many there are */
static int poll_connections(struct pollfd *fds)
{
	for (int i = 0; i < connected; i++)
		fds[i] = (struct pollfd){connections[i].fd, POLLIN, 0};
	return connected;
}

void relay_serve(const struct relay_stack *stack, int pipe_fd, char text[RELAY_TEXT], bool (*done)(const char *text))
{
	size_t len = strlen(text);

	while (done == NULL || !done(text)) {
		struct pollfd fds[2 + CONNECTIONS] = {{pipe_fd, POLLIN, 0}, {listener, POLLIN, 0}};
		int polled = poll_connections(fds + 2);

		assert_true(poll(fds, (nfds_t)(2 + polled), 60000) > 0); /* it does something, or it hangs */
		serve_ready(stack, fds + 2, polled);
		if (fds[1].revents != 0) {
			assert_true(connected < CONNECTIONS);
			connections[connected++] = (struct connection){accept4(listener, NULL, NULL, SOCK_CLOEXEC), 0};
		}
		if (fds[0].revents != 0) {
			ssize_t got = read(pipe_fd, text + len, RELAY_TEXT - 1 - len);

			assert_true(got >= 0);
			if (got == 0)
				return;
			len += (size_t)got;
			text[len] = '\0';
		}
	}
}

pid_t relay_start(const struct relay_stack *stack, const char *command, int *pipe_fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		if (stack != NULL) {
			setenv("LD_PRELOAD", RELAY_LIBRARY, 1);
			setenv(RELAY_PATH, path, 1);
		}
		execlp("sh", "sh", "-c", command, (char *)NULL);
		_exit(99);
	}
	close(fds[1]);
	*pipe_fd = fds[0];
	return pid;
}

int relay_wait(const struct relay_stack *stack, pid_t pid)
{
	struct pollfd fds[CONNECTIONS];
	int status, polled;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* Its connections have ended, and that can be seen. */
	while ((polled = poll_connections(fds)) > 0 && poll(fds, (nfds_t)polled, 0) > 0)
		serve_ready(stack, fds, polled);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int relay_run(const struct relay_stack *stack, const char *command, char text[RELAY_TEXT])
{
	int pipe_fd;
	pid_t pid = relay_start(stack, command, &pipe_fd);

	*text = '\0';
	relay_serve(stack, pipe_fd, text, NULL);
	close(pipe_fd);
	return relay_wait(stack, pid);
}

bool relay_subscribed(const char *text)
{
	(void)text;
	for (int i = 0; i < connected; i++)
		if (connections[i].groups != 0)
			return true;
	return false;
}

bool relay_idle(void)
{
	return connected == 0;
}
