/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_shm_life.c - ports of shm:// networks that come, go and die; who may join; forks; strange members; and that
 * nothing is left.
 */
#include "shm_ports.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sanitizer.h"
#include "wait.h"

/* ------------------------------------------------------------------------------------------------- coming and going */

static void many_ports_fit_and_numbers_come_back(void **state)
{
	static VDECONN *conn[64];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 64; i++)
			assert_non_null(conn[i] = join("/ports=64"));
		assert_null(join(""));
		assert_int_equal(errno, ENOSPC);
		say(conn[5], 0xff, 1, 9);
		for (unsigned int i = 0; i < 64; i++)
			assert_int_equal(heard(conn[i]), i == 5 ? -1 : 9);
		for (unsigned int i = 0; i < 64; i++)
			vde_close(conn[i]);
	}
}

/* A socket has room for some 280 datagrams that nobody has received yet. */
static void a_thousand_ports_hear_a_broadcast(void **state)
{
	static VDECONN *conn[1024];
	struct rlimit limit, none;
	unsigned int n = 0;

	(void)state;
	while (n < 1024 && (conn[n] = join("/slots=64")))
		n++;
	if (n < 1024)
		assert_int_equal(errno, EMFILE); /* the limit of descriptors is below 2,100 */
	assert_true(n > 100);
	say(conn[0], 0xff, 1, 9);
	for (unsigned int i = 1; i < n; i++)
		assert_true(readable(conn[i]));
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(heard(conn[i]), i == 0 ? -1 : 9);
		assert_int_equal(heard(conn[i]), -1);
	}
	/* Whom there was no descriptor to wake with is woken by the next frame. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	say(conn[0], 0xff, 1, 10);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	say(conn[0], 0xff, 1, 11);
	for (unsigned int i = 1; i < n; i++) {
		assert_true(readable(conn[i]));
		assert_int_equal(heard(conn[i]), 10);
		assert_int_equal(heard(conn[i]), 11);
	}
	for (unsigned int i = 0; i < n; i++)
		vde_close(conn[i]);
}

/** other - a process with a port that says hello and waits to be killed */
static pid_t other(unsigned int mac, bool close_first)
{
	int fds[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		VDECONN *conn = join("");

		if (!conn)
			_exit(1);
		say(conn, 0xff, mac, mac);
		if (close_first)
			_exit(vde_close(conn));
		if (write(fds[1], "x", 1) == 1)
			pause();
		_exit(2);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), close_first ? 0 : 1);
	close(fds[0]);
	return child;
}

