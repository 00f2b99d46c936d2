/* SPDX-License-Identifier: MIT */
/*
 * A file that was written in a row lies in the log in a row, in frames of some ten KiB. The system sees reads
 * of them by several threads through one descriptor and cannot tell that they go on; so it is told. A stream
 * is a row of frames of which each began where the one before it ended.
 */
#include "store/log/log_internal.h"

enum {
	ASK_BYTES = 2 << 20, /* at a time … */
	ASK_BELOW = 1 << 20, /* … when less than so much of what was asked for is still to come */
};

void ahead_init(struct ahead *a)
{
	pthread_mutex_init(&a->lock, NULL);
}

void ahead_release(struct ahead *a)
{
	pthread_mutex_destroy(&a->lock);
}

/* The stream that goes on at pos, or the one longest unused, begun anew. Requires lock. */
static size_t stream_at(struct ahead *a, struct log_pos pos, bool *ret_goes_on)
{
	size_t oldest = 0;

	for (size_t i = 0; i < AHEAD_STREAMS; i++) {
		*ret_goes_on = a->streams[i].next.segment && log_pos_compare(a->streams[i].next, pos) == 0;
		if (*ret_goes_on)
			return i;
		if (a->streams[i].used < a->streams[oldest].used)
			oldest = i;
	}
	a->streams[oldest].asked = 0;
	return oldest;
}

void ahead_note(const struct log *l, const struct segment_ref *ref, struct log_pos pos, size_t len)
{
	struct ahead *a = &log_mutable(l)->ahead;
	uint32_t end = pos.offset + (uint32_t)len, from = 0;
	bool goes_on;
	size_t i;

	if (!l->os->read_ahead)
		return;
	pthread_mutex_lock(&a->lock);
	i = stream_at(a, pos, &goes_on);
	a->streams[i].next = (struct log_pos){ pos.segment, end };
	a->streams[i].used = ++a->clock;
	if (goes_on && a->streams[i].asked < end + (uint64_t)ASK_BELOW) {
		from = a->streams[i].asked > end ? a->streams[i].asked : end;
		a->streams[i].asked = from + ASK_BYTES;
	}
	pthread_mutex_unlock(&a->lock);
	if (from)
		l->os->read_ahead(l->os->state, ref->fd, from, ASK_BYTES);
}
