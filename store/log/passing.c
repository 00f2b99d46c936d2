/* SPDX-License-Identifier: MIT */
/*
 * Most of what is written in bulk is not read from the log soon, for the kernel has the same bytes as pages
 * of the mount's files. The system keeps the log's pages all the same, until it needs their memory for
 * something else. Given back at once, the same memory serves the next group: a page that was used a moment
 * ago is cheaper than a new one, in a virtual machine many times, and twice as much is left for files.
 *
 * The kernel has no page that was never written whole in one call, as the last one of nearly every file is,
 * and asks for it when the file is read. So what is in small frames stays, and so do the ends of long writes:
 * to fetch many of those from a disk that must move for each would be slow. What is given back lies in long
 * stretches, and is read back, if at all, in a row.
 */
#include "store/log/log_internal.h"

enum {
	RANGE_BYTES_MIN = 64 << 10,
	PAGE_BYTES = 4096,
};

void passing_init(struct passing *p)
{
	atomic_store(&p->wanted_from, log_pos_number(LOG_POS_MAX));
}

void log_wanted_from(struct log *l, struct log_pos pos)
{
	atomic_store(&l->passing.wanted_from, log_pos_number(pos));
}

/* Whole pages of [from, to). When there is no place left, the oldest is left to the system. */
static void add_range(struct passing *p, struct log_pos from, uint32_t to)
{
	from.offset = (from.offset + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	to -= to % PAGE_BYTES;
	if (to < from.offset || to - from.offset < RANGE_BYTES_MIN)
		return;
	if (p->n == PASSING_MAX) {
		p->first = (p->first + 1) % PASSING_MAX;
		p->n--;
	}
	p->ranges[(p->first + p->n++) % PASSING_MAX] =
		(struct passing_range){ .from = from, .len = to - from.offset };
}

static void add_group(struct log *l, struct log_pos start, size_t n)
{
	size_t i = 0, first;

	while (i < n) {
		for (first = i; i < n && l->slots[i].frame->passing; i++)
			;
		if (i > first)
			add_range(&l->passing,
				  (struct log_pos){ start.segment,
						    start.offset + (uint32_t)l->slots[first].at },
				  start.offset + (uint32_t)l->slots[i - 1].at +
					  (uint32_t)frame_stored_bytes(l->slots[i - 1].frame));
		else
			i++;
	}
}

static bool is_wanted(const struct passing *p, const struct passing_range *range)
{
	return log_pos_number(range->from) + range->len > atomic_load(&p->wanted_from);
}

void passing_note(struct log *l, struct log_pos start, size_t n)
{
	struct passing *p = &l->passing;

	if (!l->os->forget)
		return;
	add_group(l, start, n);
	while (p->n > 0 && !is_wanted(p, &p->ranges[p->first])) {
		const struct passing_range *range = &p->ranges[p->first];
		struct segment_ref ref;

		if (segment_get(l, range->from.segment, &ref, NULL) == 0)
			l->os->forget(l->os->state, ref.fd, range->from.offset, range->len);
		segment_ref_release(&ref);
		p->first = (p->first + 1) % PASSING_MAX;
		p->n--;
	}
}
