/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loop.c - the event loops that drive the ports of the process, and the stacks that live in it.
 *
 * A loop is a thread that waits in epoll_wait(2) and hands each event to the member (a port or a driver) whose
 * descriptor is ready. There are at most as many loops as cores the process may use. A loop is started when a member
 * arrives and no loop has room, and ends when its last member leaves, so a process without members has no thread of
 * ours. Without traffic a loop sleeps: only members that have set a deadline make it wake up by itself (clock.c).
 * Before it sleeps it brings captured packets to their files (capture.c). What moving a batch of frames takes in memory
 * belongs to the loop; a member is a few words.
 *
 * A loop that has just moved frames looks for more before it sleeps (spin.c). A deadline that has passed is no reason
 * to expect more. Some members it looks at by itself every round, until it sleeps (awake.c). It goes to another
 * processor when its own makes it slow (place.c), and keeps off that of a busy switch (beside.c).
 *
 * As long as there are cores without a loop, a member has a loop of its own: who sends a stream and who receives it work
 * at the same time. A switch that is another process wants a core as well, and is left one. When each core has a loop,
 * members of one network gather: a frame that goes from one port to another of the same process is then passed on by the
 * thread that is already awake. Beyond that the least loaded loop is taken.
 *
 * Locks. A member's event function runs with the *turn* lock of its loop held, one turn an event. link__loop_leave
 * takes the turn lock too, so when it returns the member is not having a turn. A busy loop releases and retakes its
 * turn lock all the time and would starve a thread waiting for it; the *gate*, which whoever wants the turn passes
 * first, makes them queue. The *pool* lock protects the lists of loops, members and free slots. It is never held while
 * a member's turn runs, so a member may join or leave a loop whatever locks of its stack the caller holds, as far as
 * the pool is concerned. The lock of a loop's clock is the innermost, so deadlines may be set at any time.
 *
 * Stale events. epoll_wait may have returned an event of a member that leaves before its turn comes. So an event
 * carries no pointer: it carries a slot of the table of members and the generation of that slot, which changes when the
 * member leaves, under the turn lock of its loop. A thread that holds this lock and finds the generation unchanged may
 * use the member. The same goes for deadlines that have passed.
 *
 * fork(2). A child has the memory of the loops but not their threads, and its descriptors are the parent's epoll sets.
 * The child closes its copies without touching the sets, forgets the loops, and starts afresh when it opens a port.
 * Members inherited from the parent (known by their *incarnation*) only give back their slot when they leave.
 */
#include "capture.h"
#include "clock.h"
#include "private.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 64               /* fetched by one epoll_wait */
#define STACK_SIZE (256 * 1024) /* libvdeplug keeps frames on the stack, and static TLS lives there too */
#define NEIGHBOUR_BONUS 8       /* how many members more than the others a loop may have to be joined by a neighbour */
#define SLOTS_PER_CHUNK 256
#define CHUNKS 4096 /* a million members: more than descriptors */
/* The keys of the loop's own descriptors: no slot number reaches them. */
#define STOP_KEY UINT64_MAX
#define CLOCK_KEY (UINT64_MAX - 4)

struct link__loop {
	pthread_mutex_t gate;
	pthread_mutex_t turn;
	pthread_t thread;
	int epfd;
	int stopfd;
	uint32_t round;             /* of the loop's thread */
	struct link_spin spin;      /* likewise */
	struct link__place place;   /* likewise */
	struct link__beside beside; /* likewise */
	bool ending;                /* the rest: pool lock */
	unsigned int load;          /* members */
	struct link__member *members;
	struct link__loop *next;
	struct link__batch *batch; /* of the thread, under the turn lock */
	struct link__awake awake;  /* turn lock */
	struct link__clock clock;
};

struct slot {
	_Atomic uint32_t generation;
	_Atomic(struct link__member *) member;
	uint32_t next_free; /* pool lock */
};

