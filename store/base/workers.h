/* SPDX-License-Identifier: MIT */
/*
 * A small pool of threads for work that only computes: cutting, hashing, compressing, sealing (layer 0).
 */
#ifndef STORE_BASE_WORKERS_H
#define STORE_BASE_WORKERS_H

#include <stddef.h>

#include "store/base/cleanup.h"

struct workers;

/* threads: 0 means one a processor (at most 16). -ENOMEM or -EAGAIN when threads cannot be had. */
MUST_USE int workers_new(unsigned threads, struct workers **ret);
void workers_free(struct workers *w); /* joins them; NULL is fine */

/*
 * Call job(arg, i) for i in [0, n), on the caller's thread and any idle worker, in any order; returns when
 * all are done. Several threads may run at once and share the pool. n == 1 runs on the caller with no
 * hand-over. w == NULL runs all on the caller. job must not call workers_run.
 */
void workers_run(struct workers *w, size_t n, void (*job)(void *arg, size_t i), void *arg);

#endif
