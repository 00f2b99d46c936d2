/* SPDX-License-Identifier: MIT */
/*
 * Threads that take turns, so that a program with many is run the same way twice: of those that have begun
 * here one runs at a time, and a seed says which is next, and when. Time stands still but for what is said
 * here; a wait for a time ends when nobody else can go on, or when time has passed it.
 *
 * The program is linked with --wrap for the calls in sched_wrap.c (SCHED_WRAPPED in the Makefile): what our
 * own objects ask of pthreads, of CLOCK_MONOTONIC, of nanosleep, of getrandom and of how many processors
 * there are, comes here. Libraries keep the real calls: RocksDB's own threads run beside all this, change
 * nothing that is looked at, and call nothing of ours.
 *
 * A thread can lose its turn where it takes a lock, waits, starts or joins another, or makes a call of a
 * simulated disk (sched_pause): between two of those nothing of another's is seen, as if it had been one
 * instruction. Waits may end early, as POSIX lets them. When all wait for each other, and for no time, it is
 * a deadlock: who waits for what is printed, and the process aborts.
 */
#ifndef TESTS_SIM_SCHED_H
#define TESTS_SIM_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The calling thread is the first; the others are those it starts, and they. `passed` is told of time that
 * goes by (may be NULL). Monotonic time begins at 1 s.
 */
void sched_begin(uint64_t seed, void (*passed)(void *arg, uint64_t ns), void *arg);
/* All others have ended, or it aborts. */
void sched_end(void);
/* Is the calling thread one of these? Everything below is for such alone. */
bool sched_is_on(void);

void sched_pause(void); /* another may go on here */
void sched_sleep(uint64_t ns);
void sched_pass(uint64_t ns); /* time goes by while this thread is at work */
uint64_t sched_now_ns(void);
uint64_t sched_random(uint64_t below);
void sched_random_bytes(void *out, size_t len);
uint64_t sched_switches(void); /* turns that went to another thread, since sched_begin */

/* A word for the thread, which those it starts begin with. */
void sched_set_tag(void *tag);
void *sched_tag(void);

#endif
