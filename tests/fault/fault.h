/* SPDX-License-Identifier: MIT */
/*
 * The fault simulator: lives of a store (life_store.c), and of a store and a node with a link between them
 * (life_pair.c, link.c), on machines whose disks fail (machine.h). What a life does, how threads take turns
 * and what fails is decided by its seed alone; a life that is run again is the same to the last call of a
 * disk, which fault_main.c also tries.
 *
 * What is held against a life is a second implementation (tests/model): after whatever happened, the store
 * opens and is exactly as it was after some operation, at or behind the last that a commit, an fsync or a
 * close has answered for; its past is as it was, hf_store_check finds nothing; an operation that failed has
 * done nothing; and a disk that is mended takes writes again. Of a pair besides: what the node has is at any
 * time what the primary has durably, up to some commit; what a receipt says is on the node's disk for good;
 * what the primary believes of the node is true; when all is mended the node gets the rest, and from it alone
 * the store is recovered.
 */
#ifndef TESTS_FAULT_FAULT_H
#define TESTS_FAULT_FAULT_H

#include "tests/fault/machine.h"
#include "tests/model/storm.h"

/* What has been done, for the report. All are counts, in memory that processes share. */
struct totals {
	uint64_t lives, operations, sessions, reopenings, checks, repeated;
	uint64_t calls, switches;
	uint64_t failed[SIM_CALLS], short_reads, short_writes, no_space, cuts;
	uint64_t kept, dropped, torn, names_kept, names_dropped, lost;
	uint64_t refused;                /* operations */
	uint64_t index_back, index_gone; /* the index was an older one, or was not there */
	uint64_t points;                 /* lives that were each one of every point of one */
	/* of pairs */
	uint64_t requests, requests_lost, answers_lost, broken_off, doubled, replayed, refused_connections,
		delayed;
	uint64_t receipts, node_cuts, node_starts, primary_cuts, recoveries;
};
void totals_add_sim(struct totals *t, struct sim *sim);
void totals_add(struct totals *to, const struct totals *from);

struct life_options {
	uint64_t seed;
	uint64_t ops;               /* about so many */
	const struct arm *only;     /* one short life, in which this alone fails; NULL: by chance */
	enum sim_lie lie, node_lie; /* of the disks: a test of the simulator */
	struct totals *totals;
};

/* Some lies would be noticed at the first call, and say nothing of the rest: they are told now and then. */
static inline unsigned lie_permille(enum sim_lie lie)
{
	return lie == SIM_LIE_SHORT || lie == SIM_LIE_READ ? 30 : 1000;
}

/* What one was, to be compared with the same again; and how far it goes, for `only`. */
struct life_mark {
	uint64_t trace, switches, calls, changes, ops;
};

/* 0, or -1 after the reason was printed. ret may be NULL. */
int life_store(const struct life_options *o, struct life_mark *ret);
int life_pair(const struct life_options *o, struct life_mark *ret);

/* totals.c: the table of docs/RELIABILITY.md, between its markers. 0 or -1, with words. */
int totals_report(const struct totals *store, const struct totals *pair, double seconds, const char *how,
		  const char *file);
void totals_print(const struct totals *store, const struct totals *pair, double seconds);

/* --- of a store under faults, for both kinds of life (shelter.c) */

struct shelter {
	struct storm *storm;
	struct machine *m;
	struct totals *t;
	uint64_t failed_seen; /* calls that had failed when the last operation was over */
	int armed_code;
	bool was_armed;
	bool squeezed; /* there is hardly any room just now */
	bool unsure; /* what is seen may be gone after a cut: a sync failed, and nobody has mended that yet */
	uint64_t calls, changes; /* of the disk, when it was first mended */
	bool mended;
	char index[MACHINE_PATH_BYTES + 32], kept_index[MACHINE_PATH_BYTES + 32];
};
void shelter_begin(struct shelter *s, struct machine *m, struct storm *storm, struct totals *t);
bool shelter_excuses(struct shelter *s, int64_t code);
void shelter_arm(struct shelter *s, const struct arm *arm);
/* Open for writing, with what is armed. 1: it is open; 0: the disk did not let it; -1. */
int shelter_open(struct shelter *s);
/* So many operations; ends early when the store takes no more. */
int shelter_work(struct shelter *s, uint64_t ops);
/* Close what is open: `cut` with the power off. */
int shelter_close(struct shelter *s, bool cut);
/* Mended; by chance with another index. Then it is as it must be. */
int shelter_look(struct shelter *s);

#endif