static struct {
	pthread_mutex_t lock;
	struct link__loop *loops;
	unsigned int loop_count;
	uint32_t incarnation;
	uint32_t slot_count;
	uint32_t free_slot; /* 1 + index of the first free slot, 0: none */
	_Atomic(struct slot *) chunk[CHUNKS];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --------------------------------------------------------------------------------------------------- slots */

/** slot_at - the slot with index @index, which must have been given out once */
static struct slot *slot_at(uint32_t index)
{
	return &atomic_load_explicit(&pool.chunk[index / SLOTS_PER_CHUNK],
	                             memory_order_acquire)[index % SLOTS_PER_CHUNK];
}

/** slot_take - find a slot for @member; pool lock held; 0 or -ENOMEM. Chunks are never freed, as stale events may point
 * there. */
static int slot_take(struct link__member *member)
{
	uint32_t index = pool.free_slot;
	struct slot *slot;

	if (index != 0) {
		index--;
		slot = slot_at(index);
		pool.free_slot = slot->next_free;
	} else {
		index = pool.slot_count;
		if (index == CHUNKS * SLOTS_PER_CHUNK)
			return -ENOMEM;
		if (index % SLOTS_PER_CHUNK == 0) {
			struct slot *chunk = calloc(SLOTS_PER_CHUNK, sizeof(*chunk));

			if (!chunk)
				return -ENOMEM;
			atomic_store_explicit(&pool.chunk[index / SLOTS_PER_CHUNK], chunk, memory_order_release);
		}
		pool.slot_count++;
		slot = slot_at(index);
	}
	member->slot = index;
	member->handle = atomic_load_explicit(&slot->generation, memory_order_relaxed);
	atomic_store_explicit(&slot->member, member, memory_order_release);
	return 0;
}

/** slot_retire - from now on events of @member are stale; turn lock of its loop held */
static void slot_retire(struct link__member *member)
{
	struct slot *slot = slot_at(member->slot);

	atomic_store_explicit(&slot->member, NULL, memory_order_relaxed);
	atomic_store_explicit(&slot->generation, member->handle + 1, memory_order_release);
}

/** slot_free - the slot may be given to another member; pool lock held */
static void slot_free(struct link__member *member)
{
	slot_at(member->slot)->next_free = pool.free_slot;
	pool.free_slot = member->slot + 1;
}

/** event_key - what epoll is to say when a descriptor of @member is ready */
static uint64_t event_key(const struct link__member *member, enum link__source source)
{
	return (uint64_t)member->handle << 32 | (uint64_t)member->slot << 2 | (uint64_t)source;
}

/** event_member - the member an event is for, or NULL when it has left; turn lock of the loop held */
static struct link__member *event_member(uint64_t key)
{
	struct slot *slot = slot_at((uint32_t)key >> 2);

