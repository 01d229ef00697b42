/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * port.c - ports: taken, given back, buried.
 *
 * A port belongs to who holds its lock (place.c), and only he changes what the port shows, but for what senders may. It
 * is in use while its generation is odd; every use has a generation of its own, so that a frame or an address of the
 * last owner is not taken for one of the next.
 *
 * A dead owner's port is given back by whoever notices: a sender that cannot wake it, or has waited for it in vain. He
 * takes the lock, which is the proof, and does what the owner would have done. He may be killed over it: the next one
 * starts again.
 *
 * Whoever sends may be in the middle of it while a port begins or ends. It may put a word into the ring of the new
 * owner, who receives a frame that was for the last one, as on any network where an address has moved; or it finds that
 * its word is of a lap that is over. It may have read the note of the last owner, too, and take it away late: so the
 * notes of the next begin elsewhere.
 */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTES 0x9e3779b1u /* from one generation's first note to that of the next: far from all of them */

/** hide - nobody sends to the port any more, which is ours or whose lock we hold */
static void hide(const struct shm_net *net, uint32_t number)
{
	struct shm_control *control = shm_control_of(net, number);
	uint32_t generation = atomic_load(&control->generation);

	atomic_fetch_and(shm_active_of(net, number), ~shm_active_bit(number));
	atomic_store(&control->generation, generation + (generation & 1));
}

int shm_port_take(struct shm_port *port)
{
	const struct shm_net *net = port->net;
	int result = -ENOSPC;

	/* Those that look free first; then all of them: owners may have died, and what looks free may have been
	 * scribbled over. One that looks free and is not will be free soon, or in use. */
	for (int all = 0; all < 2; all++) {
		for (uint32_t i = 0; i < net->geometry.ports; i++) {
			if (!all && (atomic_load(shm_active_of(net, i)) & shm_active_bit(i)))
				continue;
			if (shm_place_take(port->lockfd, i)) {
				port->number = i;
				return 0;
			}
			if (!all)
				result = -EBUSY;
		}
	}
	return result;
}

/** clear_counters - of one direction */
static void clear_counters(struct shm_counters *c)
{
	atomic_store(&c->frames, 0);
	atomic_store(&c->bytes, 0);
	atomic_store(&c->full, 0);
	atomic_store(&c->lost, 0);
	atomic_store(&c->wakes, 0);
}

int shm_port_begin(struct shm_port *port, const char *description)
{
	struct shm_control *control = shm_control_of(port->net, port->number);
	int err;

	hide(port->net, port->number);
	port->control = control;
	port->ring = shm_ring_of(port->net, port->number);
	err = shm_area_open(&port->area, port->net, port->number);
	if (err)
		return err;
	shm_port_offload(port, 0);
	clear_counters(&control->sent);
	clear_counters(&control->received);
	control->pid = (uint32_t)getpid();
	control->uid = (uint32_t)getuid();
	snprintf(control->description, sizeof(control->description), "%s", description ? description : "");
	port->head = shm_ring_reset(&port->ring);
	port->generation = atomic_load(&control->generation) | 1;
	port->token = port->generation * NOTES;
	shm_port_note(port); /* it has to be woken for the first frame already */
	atomic_store(&control->generation, port->generation);
	atomic_fetch_or(shm_active_of(port->net, port->number), shm_active_bit(port->number));
	if (port->monitor)
		shm_port_watch(port);
	return 0;
}

void shm_port_watch(const struct shm_port *port)
{
	/* A number of its own: a sender that has just found no monitor takes away only the one it knew. */
	atomic_store(&shm_header_of(port->net)->watched, port->generation << 12 | port->number);
}

void shm_port_offload(struct shm_port *port, uint32_t features)
{
	port->features = (features & (SHM_OFFLOAD | SHM_UDP)) | (port->monitor ? SHM_MONITOR : 0);
	atomic_store(&port->control->features, port->features);
}

void shm_port_note(struct shm_port *port)
{
	if (++port->token == 0)
		port->token = 1;
	port->noted = true;
	atomic_store(&port->control->asleep, port->token);
}

/** stir_from - see shm_port_stir */
static int stir_from(int fd, const struct sockaddr_un *address, socklen_t len)
{
	return sendto(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)address, len) < 0 ? -errno : 0;
}

int shm_port_stir(const struct shm_port *port, uint32_t other)
{
	struct sockaddr_un address;
	socklen_t len = shm_place_address(port->net, 'p', other, &address);
	int err = stir_from(port->datafd, &address, len), fd;

	if (err != -EAGAIN)
		return err;
	/* Either it has as many as it can, or we have: a datagram counts for its sender until it is received, and this may
	 * go to a thousand sleepers. */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = stir_from(fd, &address, len);
	close(fd);
	return err == -EAGAIN ? 0 : err;
}

void shm_port_end(struct shm_port *port)
{
	if (!port->net->foreign)
		hide(port->net, port->number);
	shm_area_close(&port->area);
	free(port->scratch);
}

void shm_port_bury(const struct shm_port *port, uint32_t other)
{
	if (other == port->number || !shm_place_take(port->lockfd, other))
		return;
	hide(port->net, other);
	shm_place_remove(port->net, 'p', other);
	shm_place_give(port->lockfd, other);
}
