/* SPDX-License-Identifier: MIT */
/*
 * A disk and a clock in memory, for tests: a `struct os` whose power can be cut and whose calls can be made
 * to fail. One seed decides everything that is left to chance, so a failure is found again by its seed.
 *
 * What it is strict about, because disks are:
 *
 * - A write is durable once fdatasync or fsync of its file has returned 0. At a power cut each write since
 *   then is, by chance, kept, dropped, or torn: every 512-byte sector of it by itself. Changes of a file's
 *   length (truncate, allocate, a write past the end) are kept or dropped likewise.
 * - A name is durable once its folder was given to sync_dir: fsync of a file does not bind its name. At a
 *   power cut each making, renaming and removing of a name since then is, by chance, kept or dropped;
 *   a rename is never half done. Files no name leads to are gone.
 * - After a failed sync the writes it was to make durable are, by chance, lost for good, though they can
 *   still be read until the power is cut, and the next sync returns 0.
 *
 * All functions are thread-safe. Descriptors are numbers no kernel gives out, so that a system call past
 * the seam fails.
 */
#ifndef TESTS_SIM_SIM_OS_H
#define TESTS_SIM_SIM_OS_H

#include <stdint.h>

#include "store/os/os.h"

struct sim;

/* Has the root folder "/" and nothing in it. All paths are absolute. NULL when memory runs out. */
struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim); /* NULL is fine */
void sim_freep(struct sim **sim);
const struct os *sim_os(struct sim *sim); /* lives as long as sim */

/* --- power */

/* Cut now: all descriptors are closed, what was not durable is decided, and every call fails with -EIO. */
void sim_power_cut(struct sim *sim);
/*
 * Cut in the middle of the n-th changing call from now (1: the next): a pwrite, sync, truncate, allocate,
 * rename, unlink, mkdir, sync_dir or creating open. That call fails; a write or a name it was to make has its
 * chance like all that was not synced, and what a sync was to make durable has no more than that either.
 */
void sim_power_cut_at(struct sim *sim, uint64_t n_changes);
bool sim_power_is_on(struct sim *sim);
void sim_power_on(struct sim *sim);    /* and forget the armed faults and cuts; capacity and clock stay */
uint64_t sim_changes(struct sim *sim); /* changing calls so far: the range to choose a cut from */

/* --- faults */

enum sim_call {
	SIM_OPEN = 1,
	SIM_PREAD = 2,
	SIM_PWRITE = 4,
	SIM_SYNC = 8, /* fdatasync and fsync */
	SIM_TRUNCATE = 16,
	SIM_ALLOCATE = 32,
	SIM_RENAME = 64,
	SIM_UNLINK = 128,
	SIM_MKDIR = 256,
	SIM_SYNC_DIR = 512,
	SIM_CLOSE = 1024, /* which lets go of the descriptor all the same */
	SIM_SIZE = 2048,
	SIM_LIST = 4096,
	SIM_FREE_BYTES = 8192,
	SIM_CALLS = 14, /* so many kinds */
	SIM_ANY = (1 << SIM_CALLS) - 1,
	SIM_ANY_CHANGE = SIM_PWRITE | SIM_SYNC | SIM_TRUNCATE | SIM_ALLOCATE | SIM_RENAME | SIM_UNLINK |
			 SIM_MKDIR | SIM_SYNC_DIR,
};
/*
 * The n-th call from now (1: the next) of one of these kinds fails with `code` (negative errno), and so do
 * the `more` after it (UINT64_MAX: all). A write that fails has by chance written a part. Replaces what was
 * armed before; n 0 disarms. SIM_SHORT for `code`: a read or a write does not fail, but does only a part.
 */
enum { SIM_SHORT = 1 };
void sim_fail(struct sim *sim, unsigned calls, uint64_t n, uint64_t more, int code);
/* This many in a thousand reads and writes of more than a byte do only a part of what was asked. */
void sim_short_io(struct sim *sim, unsigned permille);
/* Between these two no call is counted, fails, or is cut: for a test's own looks. May be nested. */
void sim_faults_off(struct sim *sim);
void sim_faults_on(struct sim *sim);
/* All files together hold no more than this; then a write is cut short, and the next is -ENOSPC. */
void sim_set_capacity(struct sim *sim, uint64_t bytes);
uint64_t sim_used(struct sim *sim);
/* Flip bits of what is stored, durably: ^= mask at this offset. -ENOENT, -ENODATA past the end. */
int sim_damage(struct sim *sim, const char *path, uint64_t offset, uint8_t mask);

/* --- clock: both stand still but for these. now begins at 1,700,000,000 s, monotonic at 1 s. */

void sim_set_now(struct sim *sim, uint64_t now_ns); /* the wall clock alone: it may jump, also back */
void sim_advance(struct sim *sim, uint64_t ns);     /* both */

/* --- lies, for tests of tests: what a disk, or the code above it, could get wrong, always or (permille) by
 * chance */

enum sim_lie {
	SIM_LIE_NONE,
	SIM_LIE_SYNC,     /* a sync returns 0 and makes nothing durable */
	SIM_LIE_SYNC_DIR, /* that of a folder, likewise */
	SIM_LIE_LATE,     /* a sync makes durable what the one before it should have */
	SIM_LIE_SHORT,    /* a write does a part, and says it was all */
	SIM_LIE_READ,     /* a read gives a bit that was not written */
};
void sim_lie(struct sim *sim, enum sim_lie lie, unsigned permille);

/* --- what it has done */

struct sim_counts {
	uint64_t calls[SIM_CALLS];  /* by kind, in the order of enum sim_call */
	uint64_t failed[SIM_CALLS]; /* by an armed fault */
	uint64_t short_reads, short_writes;
	uint64_t no_space; /* writes and allocations that did not fit */
	uint64_t cuts;
	/* decided by cuts: writes (and lengths, and names), each kept, dropped, or torn */
	uint64_t kept, dropped, torn, names_kept, names_dropped;
	uint64_t lost; /* writes that a failed sync has left behind for good */
};
void sim_counts(struct sim *sim, struct sim_counts *ret);
uint64_t sim_calls(struct sim *sim); /* that could have failed: the range to choose a fault from */
/* A number of all calls so far, their order, places, lengths and results: the same twice when a run is. */
uint64_t sim_trace(struct sim *sim);
void sim_trace_begin(struct sim *sim); /* of those from here on */
/* Called before each call, without a lock; NULL: nothing is. */
void sim_before_call(struct sim *sim, void (*fn)(void *arg, enum sim_call call), void *arg);
/*
 * Bytes of a file as they would surely be found after a power cut now; how many, -ENOENT when its name is not
 * durable. And as they are seen now.
 */
ssize_t sim_read_durable(struct sim *sim, const char *path, void *out, size_t len, uint64_t offset);
ssize_t sim_read_now(struct sim *sim, const char *path, void *out, size_t len, uint64_t offset);

/* --- from the same seed, for the test's own choices */

uint64_t sim_random(struct sim *sim, uint64_t below); /* 0 to below - 1 */

#endif
