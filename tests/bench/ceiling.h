/* SPDX-License-Identifier: MIT */
/*
 * Inside the ceiling of the benchmarks (ceiling.c): what its memory, ceiling_memory.c, offers besides the
 * functions of view.h and op.h.
 */
#ifndef TESTS_BENCH_CEILING_H
#define TESTS_BENCH_CEILING_H

#include <stdint.h>

int memory_init(void); /* an empty root. -ENOMEM */
/* How many bytes a log of what was changed since the last call would have. */
uint64_t memory_take_unsynced(void);

#endif