	if (atomic_load_explicit(&slot->generation, memory_order_acquire) != (uint32_t)(key >> 32))
		return NULL;
	return atomic_load_explicit(&slot->member, memory_order_acquire);
}

/* ---------------------------------------------------------------------------------------------------- turns */

/** turn_begin - wait until no member of the loop has a turn, and take it */
static void turn_begin(struct link__loop *loop)
{
	pthread_mutex_lock(&loop->gate);
	pthread_mutex_lock(&loop->turn);
	pthread_mutex_unlock(&loop->gate);
}

static void turn_end(struct link__loop *loop)
{
	pthread_mutex_unlock(&loop->turn);
}

/** turn_give - give the member an event is for its turn */
static void turn_give(struct link__loop *loop, uint64_t key, uint32_t events)
{
	struct link__member *member;

	turn_begin(loop);
	member = event_member(key);
	if (member)
		member->event(member, (enum link__source)(key & 3), events);
	turn_end(loop);
}

int64_t link__now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/** turns_due - give the members whose deadlines have passed their turns */
static void turns_due(struct link__loop *loop)
{
	int64_t now = link__now();
	uint64_t key;

	while (link__clock_due(&loop->clock, now, &key))
		turn_give(loop, key, 0);
}

/** loop_any - see struct link_spin */
static bool loop_any(void *arg)
{
	struct link__loop *loop = arg;
	bool any;

	if (link__awake_none(&loop->awake))
		return false;
	turn_begin(loop);
	any = link__awake_any(&loop->awake);
	turn_end(loop);
	return any;
}

/** loop_look - give members their turns that have something without an event; how many */
static int loop_look(struct link__loop *loop)
{
	unsigned int found;

	if (link__awake_none(&loop->awake))
		return 0;
	turn_begin(loop);
	found = link__awake_look(&loop->awake);
	turn_end(loop);
	return (int)found;
}

/** loop_rest - may the loop sleep? */
static bool loop_rest(struct link__loop *loop)
{
	bool rest;

	if (link__awake_none(&loop->awake))
		return true;
	turn_begin(loop);
	rest = link__awake_rest(&loop->awake);
	turn_end(loop);
	return rest;
}

/** loop_wait - the next events: looked for during the poll time when @eager, then slept for; their number, 0 when
 * there is something without an event */
static int loop_wait(struct link__loop *loop, struct epoll_event *events, bool eager)
{
	int n = epoll_wait(loop->epfd, events, EVENTS, 0);

	if (n == 0 && eager && loop->spin.ns > 0)
		n = link_spin(&loop->spin, loop->epfd, events, EVENTS, INT64_MAX);
	if (n == 0 && !loop_any(loop) && loop_rest(loop)) {
		link__capture_flush();
		n = epoll_wait(loop->epfd, events, EVENTS, -1);
	}
	return n;
}

/** loop_run - the thread of a loop */
static void *loop_run(void *arg)
{
	struct link__loop *loop = arg;
	struct epoll_event events[EVENTS];
	bool stop = false, eager = false;

	while (!stop) {
		int n = loop_wait(loop, events, eager);
		bool due = false;
		int64_t began = n <= 1 ? link__now() : 0;
		int found;

		loop->round++;
		link__beside_round(&loop->beside);
		/* Empty the queues of the network before filling them: those of a switch are short, and drop. */
		for (int i = 0; i < n; i++) {
			uint64_t key = events[i].data.u64;

			if (key == STOP_KEY)
				stop = true;
			else if (key == CLOCK_KEY)
				due = true;
			else if ((key & 3) != LINK_DEVICE)
				turn_give(loop, key, events[i].events);
		}
		for (int i = 0; i < n; i++)
			if ((events[i].data.u64 & 3) == LINK_DEVICE)
				turn_give(loop, events[i].data.u64, events[i].events);
		found = loop_look(loop);
		if (due)
			turns_due(loop);
		else if (n + found == 1 && loop->spin.ns > 0)
			link__place_turn(&loop->place, began, link__now());
		/* No event and nothing found: somebody has found something when he was to rest. */
		eager = found > 0 || n == 0 || n > (due ? 1 : 0);
	}
	link__capture_flush();
	return NULL;
}

/* ----------------------------------------------------------------------------------------------------- pool */

static void fork_prepare(void)
{
	pthread_mutex_lock(&pool.lock);
	link__capture_fork_prepare();
}

static void fork_parent(void)
{
	link__capture_fork_parent();
	pthread_mutex_unlock(&pool.lock);
}

/** loop_free - free a loop whose thread does not run */
static void loop_free(struct link__loop *loop)
{
	if (loop->stopfd >= 0)
		close(loop->stopfd);
	if (loop->epfd >= 0)
		close(loop->epfd);
	pthread_mutex_destroy(&loop->gate);
	pthread_mutex_destroy(&loop->turn);
	link__clock_close(&loop->clock);
	free(loop->batch);
	free(loop);
}

/** fork_child - forget the parent's loops */
static void fork_child(void)
{
	while (pool.loops) {
		struct link__loop *loop = pool.loops;

		pool.loops = loop->next;
		close(loop->stopfd);
		close(loop->epfd);
		link__clock_close(&loop->clock);
		free(loop->batch);
		free(loop); /* its mutexes may be held by a thread that is not here, so they are not destroyed */
	}
	pool.loop_count = 0;
	pool.incarnation++;
	link__capture_fork_child();
	pthread_mutex_unlock(&pool.lock);
}

/** pool_init - what a process does once */
static void pool_init(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/** core_count - cores that this process may use */
static unsigned int core_count(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	n = CPU_COUNT(&set);
	return n > 0 ? (unsigned int)n : 1;
}

/** loop_thread_start - start the thread of @loop, with every signal blocked; 0 or a negative errno */
static int loop_thread_start(struct link__loop *loop)
{
	pthread_attr_t attr;
	sigset_t all;
	int err;

	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	sigfillset(&all);
	pthread_attr_setsigmask_np(&attr, &all);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	err = pthread_create(&loop->thread, &attr, loop_run, loop);
	pthread_attr_destroy(&attr);
	if (err)
		return -err;
	pthread_setname_np(loop->thread, "ioth-link");
	return 0;
}

/** loop_new - a running loop without members, or NULL with a negative errno in @error */
static struct link__loop *loop_new(int *error)
{
	struct epoll_event stop = {.events = EPOLLIN, .data.u64 = STOP_KEY};
	struct epoll_event due = {.events = EPOLLIN, .data.u64 = CLOCK_KEY};
	struct link__loop *loop = calloc(1, sizeof(*loop));
	int err = -ENOMEM;

	*error = err;
	if (!loop)
		return NULL;
	pthread_mutex_init(&loop->gate, NULL);
	pthread_mutex_init(&loop->turn, NULL);
	loop->spin = (struct link_spin){.ns = link_poll_ns(), .look = loop_any, .arg = loop};
	loop->epfd = loop->stopfd = -1;
	err = link__clock_open(&loop->clock);
	if (err)
		goto fail;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	loop->stopfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epfd < 0 || loop->stopfd < 0 || epoll_ctl(loop->epfd, EPOLL_CTL_ADD, loop->stopfd, &stop) != 0 ||
	    epoll_ctl(loop->epfd, EPOLL_CTL_ADD, loop->clock.fd, &due) != 0) {
		err = -errno;
		goto fail;
	}
	err = -ENOMEM;
	loop->batch = link__batch_new();
	if (!loop->batch)
		goto fail;
	err = loop_thread_start(loop);
	if (err)
		goto fail;
	return loop;
fail:
	loop_free(loop);
	*error = err;
	return NULL;
}

/** loop_burden - how unattractive @loop is for a member of @network; pool lock held */
static unsigned int loop_burden(const struct link__loop *loop, uint64_t network)
{
	for (const struct link__member *m = network != 0 ? loop->members : NULL; m; m = m->next)
		if (m->network == network)
			return loop->load > NEIGHBOUR_BONUS ? loop->load - NEIGHBOUR_BONUS : 0;
	return loop->load;
}

/** loops_wanted - how many loops there should be before @member shares one */
static unsigned int loops_wanted(const struct link__member *member)
{
	unsigned int cores = core_count();

	return member->served && cores > 1 ? cores - 1 : cores;
}

/** loop_choose - the loop for a new member, NULL when a new one should be started; pool lock held */
static struct link__loop *loop_choose(const struct link__member *member)
{
	struct link__loop *best = NULL;
	unsigned int least = 0;