static void a_dead_port_is_cleared_away(void **state)
{
	VDECONN *a = join("/ports=64"), *rest[64];
	char name[100];
	struct stat st;
	pid_t child;

	(void)state;
	child = other(2, false);
	assert_int_equal(heard(a), 2);
	snprintf(name, sizeof(name), "%s/p1", shm_net);
	assert_int_equal(stat(name, &st), 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	/* it was asleep; who would wake it finds out */
	say(a, 2, 1, 1);
	while (stat(name, &st) == 0)
		say(a, 2, 1, 1);
	assert_int_equal(errno, ENOENT);
	/* and whoever joins finds all numbers free but one, whether anybody found out or not */
	child = other(3, false);
	assert_int_equal(heard(a), 3);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	for (unsigned int i = 0; i < 63; i++)
		assert_non_null(rest[i] = join(""));
	assert_null(join(""));
	for (unsigned int i = 0; i < 63; i++)
		vde_close(rest[i]);
	vde_close(a);
}

static void what_was_sent_before_leaving_arrives(void **state)
{
	VDECONN *a;
	pid_t child;

	(void)state;
	if (!CHILD_MAY_START_THREADS) /* a port has one that answers newcomers */
		skip();
	a = port();
	child = other(2, true);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(heard(a), 2);
	vde_close(a);
}

static void a_network_survives_its_creator_and_its_members(void **state)
{
	pid_t first = other(1, false), second = other(2, false);
	VDECONN *a;

	(void)state;
	kill(first, SIGKILL);
	assert_int_equal(waitpid(first, NULL, 0), first);
	/* the memory is with the second */
	a = port();
	first = other(3, false);
	assert_int_equal(heard(a), 3);
	vde_close(a);
	kill(first, SIGKILL);
	kill(second, SIGKILL);
	assert_int_equal(waitpid(first, NULL, 0), first);
	assert_int_equal(waitpid(second, NULL, 0), second);
	/* nobody is left, but files are: a new network begins */
	a = port();
	assert_int_equal(heard(a), -1);
	vde_close(a);
}

static void a_child_can_only_forget_its_parents_ports(void **state)
{
	VDECONN *a, *b;
	pid_t child;
	int status;

	(void)state;
	if (!CHILD_MAY_START_THREADS)
		skip();
	a = port();
	child = fork();
	if (child == 0) {
		unsigned char f[64] = {0};
		VDECONN *c;

		if (vde_send(a, f, sizeof(f), 0) != -1 || errno != ESTALE || vde_recv(a, f, sizeof(f), 0) != -1 ||
		    errno != ESTALE)
			_exit(1);
		c = join("");
		if (!c)
			_exit(2);
		say(c, 0xff, 9, 9);
		vde_close(c);
		_exit(vde_close(a) == 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(heard(a), 9);
	b = port();
	say(b, 0xff, 1, 4);
	assert_int_equal(heard(a), 4);
	vde_close(b);
	vde_close(a);
}

/* A child that lives on keeps nothing of its parent's locked. */
static void locks_end_with_the_parent(void **state)
{
	VDECONN *a, *rest[63];
	int ready[2], hold[2];
	pid_t child;
	char byte;

	(void)state;
	if (!CHILD_MAY_START_THREADS)
		skip();
	a = join("/ports=64");
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(hold), 0);
	child = fork();
	if (child == 0) {
		VDECONN *conn = join("");
		pid_t grandchild = conn ? fork() : -1;

		if (grandchild == 0) {
			close(hold[1]);
			if (write(ready[1], "x", 1) != 1 || read(hold[0], &byte, 1) != 0)
				_exit(1);
			_exit(0);
		}
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	for (unsigned int i = 0; i < 63; i++)
		assert_non_null(rest[i] = join(""));
	for (unsigned int i = 0; i < 63; i++)
		vde_close(rest[i]);
	vde_close(a);
	close(hold[1]);
	close(hold[0]);
	close(ready[0]);
	close(ready[1]);
}

/** lock_byte - lock what a member locks: 0 the directory, 1 + a number that port; a descriptor that holds it */
static int lock_byte(off_t byte)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	char name[100];
	int fd;

	snprintf(name, sizeof(name), "%s/lock", shm_net);
	fd = open(name, O_RDWR | O_CLOEXEC);
	assert_return_code(fd, errno);
	assert_return_code(fcntl(fd, F_OFD_SETLK, &lock), errno);
	return fd;
}

/** pauses - wait until a process sleeps between two attempts, or has ended */
static void pauses(pid_t pid)
{
	long deadline = wait_now_ms() + WAIT_MS, call = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	while (call != SYS_clock_nanosleep && wait_again(deadline)) {
		siginfo_t ended = {0};
		FILE *file = fopen(path, "re");

		if (!file || fscanf(file, "%ld", &call) != 1)
			call = -1;
		if (file)
			fclose(file);
		if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == pid)
			return;
	}
	assert_int_equal(call, SYS_clock_nanosleep);
}

/** member - a process that is on the network until @hold is closed; @ready says that it is */
static pid_t member(const int ready[2], const int hold[2])
{
	pid_t pid = fork();
	VDECONN *conn;
	char byte;

	if (pid != 0)
		return pid;
	close(hold[1]);
	conn = join("");
	if (!conn || write(ready[1], "x", 1) != 1 || read(hold[0], &byte, 1) != 0)
		_exit(1);
	_exit(vde_close(conn));
}

/** change - stop a process or have it continue, and wait until it has */
static void change(pid_t pid, int signal)
{
	int status;

	assert_int_equal(kill(pid, signal), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED | WCONTINUED), pid);
}

/* Whoever of them is asked first. */
static void members_that_are_stopped_keep_nobody_out(void **state)
{
	int ready[2], hold[2], status;
	pid_t pid[4];
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(hold), 0);
	for (int i = 0; i < 4; i++) {
		pid[i] = member(ready, hold);
		assert_int_equal(read(ready[0], &byte, 1), 1);
	}
	for (int i = 0; i < 4; i++)
		change(pid[i], SIGSTOP);
	for (int i = 0; i < 4; i++) {
		change(pid[i], SIGCONT);
		vde_close(port());
		change(pid[i], SIGSTOP);
	}
	close(hold[1]);
	close(hold[0]);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(kill(pid[i], SIGCONT), 0);
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	close(ready[0]);
	close(ready[1]);
}

