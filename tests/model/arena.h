/* SPDX-License-Identifier: MIT */
/*
 * Memory that outlives a process: one stretch shared with every process forked after arena_new, at the same
 * address in all of them. A store can be tested by a child that is killed at any instant while what the store
 * ought to hold is kept here, pointers and all. Nothing is freed singly; arena_reset gives back everything at
 * once.
 */
#ifndef TESTS_MODEL_ARENA_H
#define TESTS_MODEL_ARENA_H

#include <stddef.h>

/* Aborts when the memory cannot be had. Pages are taken when they are first touched. */
void arena_new(size_t size_bytes);
void arena_reset(void);
/* Zeroed, aligned to 16. Aborts when the arena is full. */
void *arena_alloc(size_t len);
void *arena_copy(const void *data, size_t len);
char *arena_text(const char *text);
size_t arena_used(void);

#endif
