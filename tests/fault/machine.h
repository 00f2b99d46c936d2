/* SPDX-License-Identifier: MIT */
/*
 * A simulated machine: a disk and a clock (tests/sim), and threads that are its own (sched.h). What a thread
 * asks of os_posix() is its machine's disk; what goes past the seam, which is RocksDB's files and locks of
 * whole folders, is in a real folder of the same name.
 */
#ifndef TESTS_FAULT_MACHINE_H
#define TESTS_FAULT_MACHINE_H

#include "tests/sim/sim_os.h"

enum { MACHINE_PATH_BYTES = 200 };

struct machine {
	char dir[MACHINE_PATH_BYTES]; /* there on both, empty to begin with */
	struct sim *sim;
	struct os os;
	uint64_t failed_before; /* machine_was_hit */
};

/* How a disk is to fail; `at`: the n-th call (ARM_CUT: the n-th that changes something) from when it is
 * armed. */
enum arm_kind { ARM_NONE, ARM_FAIL, ARM_SHORT, ARM_CUT };
struct arm {
	enum arm_kind kind;
	unsigned calls; /* enum sim_call, of ARM_FAIL */
	uint64_t at, more;
	int code;
};

/*
 * Once, before the first, in the process that has the others as its children: what libsodium asks random
 * bytes for as it begins is of no life; and all real folders will be below one.
 */
void machines_begin(void);
void machines_end(void); /* by the same one: that folder is removed, whoever has left something in it */
/* `name`: of this process's own, "a". Requires sched_begin. */
struct machine *machine_new(const char *name, uint64_t seed);
void machine_free(struct machine *m); /* NULL is fine. No thread is its own any more */

/* This thread, and those it starts, are of this machine from now on; returns of which it was. NULL: none. */
struct machine *machine_enter(struct machine *m);
/* For sched_begin: the clocks of all machines go on. */
void machines_pass(void *unused, uint64_t ns);

/* In the place of what was armed before, if that has not come yet. */
void machine_arm(struct machine *m, const struct arm *arm);
/* Nothing is armed, power is on, there is room. */
void machine_mend(struct machine *m);
/* Has a call failed, come up short or been cut since machine_arm? */
bool machine_was_hit(struct machine *m);
uint64_t machine_failed_calls(struct machine *m);

/* A flat real folder, which RocksDB has let go of: removed, or kept beside it under another name and put
 * back. */
void folder_remove(const char *path);
void folder_copy(const char *from, const char *to); /* what was at `to` is gone; no `from` is no copy */

#endif
