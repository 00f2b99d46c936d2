/* SPDX-License-Identifier: MIT */
/* Waiting until every request that the serving threads have read is answered (internal to fs/mount). */
#ifndef FS_MOUNT_PASSAGE_H
#define FS_MOUNT_PASSAGE_H

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/fuse.h>

#define SERVE_SIGNAL SIGUSR1 /* gets a serving thread out of a read: needs a handler, without SA_RESTART */

/* Does the request write a page of the kernel's, on no program's behalf? */
bool serve_is_page(const struct fuse_in_header *in);

enum { SERVE_THREADS_MAX = 128 };

/* Where each serving thread is. */
struct passage {
	pthread_mutex_t lock; /* a thread that may be signalled is there */
	atomic_uint round, joined;
	atomic_bool over; /* nobody reads any more */
	/* A thread writes its own, and anybody reads: none shares a line of the processor's cache. */
	struct passage_state {
		_Alignas(64) atomic_uint at; /* PASSAGE_IDLE, or the round at the last read, and a bit */
		pthread_t thread;            /* written before `at` is anything but idle */
		atomic_uint_fast64_t requests, pages; /* that it has read; serve_is_page */
	} state[SERVE_THREADS_MAX];
};
struct passage_counts {
	uint64_t requests, pages;
};
#define PASSAGE_IDLE UINT_MAX /* has no request, and will not read one without a step */
#define PASSAGE_SERVES 1u     /* the bit: it has read, and is not to be signalled */

void passage_init(struct passage *p);
void passage_release(struct passage *p);
unsigned passage_join(struct passage *p); /* the calling thread's index */
void passage_leave(struct passage *p, unsigned index);
static inline void passage_idle(struct passage *p, unsigned index)
{
	atomic_store_explicit(&p->state[index].at, PASSAGE_IDLE, memory_order_release);
}
/* About to read. */
static inline void passage_read(struct passage *p, unsigned index)
{
	atomic_store_explicit(&p->state[index].at, atomic_load_explicit(&p->round, memory_order_relaxed) * 2,
			      memory_order_release);
}
static inline void passage_count(atomic_uint_fast64_t *n) /* its own */
{
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}
static inline void passage_serve(struct passage *p, unsigned index, const struct fuse_in_header *in)
{
	struct passage_state *s = &p->state[index];

	passage_count(&s->requests);
	if (serve_is_page(in))
		passage_count(&s->pages);
	atomic_store_explicit(&s->at, atomic_load_explicit(&s->at, memory_order_relaxed) | PASSAGE_SERVES,
			      memory_order_release);
}
/*
 * Wait until each request that was read before the call is answered. *ret: how many had been read then, at
 * least those. False: not by until_ns.
 */
bool passage_wait(struct passage *p, uint64_t until_ns, struct passage_counts *ret);

#endif
