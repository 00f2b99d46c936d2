/* SPDX-License-Identifier: MIT */
/*
 * Who is connected to a node, for how long each may take, and who has to go when others want in, so that no
 * client keeps another out (layer 4; PROTOCOL.md §1.1).
 *
 * A guest is a connection. It is unknown until a request on it has been proved by a key of a volume, and
 * again when so many others of that key have been since. Every stage but the node's own work has a deadline
 * for all of it, whatever trickles in meanwhile. When there are too many of one address, or in all, the
 * newcomer is let in and another is cut off: an unknown one, the oldest of the address that has most; else a
 * known one; but none whose request at hand is proved. When all are such, it is the newcomer.
 *
 * Thread-safe, but for gate_start and gate_stop. Nothing here waits.
 */
#ifndef STORE_NODE_GATE_H
#define STORE_NODE_GATE_H

#include <stdbool.h>
#include <sys/socket.h>

#include "store/os/os.h"

enum {
	GATE_GUESTS_MAX = 256,
	GATE_OF_ADDRESS_MAX = 32, /* an IPv4 address, or 64 bits of an IPv6 one */
	GATE_OF_KEY_MAX = 8,  /* proved requests at once of a volume's writer, and guests known by it; as many
				 of  its owner */
	GATE_HEADERS_S = 20,  /* from the connection, or the request line, to the end of the headers */
	GATE_IDLE_S = 30,     /* from an answer to the next request line */
	GATE_TRANSFER_S = 30, /* a body, or an answer; and for each so many bytes a second more */
	GATE_BYTES_PER_S = 16 << 10,
	GATE_SMALL_BODY_BYTES = 4 << 10,   /* up to this they are bounded by how many guests there are */
	GATE_VOLUME_BODY_BYTES = 16 << 20, /* of one volume in memory at once; a larger one comes alone */
	GATE_BODY_BYTES = 192 << 20,       /* of all, but for one that is larger than that */
};

enum gate_stage {
	GATE_HEADERS, /* nothing yet, or a request line */
	GATE_BODY,
	GATE_WORK, /* the node's own: no deadline */
	GATE_ANSWER,
	GATE_IDLE,
};

struct gate;
struct guest;

/* -ENOMEM, -EAGAIN. */
MUST_USE int gate_start(const struct os *os, struct gate **ret, struct hf_error *err);
void gate_stop(struct gate *g); /* all guests have left; NULL is fine */

/*
 * A connection has come. fd is its socket, the caller's, and open until gate_leave; to be cut off is to be
 * shut down. NULL: no memory, and it is shut down.
 */
struct guest *gate_enter(struct gate *g, int fd, const struct sockaddr *address);
void gate_leave(struct gate *g, struct guest *guest); /* NULL is fine, here and below */

/* It goes on to this stage, in which so many bytes (0: does not matter) will pass. A request's end gives back
 * its share. */
void gate_go(struct gate *g, struct guest *guest, enum gate_stage stage, uint64_t bytes);

/* Its request is proved by the owner or the writer of this volume. false: that key has as many as it may at
 * once, and the guest is unknown. */
MUST_USE bool gate_know(struct gate *g, struct guest *guest, const void *volume, bool is_owner);
/*
 * A share of the memory for bodies, until the request ends. false: there is none now. A small one is not
 * counted: what an owner sends to begin an epoch must not wait until the writer lets go of his.
 */
MUST_USE bool gate_reserve(struct gate *g, struct guest *guest, const void *volume, size_t bytes);

/*
 * The writer's key of this volume is another from now on. The guests that are known by the earlier one are
 * cut off, but for `except`. What of a body may still come is awaited, so that it is refused in words, but
 * for no longer than a short one, and takes no share of what the volume may have.
 */
void gate_begin_epoch(struct gate *g, const struct guest *except, const void *volume);

struct gate_stats {
	uint64_t entered, here;              /* in all; now, without those that are cut off */
	uint64_t slow, crowded, turned_away; /* cut off: for being so; to let another in; on entering */
};
void gate_stats(struct gate *g, struct gate_stats *ret);

/* One look for those whose time is over, as its thread takes it; returns how many. */
unsigned gate_look(struct gate *g, uint64_t mono_ns);

#endif