/* Who finds a dead port holds it for as long as he clears it away, and may lose the processor over it. */
static void a_port_that_is_being_cleared_away_is_waited_for(void **state)
{
	static VDECONN *conn[63];
	int status, fd;
	pid_t child;

	(void)state;
	if (!CHILD_MAY_START_THREADS)
		skip();
	for (int i = 0; i < 63; i++)
		assert_non_null(conn[i] = join("/ports=64"));
	fd = lock_byte(1 + 63);
	child = fork();
	if (child == 0) {
		VDECONN *last;

		close(fd);
		last = join("");
		_exit(last ? vde_close(last) : errno);
	}
	pauses(child);
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (int i = 0; i < 63; i++)
		vde_close(conn[i]);
}

/* On a busy machine it may be away for longer than it is to wait. */
static void who_leaves_late_clears_up_all_the_same(void **state)
{
	const struct timespec away = {.tv_sec = 1, .tv_nsec = 100000000}; /* LEAVE_MS of join.c, and more */
	int ready[2], go[2], status, fd;
	char byte;
	struct stat st;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	child = fork();
	if (child == 0) {
		VDECONN *conn = join("");

		if (!conn || write(ready[1], "x", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(vde_close(conn));
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	fd = lock_byte(0);
	assert_int_equal(write(go[1], "x", 1), 1);
	pauses(child);
	kill(child, SIGSTOP);
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	nanosleep(&away, NULL);
	kill(child, SIGCONT);
	pauses(child);
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(stat(shm_net, &st), -1);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
}

/* ----------------------------------------------------------------------------------------------------- who may join */

static mode_t mode_of(const char *name)
{
	char path[200];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", shm_net, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void modes_are_as_asked_for(void **state)
{
	VDECONN *a = port();
	mode_t mask;

	(void)state;
	assert_int_equal(mode_of(""), 0700);
	assert_int_equal(mode_of("lock"), 0600);
	assert_int_equal(mode_of("m0"), 0600);
	assert_int_equal(mode_of("p0"), 0600);
	vde_close(a);
	mask = umask(077);
	a = join("/mode=660");
	umask(mask);
	assert_int_equal(mode_of(""), 0770);
	assert_int_equal(mode_of("lock"), 0660);
	assert_int_equal(mode_of("m0"), 0660);
	assert_int_equal(mode_of("p0"), 0660);
	vde_close(a);
	a = join("/mode=666");
	assert_int_equal(mode_of(""), 0777);
	vde_close(a);
}

/** as_nobody - try to join as another user; 0 or errno */
static int as_nobody(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		VDECONN *conn;

		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(99);
		conn = join("");
		if (!conn)
			_exit(errno);
		say(conn, 0xff, 9, 9);
		vde_close(conn);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status);
}

static void others_join_if_the_mode_lets_them(void **state)
{
	VDECONN *a;

	(void)state;
	if (geteuid() != 0 || !CHILD_MAY_START_THREADS)
		skip();
	a = port();
	assert_int_equal(as_nobody(), EACCES);
	vde_close(a);
	a = join("/mode=666");
	assert_int_equal(as_nobody(), 0);
	assert_int_equal(heard(a), 9);
	vde_close(a);
	a = join("/mode=660/group=65534");
	assert_int_equal(as_nobody(), 0);
	assert_int_equal(heard(a), 9);
	vde_close(a);
}

static void a_strange_directory_is_left_alone(void **state)
{
	char file[100];
	VDECONN *a;
	int fd;

	(void)state;
	assert_int_equal(mkdir(shm_net, 0700), 0);
	snprintf(file, sizeof(file), "%s/letter", shm_net);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_null(join(""));
	assert_int_equal(errno, ENOTEMPTY);
	assert_int_equal(unlink(file), 0);
	/* an empty one will do */
	a = port();
	vde_close(a);
	fd = open(shm_net, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_null(join(""));
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(unlink(shm_net), 0);
	snprintf(shm_url, sizeof(shm_url), "shm://%s/no/such", shm_net);
	assert_null(join(""));
	assert_int_equal(errno, ENOENT);
}

static void without_descriptors_nothing_is_left(void **state)
{
	struct rlimit limit, tight;
	VDECONN *keep, *conn = NULL;
	char other_net[100];
	unsigned int room = 0;
	struct stat st;

	(void)state;
	/* the module stays loaded by this, as loading it takes a descriptor too */
	keep = port();
	snprintf(other_net, sizeof(other_net), "%s/other", shm_dir);
	for (int shared = 0; shared < 2; shared++) {
		pid_t child = 0;

		if (shared) { /* a network that somebody else has made */
			snprintf(shm_url, sizeof(shm_url), "shm://%s", other_net);
			child = other(7, false);
		}
		snprintf(shm_url, sizeof(shm_url), "shm://%s", other_net);
		assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
		tight = limit;
		tight.rlim_cur = (rlim_t)dup(0);
		close((int)tight.rlim_cur);
		for (room = 0; room < 20; room++, tight.rlim_cur++) {
			assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
			conn = join("");
			if (conn)
				break;
			assert_int_equal(errno, EMFILE);
			if (!shared)
				assert_int_equal(stat(other_net, &st), -1);
		}
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_non_null(conn);
		assert_true(room > 3);
		vde_close(conn);
		if (child) {
			kill(child, SIGKILL);
			assert_int_equal(waitpid(child, NULL, 0), child);
			conn = join(""); /* clears up after it */
			vde_close(conn);
		}
		assert_int_equal(stat(other_net, &st), -1);
	}
	vde_close(keep);
}

/** destitute - a process with a port that gets no more descriptors, and none for one that it gives up unless @may_swap,
 * until @stop is closed; it ends with 1 if it was busy more than half of the time */
static pid_t destitute(bool may_swap, int *stop)
{
	int ready[2], hold[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		VDECONN *conn = join("");
		struct rlimit limit;
		struct rusage used;
		long began, busy;

		close(hold[1]);
		if (!conn || getrlimit(RLIMIT_NOFILE, &limit) != 0)
			_exit(2);
		limit.rlim_cur = may_swap ? 256 : 0;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			_exit(2);
		while (dup(hold[0]) >= 0)
			;
		began = wait_now_ms();
		if (write(ready[1], "x", 1) != 1 || read(hold[0], &byte, 1) != 0 || getrusage(RUSAGE_SELF, &used) != 0)
			_exit(3);
		busy = used.ru_utime.tv_sec * 1000 + used.ru_utime.tv_usec / 1000 + used.ru_stime.tv_sec * 1000 +
		       used.ru_stime.tv_usec / 1000;
		vde_close(conn);
		_exit(busy > (wait_now_ms() - began) / 2);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	close(hold[0]);
	*stop = hold[1];
	return pid;
}

/** destitute_end - @stop is closed */
static void destitute_end(pid_t pid, int stop)
{
	int status;

	close(stop);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void who_has_used_up_his_descriptors_keeps_nobody_out(void **state)
{
	VDECONN *a, *b;
	int stop;
	pid_t pid = destitute(true, &stop);

	(void)state;
	/* more than once */
	for (int i = 0; i < 3; i++) {
		pid_t child = other(7, true);

		assert_int_equal(waitpid(child, NULL, 0), child);
	}
	a = port();
	b = port();
	say(a, 0xff, 1, 5);
	assert_int_equal(heard(b), 5);
	vde_close(a);
	vde_close(b);
	destitute_end(pid, stop);
}

/* Nor is he busy with those whom he cannot answer, and when he can he does. */
static void who_waits_for_a_descriptor_waits_quietly(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), stop;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	pid_t pid = destitute(false, &stop);
	struct rlimit limit;
	char byte;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/m0", shm_net);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(poll(&p, 1, 300), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	close(fd);
	destitute_end(pid, stop);
}

static void a_long_path_will_do(void **state)
{
	char name[101];
	VDECONN *a, *b;

	(void)state;
	memset(name, 'n', 100);
	name[100] = '\0';
	snprintf(shm_url, sizeof(shm_url), "shm://%s/%s", shm_dir, name);
	a = port();
	b = port();
	assert_int_equal(heard(b), -1);
	say(a, 0xff, 1, 5);
	assert_true(readable(b));
	assert_int_equal(heard(b), 5);
	vde_close(a);
	vde_close(b);
}

/* ----------------------------------------------------------------------------------------------------- strange memory
 */

/** impostor - offer newcomers something else than the memory of a network; waits until one has come */
static void impostor(int memory)
{
	char path[100], byte = 0;
	struct sockaddr_un {
		sa_family_t family;
		char path[108];
	} address = {.family = AF_UNIX};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), fd, status;
	pid_t child;

	assert_int_equal(mkdir(shm_net, 0700), 0);
	snprintf(path, sizeof(path), "%s/m0", shm_net);
	memcpy(address.path, path, strlen(path) + 1);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	child = fork();
	if (child == 0) {
		VDECONN *conn = join("");

		/* it is as if nobody had answered: a network of its own */
		_exit(conn ? vde_close(conn) : 1);
	}
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &memory, sizeof(memory));
	assert_int_equal(sendmsg(fd, &msg, 0), 1);
	close(fd);
	close(memory);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(listener);
}

static void memory_that_could_shrink_or_lies_is_refused(void **state)
{
	char page[4096] = "iothshm1\x40\0\0\0\x40\0\0\0\xdc\5\0\0\x2c\1\0\0";
	int fd;

	(void)state;
	impostor(open("/dev/null", O_RDWR));
	fd = memfd_create("unsealed", MFD_CLOEXEC);
	assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	impostor(fd);
	/* sealed, but not as large as its header says */
	fd = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	impostor(fd);
}

/* --------------------------------------------------------------------------------------------------------- neighbours
 */

extern char **environ;

/** await - wait for a frame that says @what */
static void await(VDECONN *conn, uint32_t what)
{
	long deadline = wait_now_ms() + WAIT_MS;

	while (heard(conn) != what)
		assert_true(wait_again(deadline));
}

/* vde_plug cannot load a module that was built with a sanitizer. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* A program that knows nothing of shared memory joins the network to a switch. */
static void vde_plug_joins_it_to_a_switch(void **state)
{
	char sw[100], vde[110], ctl[110], program[] = "vde_plug", description[] = "test";
	char *argv[] = {program, shm_url, sw, NULL};
	long deadline = wait_now_ms() + WAIT_MS;
	VDECONN *a = port(), *b = NULL;
	struct stat st;
	int status;
	pid_t plug = -1;

	(void)state;
	snprintf(sw, sizeof(sw), "switch://%s/switch", shm_dir);
	snprintf(vde, sizeof(vde), "vde://%s/switch", shm_dir);
	snprintf(ctl, sizeof(ctl), "%s/switch/ctl", shm_dir);
	if (SANITIZED || posix_spawnp(&plug, "vde_plug", NULL, NULL, argv, environ) != 0) {
		vde_close(a);
		skip();
	}
	while (stat(ctl, &st) != 0 || !(b = vde_open(vde, description, NULL)))
		assert_true(wait_again(deadline));
	/* other modules know nothing of MSG_DONTWAIT */
	assert_int_equal(fcntl(vde_datafd(b), F_SETFL, O_NONBLOCK), 0);
	/* it has joined the switch before it joins the network, or after */
	while (heard(b) != 1) {
		say(a, 0xff, 1, 1);
		assert_true(wait_again(deadline));
	}
	say(b, 1, 2, 2);
	await(a, 2);
	for (uint32_t i = 3; i < 100; i++) {
		say(a, 2, 1, i);
		await(b, i);
		say(b, 1, 2, i + 1000);
		await(a, i + 1000);
	}
	vde_close(b);
	kill(plug, SIGTERM);
	assert_int_equal(waitpid(plug, &status, 0), plug);
	vde_close(a);
	snprintf(ctl, sizeof(ctl), "rm -rf %s/switch", shm_dir);
	assert_int_equal(system(ctl), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SHM_TEST(many_ports_fit_and_numbers_come_back),
	        SHM_TEST(a_thousand_ports_hear_a_broadcast),
	        SHM_TEST(a_dead_port_is_cleared_away),
	        SHM_TEST(what_was_sent_before_leaving_arrives),
	        SHM_TEST(a_network_survives_its_creator_and_its_members),
	        SHM_TEST(a_child_can_only_forget_its_parents_ports),
	        SHM_TEST(locks_end_with_the_parent),
	        SHM_TEST(members_that_are_stopped_keep_nobody_out),
	        SHM_TEST(a_port_that_is_being_cleared_away_is_waited_for),
	        SHM_TEST(who_leaves_late_clears_up_all_the_same),
	        SHM_TEST(modes_are_as_asked_for),
	        SHM_TEST(others_join_if_the_mode_lets_them),
	        SHM_TEST(a_strange_directory_is_left_alone),
	        SHM_TEST(without_descriptors_nothing_is_left),
	        SHM_TEST(who_has_used_up_his_descriptors_keeps_nobody_out),
	        SHM_TEST(who_waits_for_a_descriptor_waits_quietly),
	        SHM_TEST(a_long_path_will_do),
	        SHM_TEST(memory_that_could_shrink_or_lies_is_refused),
	        SHM_TEST(vde_plug_joins_it_to_a_switch),
	};

	return shm_run(tests);
}
