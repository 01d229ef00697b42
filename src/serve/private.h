/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private.h - what the parts of the server share. Theory of operation: serve.c.
 *
 * One thread runs all of it; nothing is locked. Functions return 0 or a positive result, or a negative errno.
 */
#ifndef SERVE_PRIVATE_H
#define SERVE_PRIVATE_H

#include <iothserve.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "../remote/protocol.h"

#define SERVE_NAME_MAX 40 /* the name of a user's end, with its leading NUL */

struct serve;
struct served;
struct serve_held;

/** struct serve_source - something that epoll reports: the first member of what it is */
struct serve_source {
	void (*event)(struct serve_source *source, uint32_t events);
};

/** struct serve_account - a process: what it has open */
struct serve_account {
	pid_t pid;
	uid_t uid;
	unsigned int connections, sockets;
	struct serve_account *next;
};

/** struct serve_conn - a connection of a client */
struct serve_conn {
	struct serve_source source;
	struct serve *serve;
	int fd;
	bool greeted, dead;
	struct serve_account *account;
	uint64_t session;
	bool lingers;         /* a CLOSE is to be answered */
	struct served *waits; /* a WAIT is to be answered */
	uint32_t wait_events;
	struct serve_conn *wait_next; /* of the same socket */
	struct serve_conn *prev, *next;
};

enum serve_shape { SERVE_FRESH, SERVE_STREAM, SERVE_DGRAM };
enum serve_state { SERVE_IDLE, SERVE_CONNECTING, SERVE_LISTENING, SERVE_CONNECTED };

/** struct served - a socket of a client */
struct served {
	struct serve_source file_source, own_source;
	struct serve *serve;
	struct serve_account *account;
	uint64_t session;
	int domain, type; /* without flags */

	int file;        /* the descriptor of the stack's socket */
	ino_t file_ino;  /* to see when the stack has put another file there */
	uint32_t seen;   /* what poll said of it last */
	ino_t inode;     /* of the user's end */
	ino_t old_inode; /* that it had before it was renewed, or 0 */
	char name[SERVE_NAME_MAX];
	int own; /* our end, or -1 */
	enum serve_shape shape;
	enum serve_state state;
	enum remote_mode mode;

	uint32_t shown;                               /* what the user's end shows (show.c) */
	unsigned int waiting;                         /* edges in it */
	size_t junk;                                  /* streams: bytes at the head of our end that are done with */
	bool ahead;                                   /* datagrams go into the user's end (ahead.c) */
	struct serve_held *held;                      /* the next one of these, for which there is no room now */
	struct serve_held *asked_first, **asked_tail; /* those that the client has to ask for */
	size_t asked;                                 /* bytes of these */
	bool peeks;                                   /* SO_PEEK_OFF: never */
	bool ballast;                                 /* datagrams: something unread in our end */

	bool pumping;             /* bytes pass through (pump.c) */
	bool file_told;           /* there may be something to be read from the stack */
	bool file_careful;        /* there was urgent data: look before reading */
	bool own_told;            /* the client may have written something */
	bool own_watched;         /* datagrams: epoll knows our end */
	bool own_out;             /* we hear when our end takes something again */
	bool file_ended;          /* end of file from the stack was passed on */
	bool own_ended;           /* end of file from the client was passed on */
	bool deaf;                /* the client takes no more */
	bool own_rdhup;           /* the client writes no more, what it wrote may still lie here */
	bool closing;             /* the client is gone, the rest is on its way */
	bool aborted;             /* shut down while connecting */
	int error;                /* that the pump met, for SO_ERROR */
	unsigned char *rest;      /* received, not yet taken by the user's end */
	size_t rest_len, rest_at; /* bytes, and the first that is left */
	bool again;               /* on the list of those who have more to move */
	struct served *again_next;

	struct serve_conn *closer; /* who waits till it is closed */
	bool suspect;              /* its user's end may be closed without a hang-up */
	bool dead;
	struct serve_conn *waiters;
	struct served *hash_next, *prev, *next, *grave;
};

