/* SPDX-License-Identifier: MIT */
/*
 * A replica's share of the line (layer 4): a bucket of bytes that fills at the rate and holds what a second
 * brings. Who sends may go below its bottom, for a group cannot be cut, and then waits until it is not empty
 * any more. And how much to send at once over a line that is so slow that nodes cut long requests off. Pure;
 * protected by its owner.
 */
#ifndef STORE_REPLICA_PACE_H
#define STORE_REPLICA_PACE_H

#include <stddef.h>
#include <stdint.h>

enum {
	/* A rate below this would keep a group of the largest size on its way for longer than nodes wait. */
	PACE_RATE_MIN = 16 << 10,
	/* Within one request bytes flow at least so fast, and their pause comes behind it. */
	PACE_FLOW_MIN = 64 << 10,
	/* A step is not halved below this, and doubled after so many requests of about its length were taken.
	 */
	PACE_STEP_MIN = 16 << 10,
	PACE_TAKEN = 8,
};

/* No line is so fast: what is above is this. So sums of bytes stay far within an int64_t. */
#define PACE_RATE_MAX (UINT64_C(1) << 40)

struct pace {
	uint64_t rate; /* bytes a second; 0: no limit */
	int64_t have;  /* bytes that may be sent now; below 0: sent too early */
	uint64_t at_ns;
	size_t step;    /* no more than this at once; 0: no limit */
	unsigned taken; /* requests of about its length, since it changed */
};

/* Another rate from now on. What is owed is still owed; an empty bucket begins full. */
void pace_set(struct pace *p, uint64_t rate, uint64_t now_ns);
/* How long to wait before anything may be sent; 0: send. */
uint64_t pace_wait_ns(struct pace *p, uint64_t now_ns);
void pace_sent(struct pace *p, size_t bytes, uint64_t now_ns);

/* How much to send in one request, of at most `max`: about what a second brings. */
size_t pace_step(const struct pace *p, size_t max);
/* A request of so many bytes was lost on its way, and one was taken: less at once then, and more again. */
void pace_lost(struct pace *p, size_t bytes);
void pace_taken(struct pace *p, size_t bytes, size_t max);
/* The fastest that bytes of one request may flow; 0: no limit. */
uint64_t pace_flow(const struct pace *p);

#endif
