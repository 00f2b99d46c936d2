/* SPDX-License-Identifier: MIT */
/*
 * Counting values into a histogram from several threads, while others read it (layer 0). Relaxed: each number
 * is whole, and two of them may be a value apart. For what takes milliseconds; a request's own counting is
 * elsewhere.
 */
#ifndef STORE_BASE_METER_H
#define STORE_BASE_METER_H

#include <stdatomic.h>

#include "holdfast/metrics.h"

/* All zeros but for bounds to begin with. */
struct meter {
	const struct hf_bounds *bounds; /* immutable */
	_Atomic uint64_t counts[HF_BOUNDS_MAX + 1], sum;
};

void meter_add(struct meter *m, uint64_t value);
void meter_read(const struct meter *m, struct hf_histogram *ret);

static inline void meter_count(_Atomic uint64_t *counter, uint64_t n)
{
	(void)atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline uint64_t meter_value(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