#define SERVE_BUCKETS 1024

struct serve {
	struct ioth *stack;
	const struct ioth_serve_options *options;
	int epoll, listener, timer;
	bool paused; /* out of descriptors: nobody is accepted until something is closed */
	int spare;   /* a descriptor kept for the moment when there are no others */
	char id[REMOTE_NAME_DIGITS + 1];
	struct serve_source listener_source, timer_source, stop_source;
	int linger; /* eventfd of linger.c */
	struct serve_source linger_source;
	struct serve_job *jobs;
	time_t swept; /* the second in which all sockets were looked at last */
	bool timing, stop;
	struct serve_account *accounts;
	unsigned int clients;
	struct serve_conn *conns, *conn_graves;
	struct served *sockets, *graves;
	struct served *buckets[SERVE_BUCKETS];
	struct served *again;    /* to be pumped on when others have had their turn */
	unsigned char *in, *out; /* a message of each direction */
	unsigned char *scratch;  /* of the pump */
};

/* ------------------------------------------------------------------------------------------------------- serve.c */

/** serve_watch - have events of @fd reported; 0 or a negative errno */
int serve_watch(struct serve *serve, int fd, uint32_t events, struct serve_source *source);

/** serve_random - hex digits, and a NUL */
int serve_random(char *digits, size_t count);

/** serve_unpause - something has been closed: accept again */
void serve_unpause(struct serve *serve);

/** serve_alarm - look at suspects in a second */
void serve_alarm(struct serve *serve);

/* -------------------------------------------------------------------------------------------------------- conn.c */

void serve_conn_new(struct serve *serve, int fd);
void serve_conn_close(struct serve_conn *conn);

/** serve_conn_awake - answer those who wait for what @sock shows now */
void serve_conn_awake(struct served *sock);

/** serve_conn_closed - answer a CLOSE that had to wait */
void serve_conn_closed(struct serve_conn *conn);

/* ------------------------------------------------------------------------------------------------------ linger.c */

/** serve_lingers - would closing that socket of the stack wait? */
bool serve_lingers(int file);

/** serve_linger - close it in the background, then answer @conn; false: it cannot be done, and is left to the caller */
bool serve_linger(struct serve *serve, int file, struct serve_conn *conn);

/** serve_linger_forget - @conn is closed, nobody is to be answered */
void serve_linger_forget(struct serve *serve, const struct serve_conn *conn);

int serve_linger_begin(struct serve *serve);
void serve_linger_end(struct serve *serve);

/* -------------------------------------------------------------------------------------------------------- call.c */

/** struct serve_request - a request, measured: the parts are within the message */
struct serve_request {
	struct remote_request head;
	void *addr, *control, *data;
	int fd;              /* that came along, or -1 */
	struct served *sock; /* whose user's end that is, or NULL */
};

/** struct serve_answer - what goes back; its parts are in the message buffer */
struct serve_answer {
	struct remote_reply head;
	void *addr, *control, *data; /* where the parts are to be written: room for the largest */
	int fd;                      /* to be sent along, and closed here; -1 */
	bool kept;                   /* it could not be sent */
	bool later;                  /* not now */
};

void serve_call(struct serve_conn *conn, struct serve_request *request, struct serve_answer *answer);

/* ------------------------------------------------------------------------------------------------------ option.c */

int serve_setsockopt(struct served *sock, const struct serve_request *request);
int serve_getsockopt(struct served *sock, const struct serve_request *request, struct serve_answer *answer);
int serve_ioctl(struct served *sock, const struct serve_request *request, struct serve_answer *answer);

/** serve_may_send - is this netlink packet one that clients may send? */
bool serve_may_send(const struct served *sock, const void *data, size_t len);

/* -------------------------------------------------------------------------------------------------------- sock.c */

/**
 * serve_sock_new - a socket of a client around the stack's socket @file, which it takes over
 * @flags: SOCK_NONBLOCK, of the user's end
 * @kind: of a connection, as for serve_sock_join; 0: it is none
 * @user: gets the user's end, to be sent and closed
 */
