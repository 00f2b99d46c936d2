/* SPDX-License-Identifier: MIT */
#include "store/base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

enum { STEP_BYTES = 64 << 10 };

static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Twice as much, and back with what is too much before and behind. */
void *pages_large(void)
{
	uint8_t *p = map(2 * (size_t)PAGES_LARGE_BYTES);
	size_t before;

	if (!p)
		return NULL;
	before = -(uintptr_t)p % PAGES_LARGE_BYTES;
	if (before > 0)
		(void)munmap(p, before);
	if (before < PAGES_LARGE_BYTES)
		(void)munmap(p + before + PAGES_LARGE_BYTES, PAGES_LARGE_BYTES - before);
	(void)madvise(p + before, PAGES_LARGE_BYTES, MADV_HUGEPAGE);
	return p + before;
}

bool pages_grow(void **bytes, size_t *cap, size_t wanted)
{
	size_t grown = (wanted + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
	void *p;

	if (wanted <= *cap)
		return true;
	if (grown < wanted)
		return false;
	p = *bytes ? mremap(*bytes, *cap, grown, MREMAP_MAYMOVE) : map(grown);
	if (!p || p == MAP_FAILED)
		return false;
	*bytes = p;
	*cap = grown;
	return true;
}

void pages_free(void *bytes, size_t cap)
{
	if (bytes)
		(void)munmap(bytes, cap);
}
