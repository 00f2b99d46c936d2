/* SPDX-License-Identifier: MIT */
/*
 * Attributes that are out of date before the kernel has them.
 *
 * The kernel keeps attributes without a timeout, and drops them with what it knows to change them. But an
 * answer that was given before a change may be taken in after it: the process that asked runs when it gets a
 * processor. Against that the kernel counts, inode by inode, what WRITE, SETATTR and UNLINK change, and
 * refuses answers to older questions. It does not count what making, removing and moving a name changes in
 * folders, nor SETXATTR, nor FALLOCATE within a file's size. Being told to drop attributes counts as well. So
 * who serves such a change tells the kernel, before the reply, if another process may still be on its way
 * with an older answer: one that was answered within the last seconds.
 *
 * That is looked up in a table, by a hash of the inode's number:
 *   - who answers: marks whom (the client, by its thread), after having read the attributes; if what they are
 *     has been changed since its request began, the kernel may not keep them;
 *   - who changes: notes the change, after it was done; then looks at the mark.
 * Both with all of their memory in one order, so one of them sees the other. A process that asked before has
 * its answer when it asks for a change: who reads and changes alone is never told anything.
 *
 * Different inodes may share a place in the table; then the kernel drops a bit too much.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "fs/mount/mount_internal.h"

enum {
	PLACES = 1 << 14,
	PID_BITS = 24,
	TAG_BITS = 16,
	SECONDS_BITS = 24,
	ON_ITS_WAY_S = 10, /* how late a process may get its processor */
};

#define SEVERAL 0        /* processes, or one whose number is not known here */
#define TAG_OF_SEVERAL 0 /* inodes */

struct stale_place {
	_Atomic uint64_t mark;    /* struct mark, packed; 0: nobody */
	_Atomic uint64_t changed; /* number of the last change */
};

struct stale_table {
	_Atomic uint64_t changes;
	struct stale_place places[PLACES];
};

struct mark {
	uint32_t pid, tag, seconds;
};

/* The request that this thread serves. */
static _Thread_local struct {
	uint64_t begun; /* the number of the last change then */
	uint32_t pid;
} now;

static struct mark unpack(uint64_t v)
{
	return (struct mark){
		.pid = (uint32_t)(v & ((1u << PID_BITS) - 1)),
		.tag = (uint32_t)(v >> PID_BITS & ((1u << TAG_BITS) - 1)),
		.seconds = (uint32_t)(v >> (PID_BITS + TAG_BITS)),
	};
}

static uint64_t pack(struct mark m)
{
	return (uint64_t)m.seconds << (PID_BITS + TAG_BITS) | (uint64_t)m.tag << PID_BITS | m.pid;
}

/* Not 0, so that no mark is. */
static uint32_t seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return ((uint32_t)t.tv_sec & ((1u << SECONDS_BITS) - 1)) | 1u << (SECONDS_BITS - 1);
}

static bool is_recent(struct mark m, uint32_t seconds)
{
	return m.seconds != 0 && ((seconds - m.seconds) & ((1u << (SECONDS_BITS - 1)) - 1)) <= ON_ITS_WAY_S;
}

static uint64_t hash(uint64_t ino)
{
	return ino * UINT64_C(0x9e3779b97f4a7c15);
}

static struct stale_place *place_of(struct stale_table *t, uint64_t ino)
{
	return &t->places[hash(ino) >> 32 & (PLACES - 1)];
}

static uint32_t tag_of(uint64_t ino)
{
	uint32_t tag = (uint32_t)(hash(ino) >> (64 - TAG_BITS));

	return tag == TAG_OF_SEVERAL ? 1 : tag;
}

int stale_init(struct mount *m)
{
	m->stale = calloc(1, sizeof(*m->stale));
	return m->stale ? 0 : -ENOMEM;
}

void stale_release(struct mount *m)
{
	free(m->stale);
}

void stale_begin(struct mount *m, uint32_t pid)
{
	now.begun = atomic_load(&m->stale->changes);
	now.pid = pid >> PID_BITS ? SEVERAL : pid;
}

static void mark(struct stale_place *p, uint64_t ino)
{
	const uint32_t seconds = seconds_now();
	uint64_t was = atomic_load(&p->mark);
	struct mark next;

	do {
		const struct mark old = unpack(was);

		next = (struct mark){ .pid = now.pid, .tag = tag_of(ino), .seconds = seconds };
		if (is_recent(old, seconds)) {
			next.pid = old.pid == next.pid ? next.pid : SEVERAL;
			next.tag = old.tag == next.tag ? next.tag : TAG_OF_SEVERAL;
		}
	} while (!atomic_compare_exchange_weak(&p->mark, &was, pack(next)));
}

double stale_timeout_s(struct mount *m, const struct node *node)
{
	struct stale_place *p;

	if (node->kind != NODE_LIVE || m->fixed)
		return history_attr_timeout_s(node);
	p = place_of(m->stale, node->ino);
	mark(p, node->ino);
	return atomic_load(&p->changed) > now.begun ? 0 : FOREVER_S;
}

/* Those before have no valid answer any more: nobody is on his way, but for who asks from now on. */
static void reset(struct stale_place *p, uint64_t ino, uint64_t was, uint32_t seconds)
{
	const struct mark next = { .pid = now.pid, .tag = tag_of(ino), .seconds = seconds };

	if (unpack(was).tag == next.tag && next.pid != SEVERAL)
		(void)atomic_compare_exchange_strong(&p->mark, &was, pack(next));
}

void stale_changed(struct mount *m, uint64_t ino)
{
	struct stale_place *p = place_of(m->stale, ino);
	const uint64_t number = atomic_fetch_add(&m->stale->changes, 1) + 1;
	uint64_t before = atomic_load(&p->changed), was;
	const uint32_t seconds = seconds_now();
	struct mark old;

	while (before < number && !atomic_compare_exchange_weak(&p->changed, &before, number))
		;
	now.begun = number; /* what its own reply says is of after it */
	was = atomic_load(&p->mark);
	old = unpack(was);
	if (!is_recent(old, seconds) || (old.pid == now.pid && old.pid != SEVERAL))
		return;
	mount_drop_attr(m, ino);
	reset(p, ino, was, seconds);
}