	if (pool.loop_count < loops_wanted(member))
		return NULL;
	for (struct link__loop *loop = pool.loops; loop; loop = loop->next) {
		unsigned int burden;

		if (loop->ending)
			continue;
		burden = loop_burden(loop, member->network);
		if (!best || burden < least) {
			best = loop;
			least = burden;
		}
	}
	return best;
}

/** loop_end - stop and free a loop that has lost its last member; no lock held */
static void loop_end(struct link__loop *loop)
{
	eventfd_write(loop->stopfd, 1);
	pthread_join(loop->thread, NULL);
	pthread_mutex_lock(&pool.lock);
	for (struct link__loop **p = &pool.loops; *p; p = &(*p)->next) {
		if (*p == loop) {
			*p = loop->next;
			break;
		}
	}
	pool.loop_count--;
	pthread_mutex_unlock(&pool.lock);
	loop_free(loop);
}

/* -------------------------------------------------------------------------------------------------- members */

uint32_t link__loop_incarnation(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, pool_init);
	return pool.incarnation;
}

int link__loop_join(struct link__member *member)
{
	struct link__alarm *alarm = member->alarm;
	struct link__loop *loop = NULL;
	int err;

	member->alarm = NULL;
	link__loop_incarnation();
	pthread_mutex_lock(&pool.lock);
	err = slot_take(member);
	if (err)
		goto out;
	loop = loop_choose(member);
	if (!loop) {
		loop = loop_new(&err);
		if (!loop) {
			slot_retire(member);
			slot_free(member);
			goto out;
		}
		loop->next = pool.loops;
		pool.loops = loop;
		pool.loop_count++;
	}
	err = 0;
	member->loop = loop;
	member->incarnation = pool.incarnation;
	member->next = loop->members;
	loop->members = member;
	loop->load++;
out:
	pthread_mutex_unlock(&pool.lock);
	if (!err && alarm) {
		err = link__clock_add(&loop->clock, alarm, event_key(member, LINK_ALARM));
		if (err)
			link__loop_leave(member, NULL, 0);
		else
			member->alarm = alarm;
	}
	return err;
}

