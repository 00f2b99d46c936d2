/* SPDX-License-Identifier: MIT */
/*
 * Memory in whole pages, of the system's and not of the heap (layer 0): for what is large, grows, and goes
 * again, and would leave holes there.
 */
#ifndef STORE_BASE_PAGES_H
#define STORE_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/cleanup.h"

enum { PAGES_LARGE_BYTES = 2 << 20 };

/* One large page, aligned to its size, where the system has such. NULL: no memory. Zeroed. */
MUST_USE void *pages_large(void);

/*
 * Make *bytes (NULL: nothing yet) of *cap bytes at least `wanted` long; they may move, and what is not
 * written to takes no memory. False: no memory, and all is as it was.
 */
MUST_USE bool pages_grow(void **bytes, size_t *cap, size_t wanted);

void pages_free(void *bytes, size_t cap); /* NULL is fine */

#endif