int serve_sock_new(struct serve_conn *conn, int file, int domain, int type, int flags, char kind, int *user,
                   struct served **out);
struct served *serve_sock_find(struct serve *serve, int fd);
struct served *serve_sock_by_inode(struct serve *serve, ino_t inode);

/** serve_sock_join - make a fresh stream socket one end of a pair; @user is its user's end; @kind: REMOTE_KIND_... */
int serve_sock_join(struct served *sock, int user, char kind);

/** serve_sock_renew - a new user's end; @fd becomes it, to be sent along */
int serve_sock_renew(struct served *sock, bool fresh, bool nonblock, int *fd);

/** serve_sock_name - give our end a name that begins with @kind; 0 or a negative errno */
int serve_sock_name(struct served *sock, char kind);

/** serve_sock_hear_out - whether we want to hear when our end takes something again */
void serve_sock_hear_out(struct served *sock, bool out);

/** serve_sock_alive - is the user's end open anywhere? */
bool serve_sock_alive(struct served *sock);

/** serve_sock_check - release it if it is not */
void serve_sock_check(struct served *sock);

/** serve_sock_reap - check all sockets of an account that are closed without a hang-up; NULL: all suspects; how many
 * are still suspect */
unsigned int serve_sock_reap(struct serve *serve, const struct serve_account *account);

/** serve_sock_sweep - check all that are closed without a hang-up, because what one of them may hold is wanted; once a
 * second at most */
void serve_sock_sweep(struct serve *serve);

/** serve_sock_gone - the user's end was closed everywhere: send the rest, then release */
void serve_sock_gone(struct served *sock);
void serve_sock_release(struct served *sock);

/** serve_sock_sync - look at the stack's socket and act on it; @told: what has just been reported; @user: the user's
 * end or -1 */
void serve_sock_sync(struct served *sock, uint32_t told, int user);

/* -------------------------------------------------------------------------------------------------------- show.c */

/** serve_show - make the user's end show @want; @told: events that came again */
void serve_show(struct served *sock, uint32_t want, uint32_t told, int user);

/** serve_show_none - nothing is readable in a user's end of datagrams */
void serve_show_none(struct served *sock, int user);

/** serve_show_open - a stream's user's end shows OUT */
void serve_show_open(struct served *sock);

/** serve_show_reset - a stream is reset: what was written can be read, then ECONNRESET. Our end is closed. */
void serve_show_reset(struct served *sock);

/* -------------------------------------------------------------------------------------------------------- pump.c */

/** serve_pump - move what can be moved, both ways; @events: of our end */
void serve_pump(struct served *sock, uint32_t events);

/** serve_pump_out - move what the client has written to the stack; true: all of it */
bool serve_pump_out(struct served *sock);

/** serve_pump_later - it has more to move than was its turn */
void serve_pump_later(struct served *sock);

/** serve_pump_forget - it is released */
void serve_pump_forget(struct served *sock);

/** serve_pump_again - go on with those who had more to move than was their turn */
void serve_pump_again(struct serve *serve);

/* ------------------------------------------------------------------------------------------------------- ahead.c */

/** serve_ahead_can - is it a socket whose datagrams can go to the client before it asks, and do not yet? */
bool serve_ahead_can(const struct served *sock);

/** serve_ahead_begin - from now on they do; the user's end is empty. 0 or a negative errno */
int serve_ahead_begin(struct served *sock);

/** serve_ahead_move - move what can be moved */
void serve_ahead_move(struct served *sock);

/** serve_ahead_shown - is there something to be read in the user's end? */
bool serve_ahead_shown(const struct served *sock);

/** serve_ahead_recv - answer RECV with a datagram that the client was told to ask for; -ESTALE: there is none */
int serve_ahead_recv(struct served *sock, int flags, const struct serve_request *request, struct serve_answer *answer);

/** serve_ahead_forget - the socket is released */
void serve_ahead_forget(struct served *sock);

#define SERVE_CHUNK (128 * 1024) /* bytes that the pump moves at a time */

#endif
