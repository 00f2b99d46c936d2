/* SPDX-License-Identifier: MIT */
#include "tests/model/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct arena {
	size_t used, size;
	_Alignas(16) unsigned char bytes[];
};

static struct arena *arena;

void arena_new(size_t size_bytes)
{
	void *map = mmap(NULL, sizeof(*arena) + size_bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED) {
		perror("memory for the model");
		abort();
	}
	arena = map;
	arena->size = size_bytes;
}

void arena_reset(void)
{
	(void)madvise(arena->bytes + 4096, arena->size - 4096, MADV_REMOVE);
	memset(arena->bytes, 0, arena->used < 8192 ? arena->used : 8192);
	arena->used = 0;
}

void *arena_alloc(size_t len)
{
	void *p = arena->bytes + arena->used;

	len = (len + 15) & ~(size_t)15;
	if (len > arena->size - arena->used) {
		fprintf(stderr, "the model's memory is full\n");
		abort();
	}
	arena->used += len;
	memset(p, 0, len);
	return p;
}

void *arena_copy(const void *data, size_t len)
{
	void *p = arena_alloc(len);

	if (len > 0)
		memcpy(p, data, len);
	return p;
}

char *arena_text(const char *text)
{
	return arena_copy(text, strlen(text) + 1);
}

size_t arena_used(void)
{
	return arena->used;
}