void link__loop_leave(struct link__member *member, const int *fds, unsigned int count)
{
	struct link__loop *loop = member->loop;
	bool here = link__loop_is_here(member);
	bool last = false;

	if (here) {
		turn_begin(loop);
		for (unsigned int i = 0; i < count; i++)
			link__loop_unwatch(member, fds[i]);
		if (member->alarm)
			link__clock_remove(&loop->clock, member->alarm);
		link__awake_remove(&loop->awake, member);
		slot_retire(member);
		turn_end(loop);
	} else {
		slot_retire(member);
	}
	pthread_mutex_lock(&pool.lock);
	slot_free(member);
	if (here) {
		for (struct link__member **p = &loop->members; *p; p = &(*p)->next) {
			if (*p == member) {
				*p = member->next;
				break;
			}
		}
		last = --loop->load == 0;
		loop->ending = last;
	}
	pthread_mutex_unlock(&pool.lock);
	if (last)
		loop_end(loop);
}

int link__loop_watch(struct link__member *member, enum link__source source, int fd, uint32_t events, bool add)
{
	struct epoll_event event = {.events = events, .data.u64 = event_key(member, source)};

	return epoll_ctl(member->loop->epfd, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : -errno;
}

void link__loop_awake(struct link__member *member)
{
	link__awake_add(&member->loop->awake, member);
}

struct link__beside *link__loop_beside(struct link__member *member)
{
	return &member->loop->beside;
}

void link__loop_unwatch(struct link__member *member, int fd)
{
	if (fd >= 0)
		epoll_ctl(member->loop->epfd, EPOLL_CTL_DEL, fd, NULL);
}

void link__loop_deadline(struct link__member *member, int64_t when)
{
	link__clock_set(&member->loop->clock, member->alarm, when);
}

void link__loop_pause(struct link__member *member)
{
	link__clock_pause(member->alarm);
}

void link__loop_resume(struct link__member *member)
{
	link__clock_resume(&member->loop->clock, member->alarm);
}

struct link__batch *link__batch_new(void)
{
	return aligned_alloc(64, (sizeof(struct link__batch) + 63) & ~(size_t)63);
}

void link__batch_for(struct link__batch *batch, unsigned int count)
{
	unsigned int each = LINK_BATCH / count;

	for (unsigned int i = 0; i < count; i++)
		batch->frame[i] = (struct link_frame){.data = batch->buffer[i * each], .len = each * LINK_BUFFER_SIZE};
}

struct link__batch *link__loop_batch(struct link__member *member)
{
	return member->loop->batch;
}

uint32_t link__loop_round(const struct link__member *member)
{
	return member->loop->round;
}

void link__loop_enter(struct link__member *member)
{
	turn_begin(member->loop);
}

void link__loop_exit(struct link__member *member)
{
	turn_end(member->loop);
}

void link__loop_forget(struct link__member *member)
{
	link__awake_remove(&member->loop->awake, member);
}

bool link__loop_is_here(const struct link__member *member)
{
	return member->incarnation == pool.incarnation;
}
