/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * drive.h - what drive.c shares with wait.c and port.c. All of it is under the lock of the stack.
 */
#ifndef IOTH_USOCK_DRIVE_H
#define IOTH_USOCK_DRIVE_H

#include "private.h"

#include <semaphore.h>
#include <stdatomic.h>

#define USOCK_EVENTS 64 /* fetched by one epoll_wait */

/** struct usock__wait - a thread that waits; on its stack */
struct usock__wait {
	struct usock__wait *next;      /* of the same socket */
	struct usock__wait *post_next; /* in drive->posts */
	struct usock *sock;
	uint32_t events;          /* that it waits for */
	bool woken;               /* one of them has come */
	bool posted;              /* the semaphore will be posted, or has been */
	bool follows;             /* it does not lead: counted in drive->followers */
	atomic_bool made;         /* the post: nobody else has anything to do with this any more */
	struct usock__held *held; /* of its call; NULL: none */
	pthread_t thread;
	sem_t sem; /* what it sleeps on unless it leads */
};

struct usock__drive {
	struct link_driver *driver;
	int epfd;           /* the set, of driver */
	int wakefd;         /* eventfd(2) in the set, to wake who waits on it */
	struct port *keeps; /* segments to be sent as one; NULL: none does */
	struct usock__timer *timers;
	struct usock__wait *posts; /* whose semaphores are to be posted when the lock has been given back */

	struct usock__wait *leader; /* who waits on the set; NULL: the event loop */
	bool suspended;             /* the event loop does not look */
	bool asleep;                /* the leader has given the lock back, to wait */
	int64_t until;              /* how long, while it is asleep */
	int64_t bound;              /* the deadline that a leader last slept for */
	unsigned int followers;     /* that wait meanwhile */
	/* No leader, but there will be one soon: see the top of drive.c. */
	bool lingering;
	int64_t left_at;       /* when a leader last left; 0: never */
	int64_t lease;         /* while lingering: how long the event loop stays away */
	unsigned int returned; /* times in a row that it was back in time */

	bool later;            /* a turn is to be run soon */
	bool rung;             /* wakefd has been written to since events were last handled */
	bool moved;            /* so have frames been moved */
	unsigned int looks;    /* of leaders for something to handle */
	struct link_spin spin; /* the leader's alone */

	/* The port that frames came from last, if asking it costs no more than asking the set; NULL. Only this one may be
	   awake. */
	struct port *hot;

	struct epoll_event *events; /* being handled */
	int count;
	bool unwatched; /* something has been since the leader fell asleep: the events it has fetched may be stale */
};

/** usock__drive_handle - handle fetched events, then do what is due; lock held */
void usock__drive_handle(struct usock_stack *stack, struct epoll_event *events, int count);

/** usock__drive_lead - @wait, of the calling thread, takes over from the event loop. When drive->leader is NULL again,
   and the lock is given back, the event loop goes on */
void usock__drive_lead(struct usock_stack *stack, struct usock__wait *wait);

/** usock__drive_leave - the leader leads no more; the rest is done when the lock is given back */
void usock__drive_leave(struct usock_stack *stack);

/** usock__wait_look - is there something to receive that the set does not tell of? For link_spin; @arg: the stack, which
 * is not locked */
bool usock__wait_look(void *arg);

/** usock__port_glance - receive what has come from drive->hot; true when something has */
bool usock__port_glance(struct usock_stack *stack);

/** usock__port_flush - bring captured packets to their files */
void usock__port_flush(struct usock_stack *stack);

/** usock__port_waiting - is there something to receive that no descriptor tells of, from drive->hot? A look at memory */
bool usock__port_waiting(const struct usock_stack *stack);

/** usock__port_rest - who runs the stack is going to sleep on the set: it has to tell of what comes from drive->hot */
void usock__port_rest(struct usock_stack *stack);

/** usock__loopback_pending - has something been sent on lo that has not come back yet? */
bool usock__loopback_pending(const struct usock_stack *stack);

/** usock__clock - CLOCK_MONOTONIC now, nanoseconds */
int64_t usock__clock(void);

#endif
